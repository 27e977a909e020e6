/** Clients and pages behind a real nginx, with TLS and a path prefix. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { once } from "node:events";
import { request } from "node:https";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { scene } from "../browser/harness.mjs";
import { TRANSPORTS } from "./exchange.mjs";
import { nginx } from "./nginx.mjs";

const PROGRAM = fileURLToPath(new URL("exchange.mjs", import.meta.url));

/** The server's configuration of the examples, and the cookie of polls. */
const SETTINGS = {
  TURNTABLE_CONFIG: fileURLToPath(new URL("../../examples/config/behind-nginx.toml", import.meta.url)),
  TURNTABLE_POLL__COOKIE: "true",
};

const sid = (target) => new URLSearchParams(target.split("?")[1]).get("sid");

/** Fails if a request was refused or left the prefix. */
function checked({ requests }) {
  const all = requests();
  for (const [number, [status, method, target]] of all.entries()) {
    assert.match(target, /^\/play\//);
    // nginx writes 499 for a request that the client gave up, such as a long poll.
    if (Number(status) < 400 || status === "499") continue;
    // engine.io-client polls on until its last POST, which closes the session, is
    // answered. That poll comes on another connection, and may come behind the POST: then
    // no server of Engine.IO knows its session.
    const isLast = !all.slice(number + 1).some(([, verb, later]) => verb === "GET" && sid(later) === sid(target));
    const crossed = status === "400" && method === "GET" && sid(target) !== null && isLast;
    assert.ok(crossed, `${method} ${target}: ${status}`);
  }
}

scene("every transport works below a prefix of nginx", async ({ server, t }) => {
  const proxy = await nginx(t, server.url);
  const run = promisify(execFile);
  for (const name of TRANSPORTS) {
    const env = { ...process.env, NODE_EXTRA_CA_CERTS: proxy.certificate };
    const { stdout } = await run(process.execPath, [PROGRAM, proxy.url, name], { env, timeout: 30_000 });
    const used = stdout.trim();
    const first = name === "the first that works" || name === "socket.io with an upgrade";
    assert.ok(used !== "" && (first ? used === "websocket" : name.includes(used)), `${name} used ${used}`);
  }
  checked(proxy);
  const paths = new Set(proxy.requests().map(([, , target]) => target.split("?")[0]));
  assert.deepEqual([...paths].sort(), ["poll", "socket.io/", "tunnel", "tunnel/send", "ws"].map((path) => `/play/${path}`));
}, { settings: SETTINGS });

/** Sends an empty poll for another name than the address says. */
async function poll({ url, certificate }, headers) {
  const { port, pathname } = new URL(url);
  const sent = request({
    host: "127.0.0.1",
    port,
    path: `${pathname}poll`,
    method: "POST",
    ca: readFileSync(certificate),
    servername: "game.example",
    headers: { "Content-Type": "application/json", ...headers },
  });
  sent.end("[]");
  const [answer] = await once(sent, "response");
  answer.resume();
  await once(answer, "end");
  return answer;
}

scene("behind nginx the server knows its name and pages of its origin, and refuses others", async ({ server, t }) => {
  const proxy = await nginx(t, server.url);
  const status = async (headers) => (await poll(proxy, headers)).statusCode;
  assert.equal(await status({ Host: "game.example" }), 200);
  assert.equal(await status({ Host: "game.example:8443", Origin: "https://game.example:8443" }), 200);
  assert.equal(await status({ Host: "other.example" }), 403);
  assert.equal(await status({ Host: "game.example", Origin: "https://other.example" }), 403);
}, { settings: SETTINGS });

scene("the pages work below a prefix of nginx", async ({ server, open, t }) => {
  const proxy = await nginx(t, server.url);
  const mel = await open(proxy.url, { user: "1:100", insecure: true });
  await mel.reads("connection-state", "online");
  for (const demo of ["strike", "four", "friends", "playground"]) {
    await mel.see(`tile-${demo}`).click();
    await mel.page.waitForURL(`${proxy.url}${demo}/?user=*`);
    await mel.reads("connection-state", "online");
    await mel.page.goBack();
  }
  for (const transport of ["websocket", "websocket-v2", "sse", "longpoll", "poll"]) {
    await mel.page.goto(`${proxy.url}four/?user=1:100&room=${transport}&transport=${transport}`);
    await mel.until(() => window.__demo.synced());
    await mel.reads("connection-state", "online");
  }
  // The browser sends the cookie back, to the folder of the mount point only.
  const session = () => mel.page.evaluate(async (url) => {
    const answer = await fetch(url, { method: "POST", headers: { "Content-Type": "application/json" }, body: "[]" });
    return answer.headers.get("Turntable-Session");
  }, `${proxy.url}poll`);
  await mel.page.context().clearCookies();
  const first = await session();
  assert.equal(await session(), first);
  const [{ path, secure, httpOnly, value }] = await mel.page.context().cookies(`${proxy.url}poll`);
  assert.deepEqual({ path, secure, httpOnly, value }, { path: "/play", secure: true, httpOnly: true, value: first });
  checked(proxy);
}, { settings: SETTINGS });
