// The end of a client: nothing follows `closed`, wherever it is closed.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "../../static/turntable.js";
import { fake } from "./fake_server.mjs";
import { ManualEnvironment, WebSocket, online, serve } from "./harness.mjs";

const EVENTS = ["state", "welcome", "resumed", "reset", "invite", "invitereply", "goaway", "service", "error", "transport", "frame", "message"];

/** Records every event of the client and its parts; `act` is called with each. */
function record(tt, act) {
  const log = [];
  const add = (part, events, name) => {
    for (const event of events) {
      // Two listeners each: the second one must not be called after the first has closed.
      for (const number of [1, 2]) {
        part.on(event, (detail) => {
          log.push(event === "state" ? detail.state : `${name}${event}`);
          if (number === 1) act(`${name}${event}`, detail);
        });
      }
    }
  };
  add(tt, EVENTS, "");
  add(tt.friends, ["change"], "friends ");
  add(tt.attributes, ["change"], "attributes ");
  return { log, add };
}

const STEPS = [
  ...["state", "transport", "frame", "welcome", "message", "friends change", "attributes change", "invite", "invitereply", "goaway"],
  ...["service", "error", "room action", "room actions", "room members", "room left", "room invitereply", "channel message", "resumed", "reset"],
];

for (const encoding of ["v1", "v2"]) {
  for (const step of STEPS) {
    test(`closing within ${step} (${encoding}) ends the client for good`, { timeout: 10_000 }, async (t) => {
      const server = await fake(t);
      const tt = connect(server.url, { user: "1:1", WebSocket, transports: ["websocket"], encoding, reconnect: { min_ms: 1, max_ms: 5 } });
      t.after(() => tt.close());
      let closed = false;
      const { log, add } = record(tt, (event) => {
        if (event !== step || closed) return;
        closed = true;
        tt.close();
      });
      const run = async () => {
        await tt.ready;
        const room = await tt.join("C");
        add(room, ["action", "actions", "members", "left", "invitereply"], "room ");
        const channel = await tt.channel("chat");
        add(channel, ["message", "left"], "channel ");
        void tt.friends.subscribe(["1:2"]).catch(() => {});
        const { session } = server;
        session.send("userchange", { "1:2": "online" });
        session.send("attributes", { a: 1 });
        session.send("invite", { channel: "D", from: "1:2" });
        session.send("invitereply", { channel: "C", user: "1:2", accepted: true });
        session.send("service", { a: { state: "enabled" } });
        session.send("error", { code: "rate_limited", message: "" });
        session.send("game", { channel: "C", actions: [1, 2].map((data) => ({ timestamp: 1, from: "1:1", data })) });
        session.send("memberchange", { channel: "C", members: { "1:2": "joined" } });
        session.send("message", { channel: "chat", id: "x", offset: 1, from: "1:2", time: 1, data: 1 });
        await tt.request("lookup", []);
        session.connection.cut();
        await new Promise((resolve) => tt.on("resumed", resolve));
        server.sessions.clear();
        server.session.connection.cut();
        await new Promise((resolve) => tt.on("reset", resolve));
        server.session.send("memberchange", { channel: "C", members: { "1:1": "left" } });
        server.session.send("goaway", { reason: "test", reconnect_ms: 60_000 });
        await tt.request("lookup", []);
      };
      await Promise.race([run().catch(() => {}), (async () => { while (!closed) await sleep(1); })()]);
      assert.ok(closed, "the event came");
      await sleep(30);
      assert.equal(tt.state, "closed");
      // The second listener of the state event is the last one that is called.
      const end = log.lastIndexOf("closed");
      assert.deepEqual(log.slice(end + 1), []);
      assert.equal(log.filter((event) => event === "closed").length, 2);
    });
  }
}

test("after a close within `transport` no timer is left", async (t) => {
  const server = await serve(t);
  const env = new ManualEnvironment();
  const tt = connect(server.url, { user: "1:1", WebSocket, environment: env });
  tt.on("transport", () => tt.close());
  await (await server.accept()).admit();
  while (tt.state !== "closed") await sleep(1);
  await sleep(20);
  assert.deepEqual(env.timers, []);
});

/** From which request on the answers come late. */
const SLOW = [
  ["the request that begins the session", () => true],
  ["the identification", (body) => body.includes("$av:idme")],
];

for (const [which, isSlow] of SLOW) {
  test(`poll: close() while ${which} has no answer ends the session`, async (t) => {
    const server = await fake(t);
    const env = new ManualEnvironment();
    let reached = () => {};
    const asked = new Promise((resolve) => {
      reached = resolve;
    });
    let release = () => {};
    const released = new Promise((resolve) => {
      release = resolve;
    });
    const slow = async (url, options) => {
      const response = await fetch(url, options);
      if (!isSlow(String(options.body))) return response;
      reached();
      await released;
      options.signal?.throwIfAborted();
      return response;
    };
    const tt = connect(server.url, { user: "1:1", fetch: slow, transports: ["poll"], environment: env });
    tt.ready.catch(() => {});
    await asked;
    const ended = new Promise((resolve) => {
      server.ended = resolve;
    });
    assert.equal(server.sessions.size, 1);
    tt.close();
    env.advance(5000);
    release();
    await ended;
    assert.equal(server.sessions.size, 0);
  });
}

test("close() reports the actions that the server's rates deferred, and calls that were not sent", async (t) => {
  const { tt, peer } = await online(t, {}, { limits: { rates: { game: { per_second: 1, burst: 2 }, call: { per_second: 1, burst: 1 } } } });
  const joining = tt.join("C");
  peer.send("joined", { channel: "C", self: "1:1", members: {} }, (await peer.next("joingame")).id);
  const room = await joining;
  const log = [];
  const again = [];
  tt.on("state", ({ state }) => log.push(state));
  room.on("refused", ({ error, data }) => {
    log.push([error.code, ...data]);
    // A listener may try again.
    again.push(room.act("again"));
  });
  const sent = [1, 2, 3, 4].map((number) => room.act(number));
  assert.deepEqual(sent, [true, true, true, true]);
  const calls = [1, 2].map(() => tt.call("f", {}).catch(({ message }) => message));
  const { mock } = t.mock.method(console, "warn", () => {});
  tt.close();
  assert.deepEqual(log, [["unavailable", 2], ["unavailable", 3], ["unavailable", 4], "closed"]);
  assert.deepEqual(again, [false, false, false]);
  assert.match((await Promise.all(calls))[1], /before this was sent/);
  assert.equal(mock.callCount(), 0);
});

test("what can be neither sent nor queued while close() drops the queue throws", async (t) => {
  const { tt, peer } = await online(t, {}, { limits: { rates: { game: { per_second: 1, burst: 1 } } } });
  const joining = tt.join("C");
  peer.send("joined", { channel: "C", self: "1:1", members: {} }, (await peer.next("joingame")).id);
  const room = await joining;
  const thrown = [];
  room.on("refused", () => {
    for (const command of [() => tt.send("publish", {}), () => tt.decline("D")]) {
      try {
        command();
      } catch (error) {
        thrown.push([error.code, error.command]);
      }
    }
    tt.call("f", {}).catch(({ code, command }) => thrown.push([code, command]));
  });
  for (const number of [1, 2]) room.act(number);
  tt.close();
  await new Promise(setImmediate);
  assert.deepEqual(thrown, [["unavailable", "publish"], ["unavailable", "declineinvite"], ["unavailable", "call"]]);
});
