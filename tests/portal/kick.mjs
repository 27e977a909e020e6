// The client library when an operator kicks or bans its user, and when credentials are refused, over each transport; prints `ok`.

import assert from "node:assert/strict";
import { WebSocket } from "ws";
import { connect } from "../../static/turntable.js";

const [url, management] = process.argv.slice(2);

/** Calls a method of the operator. */
async function rpc(method, parameters) {
  const response = await fetch(`${management}/rpc/${method}`, { method: "POST", body: JSON.stringify(parameters) });
  return response.json();
}

for (const [number, transport] of ["websocket", "tunnel", "longpoll", "poll"].entries()) {
  const user = `1:${number}`;
  const tt = connect(url, { user, WebSocket, EventSource: null, transports: [transport], reconnect: { min_ms: 1, max_ms: 10 } });
  tt.on("error", () => {});
  await tt.ready;
  const closed = new Promise((resolve) => tt.on("state", (event) => event.state === "closed" && resolve(event)));
  assert.equal(await rpc("user/kick", { userId: user, reason: "go home" }), 1);
  // One that polls has no request under way, and sends one now.
  const asked = transport === "poll" ? tt.request("lookup", ["1:9"]).catch(({ code }) => code) : undefined;
  const { reason, code, details } = await closed;
  assert.deepEqual([reason, code, details?.reason], ["kicked", 4005, "kicked"], transport);
  if (asked) assert.notEqual(typeof (await asked), "object");
  assert.deepEqual(await rpc("user/getSessions", { userId: user }), [], transport);
  await rpc("user/ban", { userId: user, seconds: 3600 });
  // A banned user does not get in, nor does a wrong proof.
  for (const [options, end] of [[{ user }, ["kicked", 4005, "banned"]], [{ user: `2:${number}`, credentials: { sessionId: "wrong" } }, ["unauthorized", 4009, "invalid"]]]) {
    const refused = connect(url, { ...options, WebSocket, EventSource: null, transports: [transport] });
    refused.on("error", () => {});
    const event = await new Promise((resolve) => refused.on("state", (change) => change.state === "closed" && resolve(change)));
    assert.deepEqual([event.reason, event.code, event.details?.reason], end, transport);
  }
}
console.log("ok");
