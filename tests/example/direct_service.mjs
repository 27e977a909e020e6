// Connects to examples/direct-service as the server says; prints `ok`.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { createConnection } from "node:net";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { connect } from "../../static/turntable.js";

const [url, port] = process.argv.slice(2);
const folder = fileURLToPath(new URL("../../examples/direct-service/", import.meta.url));
const key = "change-me-change-me-change-me-change-me";

function start(program, argument) {
  const child = spawn(process.execPath, [`${folder}${program}`, argument], { stdio: ["ignore", "pipe", "inherit"] });
  return { child, lines: createInterface({ input: child.stdout })[Symbol.asyncIterator](), ended: once(child, "exit") };
}

const files = start("files.mjs", port);
assert.equal((await files.lines.next()).value, `files at http://127.0.0.1:${port}/`);

const client = start("client.mjs", url);
for (const line of [
  `files is at http://127.0.0.1:${port}/, for 60 seconds`,
  "put { r: { user: '1:12345', bytes: 5 } }",
  "list { r: [ 'hello' ] }",
]) {
  assert.equal((await client.lines.next()).value, line);
}
await client.ended;

const tt = connect(url, { user: "1:7" });
const { url: address, protocol, token, expires_in } = await tt.direct("files");
assert.deepEqual([protocol, expires_in, tt.services.get("files").url], ["http", 60, address]);

// An upload that is broken off ends nothing.
await new Promise((resolve) => {
  const socket = createConnection(Number(port), "127.0.0.1", () => {
    const head = `POST / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nContent-Length: 1000\r\n\r\n{`;
    socket.write(head, () => socket.resetAndDestroy());
  });
  socket.on("close", resolve);
});

const status = async (token) => {
  const headers = token === undefined ? {} : { Authorization: `Bearer ${token}` };
  const answer = await fetch(address, { method: "POST", headers, body: `{"f": "list"}` });
  return [answer.status, await answer.json()];
};
assert.deepEqual(await status(token), [200, { r: [] }], "it is of another user than the example's");

const [head, body, signature] = token.split(".");
const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
const claims = JSON.parse(Buffer.from(body, "base64url").toString());
const sign = (head, claims, by = key) => {
  const text = `${part(head)}.${part(claims)}`;
  return `${text}.${createHmac("sha256", by).update(text).digest("base64url")}`;
};
const hs256 = { alg: "HS256", typ: "JWT" };
assert.equal((await status(sign(hs256, claims)))[0], 200);
for (const wrong of [
  undefined,
  "",
  "a.b.c",
  `${head}.${body}.`,
  `${head}.${part({ ...claims, sub: "1:12345" })}.${signature}`,
  `${part({ alg: "none" })}.${body}.`,
  sign({ alg: "none" }, claims),
  sign(hs256, claims, `${key}x`),
  sign(hs256, { ...claims, aud: "chat" }),
  sign(hs256, { ...claims, iss: "another" }),
  sign(hs256, { ...claims, exp: claims.iat - 1 }),
  sign(hs256, { ...claims, exp: undefined }),
]) {
  const [code, answer] = await status(wrong);
  assert.deepEqual([code, answer.error.code], [401, "unauthorized"], wrong);
  assert.equal(/is missing/.test(answer.error.message), !wrong, answer.error.message);
}
assert.equal((await status(sign(hs256, { ...claims, functions: ["put"] })))[0], 403);
await assert.rejects(tt.direct("nosuch"), { code: "not_found" });
tt.close();
files.child.kill();
await files.ended;
console.log("ok");
