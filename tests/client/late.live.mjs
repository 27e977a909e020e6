// A request that a proxy holds, and delivers after the session has repeated its commands over another
// connection, against the server at TURNTABLE_URL.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { connect as tcp, createServer } from "node:net";
import { describe, test } from "node:test";
import { connect } from "../../static/turntable.js";
import { WebSocket } from "./harness.mjs";
import { reset } from "./proxy.mjs";

const url = process.env.TURNTABLE_URL;
const skip = url ? false : "TURNTABLE_URL is not set";

/** The transport of a request, by its head. */
function transportOf(/** @type {string} */ head) {
  if (/^upgrade: *websocket/im.test(head)) return "websocket";
  if (head.startsWith("POST /poll")) return "poll";
  return head.includes("format=longpoll") ? "longpoll" : "tunnel";
}

/** A proxy that holds the request with `mark`, cuts every connection, and then blocks a transport. */
async function holdingProxy(t, mark, blocked) {
  const { hostname, port } = new URL(url);
  const pairs = new Set();
  let reach = () => {};
  const self = {
    url: "",
    deferred: undefined,
    /** The request is here. */
    reached: new Promise((resolve) => (reach = resolve)),
    /** Delivers the request; over when the server has answered it. */
    async deliver() {
      const { far, bytes } = self.deferred;
      assert.ok(!far.destroyed, "the server has closed the connection");
      const answered = Promise.race([once(far, "data"), once(far, "close")]);
      for (const part of bytes) far.write(part);
      await answered;
    },
  };
  const server = createServer((near) => {
    const far = tcp(Number(port), hostname);
    const pair = { near, far, deferred: false };
    pairs.add(pair);
    near.on("data", (bytes) => {
      const text = String(bytes);
      if (pair.deferred) {
        self.deferred.bytes.push(bytes);
      } else if (!self.deferred && text.includes(mark)) {
        pair.deferred = true;
        self.deferred = { far, bytes: [bytes] };
        reach();
        setTimeout(() => {
          reset(near);
          for (const other of pairs) if (other !== pair) reset(other.near);
        }, 100);
      } else if (self.deferred && /^(GET|POST) /.test(text) && !text.includes("/tunnel/send") && transportOf(text) === blocked) {
        reset(near);
      } else far.write(bytes);
    });
    far.on("data", (bytes) => near.destroyed || near.write(bytes));
    near.on("close", () => pair.deferred || far.destroy());
    far.on("close", () => near.destroy());
    for (const socket of [near, far]) socket.on("error", () => {});
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    for (const { near, far } of pairs) for (const socket of [near, far]) socket.destroy();
    server.close();
  });
  self.url = `http://127.0.0.1:${server.address().port}`;
  return self;
}

const PAIRS = [
  ["poll", "websocket"], ["tunnel", "websocket"], ["longpoll", "websocket"], ["tunnel", "poll"], ["longpoll", "poll"],
  ["poll", "tunnel"], ["poll", "poll"], ["tunnel", "tunnel"], ["tunnel", "longpoll"],
];

describe("a request that arrives late", { skip, concurrency: true }, () => {
  for (const [from, to] of PAIRS) {
    test(`over ${from}, whose commands were repeated over ${to}, is not carried out again`, { timeout: 60_000 }, async (t) => {
      const mark = `deferred-${randomUUID()}`;
      const network = await holdingProxy(t, mark, from === to ? undefined : from);
      const transports = from === to ? [from] : [from, to];
      const tt = connect(network.url, { user: `1:${randomUUID()}`, WebSocket, EventSource: null, transports, poll: { heartbeat_ms: 200 }, reconnect: { min_ms: 50, max_ms: 100 } });
      const watcher = connect(url, { user: `1:${randomUUID()}`, WebSocket });
      for (const one of [tt, watcher]) t.after(() => one.close());
      const failed = [];
      for (const event of ["error", "reset"]) tt.on(event, () => failed.push(event));
      const path = `late/${randomUUID()}`;
      const heard = [];
      // Behind what the late request could do, in the channel and in the room.
      const last = new Set(["end", "over"]);
      const channel = await watcher.channel(path);
      const watched = await watcher.join(path);
      const heardAll = new Promise((resolve) => {
        const hear = ({ data }) => {
          heard.push(data);
          last.delete(data);
          if (last.size === 0) resolve();
        };
        channel.on("message", hear);
        watched.on("action", hear);
      });
      const room = await tt.join(path);
      const publishes = [tt.request("publish", { channel: path, data: mark })];
      room.act("act");
      await network.reached;
      publishes.push(tt.request("publish", { channel: path, data: "two" }));
      await Promise.all(publishes);
      assert.equal(tt.transport, to);
      await network.deliver();
      await tt.request("publish", { channel: path, data: "end" });
      room.act("over");
      await heardAll;
      assert.deepEqual([heard.toSorted(), failed], [[mark, "act", "two", "end", "over"].toSorted(), []]);
    });
  }
});
