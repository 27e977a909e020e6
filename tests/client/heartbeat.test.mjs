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
