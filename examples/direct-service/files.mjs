// A service that clients connect to directly, for example because what they send is large.
// It knows the key of [services.files], and checks the tokens that the server issues.
//
//     node files.mjs [PORT]
//
// FILES_KEY replaces the example's key.

import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";

const [port = "9100"] = process.argv.slice(2);
const key = process.env.FILES_KEY ?? "change-me-change-me-change-me-change-me";
const BODY_BYTES_MAX = 1_000_000;
const FILES_MAX = 1_000;

/**
 * The claims of a token of the server.
 * @param {string} token
 * @param {string} service
 */
function verify(token, service) {
  const [head, body, signature, more] = token.split(".");
  const read = (/** @type {string} */ part) => JSON.parse(Buffer.from(part ?? "", "base64url").toString());
  const code = createHmac("sha256", key).update(`${head}.${body}`).digest();
  const given = Buffer.from(signature ?? "", "base64url");
  const signed = more === undefined && given.length === code.length && timingSafeEqual(given, code);
  if (!signed || read(head).alg !== "HS256") throw new Error("the token is not signed with the key");
  const claims = read(body);
  if (claims.iss !== "turntable" || claims.aud !== service) throw new Error("the token is for another service");
  if (!(claims.exp > Date.now() / 1000)) throw new Error("the token has expired");
  return claims;
}

/** By user. @type {Map<string, string[]>} */
const files = new Map();

/** @type {Record<string, (args: any, user: string) => any>} */
const functions = {
  put(text, user) {
    if (!files.has(user) && files.size >= FILES_MAX) throw new Error("there is no room");
    files.set(user, [...(files.get(user) ?? []), String(text)].slice(-FILES_MAX));
    return { user, bytes: Buffer.byteLength(String(text)) };
  },
  list: (_args, user) => files.get(user) ?? [],
};

/** What a request is answered with: status and body. */
async function answer(request) {
  let claims;
  try {
    const [, token] = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? "") ?? [];
    if (!token) throw new Error("the token is missing: send what `direct` gave you as `Authorization: Bearer TOKEN`");
    claims = verify(token, "files");
  } catch (error) {
    return [401, { error: { code: "unauthorized", message: error.message } }];
  }
  try {
    const parts = [];
    let size = 0;
    for await (const part of request) {
      size += part.length;
      if (size > BODY_BYTES_MAX) return [413, { error: { code: "too_large", message: "at most 1 MB" } }];
      parts.push(part);
    }
    const { f, args } = JSON.parse(Buffer.concat(parts).toString());
    if (!Object.hasOwn(functions, f)) return [404, { error: { code: "not_found", message: "the functions are put and list" } }];
    if (claims.functions && !claims.functions.includes(f)) return [403, { error: { code: "forbidden", message: `you may not call ${f}` } }];
    return [200, { r: functions[f](args, claims.sub) }];
  } catch (error) {
    return [400, { error: { code: "refused", message: error.message } }];
  }
}

const server = createServer(async (request, response) => {
  // Pages of other addresses send a token; there are no cookies that they could misuse.
  const cors = { "Access-Control-Allow-Origin": "*", "Access-Control-Allow-Headers": "authorization, content-type" };
  if (request.method === "OPTIONS") return response.writeHead(204, cors).end();
  const [status, body] = await answer(request);
  response.writeHead(status, { ...cors, "Content-Type": "application/json" }).end(JSON.stringify(body));
});
server.listen(Number(port), "127.0.0.1", () => console.log(`files at http://127.0.0.1:${server.address().port}/`));
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => server.close());
