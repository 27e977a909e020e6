// When the heartbeat probes, and what it concludes: in manual time, without a network.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Heartbeat } from "../../static/turntable/heartbeat.js";
import { ManualEnvironment } from "./harness.mjs";

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
