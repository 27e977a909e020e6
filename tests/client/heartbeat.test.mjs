// When the heartbeat probes, and what it concludes: in manual time, without a network.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Heartbeat } from "../../static/turntable/heartbeat.js";
import { poll } from "../../static/turntable/transports/poll.js";
import { ManualEnvironment, online } from "./harness.mjs";

/** A heartbeat at 0 s, and the times of what it did, in seconds. */
function started() {
  const env = new ManualEnvironment();
  env.now = 0;
  const now = () => env.now / 1000;
  const self = { env, probes: [], states: [], dead: [], attentive: true, awaiting_since: undefined };
  const hooks = {
    attentive: () => self.attentive,
    awaiting_since: () => self.awaiting_since,
    probe: () => self.probes.push(now()) > 0,
    steady: (steady) => self.states.push([now(), steady]),
    dead: () => self.dead.push(now()),
  };
  self.heartbeat = new Heartbeat({ environment: env, interval_ms: 15_000 }, hooks);
  self.heartbeat.start(30_000);
  self.until = (seconds) => env.advance(seconds * 1000 - env.now);
  return self;
}

test("messages of others further apart than 3 s do not make a connection steady whose probes are not answered", () => {
  const self = started();
  self.awaiting_since = 0;
  for (const seconds of [1.9, 5.4, 8.9]) {
    self.until(seconds);
    self.heartbeat.activity();
  }
  self.until(11);
  assert.deepEqual([self.states, self.dead], [[[5, false]], [10]]);
});

test("an answer that is late makes the connection steady", () => {
  const self = started();
  self.awaiting_since = 0;
  self.until(5.4);
  self.heartbeat.activity();
  self.until(6);
  self.heartbeat.activity();
  self.awaiting_since = undefined;
  self.attentive = false;
  self.heartbeat.answered();
  self.until(12);
  assert.deepEqual([self.states, self.dead], [[[5, false], [6, true]], []]);
});

test("a request behind a silence has a second for its answer before the connection is probed", () => {
  const self = started();
  self.attentive = false;
  const request = (seconds) => {
    self.until(seconds);
    [self.attentive, self.awaiting_since] = [true, self.env.now];
    self.heartbeat.attend();
  };
  // A page that calls each 4 s and is answered within 0.5 s.
  for (const seconds of [4, 8, 12]) {
    request(seconds);
    self.until(seconds + 0.5);
    [self.attentive, self.awaiting_since] = [false, undefined];
    self.heartbeat.activity();
  }
  self.until(14);
  assert.deepEqual(self.probes, []);
  // The probe of the interval at 15 s.
  self.until(15);
  self.heartbeat.answered();
  request(20);
  self.until(30);
  assert.deepEqual([self.probes.slice(0, 2), self.states, self.dead], [[15, 21], [[24, false]], [28]]);
});

test("behind a large message, which takes what the rates permit for a while, no probe counts as unanswered", async (t) => {
  const limits = { max_message_bytes: 100_000, rates: { bytes: { per_second: 2000, burst: 2000 } } };
  const { tt, peer, env } = await online(t, {}, { limits });
  // The exchanges behind a welcome.
  for (let count = 0; count < 5; count += 1) {
    peer.send("time", { ...(await peer.next("time")).data, t1: 1, t2: 1 });
    await peer.settle(tt);
    env.advance(100);
  }
  const states = [];
  tt.on("state", ({ state }) => states.push(state));
  const published = tt.request("publish", { channel: "chat", data: "x".repeat(60_000) });
  env.advance(1000);
  peer.send("reply", { id: "m", offset: 1, epoch: "e" }, (await peer.next("publish")).id);
  await published;
  env.advance(25_000);
  assert.deepEqual(states, []);
  // When the rates permit a probe again, silence is noticed.
  for (let seconds = 0; seconds < 60 && !states.includes("offline"); seconds += 1) env.advance(1000);
  assert.deepEqual(states.slice(0, 2), ["unsteady", "offline"]);
});

test("a probe that the server refuses for its rates is answered", async (t) => {
  const { tt, peer, env } = await online(t);
  const states = [];
  tt.on("state", ({ state }) => states.push(state));
  let probes = 0;
  void (async () => {
    for (;;) {
      await peer.next("time");
      probes += 1;
      peer.send("error", { code: "rate_limited", message: "too many bytes", command: "time", details: { retry_ms: 500 } });
    }
  })();
  for (let seconds = 0; seconds < 60; seconds += 1) {
    env.advance(1000);
    await peer.settle(tt);
  }
  assert.deepEqual(states, []);
  assert.ok(probes > 2, `${probes} probes`);
});

test("poll: a request that waits as the rates require is no probe", async () => {
  const answers = [
    () => new Response('[{"f":"$av:connected","args":{"user":"1:1","session":"s"}}]', { headers: { "Turntable-Session": "s" } }),
    () => new Response('{"error":{"code":"rate_limited","message":"","details":{"retry_ms":50}}}', { status: 429 }),
  ];
  let asked = 0;
  const fetch = async () => answers[asked++]?.() ?? new Promise(() => {});
  const environment = { setTimeout: (fn, ms) => setTimeout(fn, ms).unref(), clearTimeout, local: () => performance.now() };
  const hooks = new Proxy({ resume: () => undefined, attempt: () => 1 }, { get: (own, name) => own[name] ?? (() => {}) });
  const connection = poll({ heartbeat_ms: 60_000 }).createConnection({ url: "ws://game.test/ws", environment, fetch }, hooks);
  connection.open();
  while (!connection.idle) await sleep(1);
  connection.send('{"command":"lookup","data":[],"id":1}');
  await sleep(20);
  assert.deepEqual([asked, connection.probe()], [2, false]);
  // It is repeated, and awaited.
  while (asked < 3) await sleep(5);
  assert.equal(connection.probe(), true);
  connection.close(4000);
});
