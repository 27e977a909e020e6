// What docs/client.md promises for each transport and no other test shows: when events arrive, how many
// connections are open, and the close code of a long poll.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { CLOSE_CODES, connect } from "../../static/turntable.js";
import { fake } from "./fake_server.mjs";
import { ManualEnvironment, WebSocket } from "./harness.mjs";

const CONFIGURATIONS = {
  "websocket v1": { transports: ["websocket"] },
  "websocket v2": { transports: ["websocket"], encoding: "v2" },
  tunnel: { transports: ["tunnel"] },
  longpoll: { transports: ["longpoll"] },
  poll: { transports: ["poll"] },
};

/** Counts the requests whose responses have not ended, and the WebSockets that are open. */
function counting() {
  const self = { open: 0, most: 0 };
  const begin = () => {
    self.open += 1;
    self.most = Math.max(self.most, self.open);
    let over = false;
    return () => {
      self.open -= over ? 0 : 1;
      over = true;
    };
  };
  class Socket extends WebSocket {
    constructor(url, protocols) {
      super(url, protocols);
      this.once("close", begin());
    }
  }
  const request = async (url, options) => {
    const end = begin();
    options?.signal?.addEventListener("abort", end);
    const response = await fetch(url, options).catch((error) => {
      end();
      throw error;
    });
    const body = response.body.pipeThrough(new TransformStream({ flush: end }));
    return new Response(body, { status: response.status, headers: response.headers });
  };
  return Object.assign(self, { options: { WebSocket: Socket, fetch: request } });
}

for (const [name, options] of Object.entries(CONFIGURATIONS)) {
  const [transport] = options.transports;

  test(`${name}: events of others arrive ${transport === "poll" ? "within the heartbeat" : "at once"}`, async (t) => {
    const server = await fake(t);
    const env = new ManualEnvironment();
    const tt = connect(server.url, { user: "1:1", WebSocket, EventSource: null, environment: env, ...options });
    t.after(() => tt.close());
    await tt.ready;
    await tt.request("lookup", []);
    const from = env.now;
    let arrived = false;
    const event = tt.once("usermessage").then(() => (arrived = true));
    server.session.send("call", { f: "user:message", args: "hello" });
    if (transport === "poll") {
      env.advance(3900);
      await sleep(30);
      assert.equal(arrived, false);
      env.advance(100);
    }
    await event;
    assert.equal(env.now - from, transport === "poll" ? 4000 : 0);
  });

  test(`${name}: as many connections are open as the guide says`, async (t) => {
    const server = await fake(t);
    const count = counting();
    const tt = connect(server.url, { user: "1:1", EventSource: null, ...count.options, ...options });
    t.after(() => tt.close());
    await tt.ready;
    await tt.request("lookup", []);
    const streams = transport === "poll" ? 0 : 1;
    // A long poll that was just answered is followed by the next one.
    for (let tries = 0; count.open !== streams && tries < 100; tries += 1) await sleep(5);
    assert.equal(count.open, streams);
    count.most = 0;
    const answers = [];
    for (let number = 0; number < 30; number += 1) {
      answers.push(tt.request("lookup", [number]));
      if (number % 3 === 0) await sleep(1);
    }
    await Promise.all(answers);
    assert.equal(count.most, transport === "websocket" ? 0 : streams + 1);
  });
}

test("longpoll: the close code at the end of a batch has the same effect as on a WebSocket", async (t) => {
  for (const [text, row] of Object.entries(CLOSE_CODES)) {
    const server = await fake(t);
    const tt = connect(server.url, { user: "1:1", EventSource: null, transports: ["longpoll"], reconnect: { min_ms: 1, max_ms: 5 } });
    t.after(() => tt.close());
    tt.on("error", () => {});
    await tt.ready;
    await tt.request("lookup", []);
    const { session } = server;
    while (!session.connection) await sleep(1);
    const how = [];
    for (const event of ["resumed", "reset"]) tt.on(event, () => how.push(event));
    const down = new Promise((resolve) => tt.on("state", (change) => change.reason && resolve(change)));
    session.connection.close(Number(text));
    const { state, code, reason } = await down;
    assert.deepEqual([state, code, reason], [row.reconnect ? "offline" : "closed", Number(text), row.name]);
    if (row.reconnect) await tt.once("welcome");
    assert.deepEqual(how, row.reconnect ? [row.resume ? "resumed" : "reset"] : [], row.name);
    tt.close();
  }
});
