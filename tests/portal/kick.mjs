// The client library when an operator kicks its user, over each transport; prints `ok`.

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
  const { reason, details } = await closed;
  assert.deepEqual([reason, details?.reason], ["kicked", "kicked"], transport);
  if (asked) assert.notEqual(typeof (await asked), "object");
  assert.deepEqual(await rpc("user/getSessions", { userId: user }), [], transport);
}
console.log("ok");
