// The client library where WebSockets are blocked and no user is accepted without credentials; prints `ok`.

import assert from "node:assert/strict";
import { connect } from "../../static/turntable.js";

const [url] = process.argv.slice(2);

/** A WebSocket that a proxy blocks. */
class Blocked extends EventTarget {
  constructor() {
    super();
    setTimeout(() => {
      this.onerror?.({});
      this.onclose?.({ code: 1006, reason: "" });
    });
  }

  close() {}
}

const users = {
  session: { options: { user: "1:7", credentials: async () => ({ sessionId: "right" }) }, is: (user) => user === "1:7" },
  guest: { options: { guest: true, guest_storage: null }, is: (user) => user.startsWith("guest:") },
};

for (const [name, { options, is }] of Object.entries(users)) {
  for (const transports of [["tunnel"], ["longpoll"], ["poll"], undefined]) {
    const tt = connect(url, { ...options, WebSocket: Blocked, ...(transports && { transports }), reconnect: { min_ms: 1, max_ms: 10 } });
    const { user } = await tt.ready;
    assert.ok(is(user), `${name} over ${transports} is ${user}`);
    assert.equal(tt.transport, transports?.[0] ?? "tunnel");
    await tt.friends.subscribe(["1:1"]);
    tt.close();
  }
}

// Credentials that are wrong are refused over them, too, for good.
for (const transports of [["tunnel"], ["longpoll"], ["poll"]]) {
  const tt = connect(url, { user: "1:8", credentials: { sessionId: "wrong" }, transports });
  tt.on("error", () => {});
  await assert.rejects(tt.ready, { code: "unauthorized" });
  tt.close();
}
console.log("ok");
