// The estimate of the server's time and its error bound.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Clock } from "../../static/turntable/clock.js";
import { ManualEnvironment, online } from "./harness.mjs";

/** A seeded random number generator, for reproducible runs. */
function seededRandom(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** A Clock whose exchanges the test answers. */
function clock() {
  const env = new ManualEnvironment();
  const sent = [];
  const session = { online: true, received: 0, send: (command, data) => sent.push({ command, data }) };
  return { env, sent, session, clock: new Clock(session, { environment: env, timeout_ms: 10_000 }) };
}

/** Performs one exchange with the given one-way delays; the server's clock is `offset` ahead. */
function exchange({ env, sent, clock }, { there, back, offset, processing = 0 }) {
  const done = clock.sync();
  const { t0 } = sent.at(-1).data;
  env.now += there;
  const t1 = Math.floor(env.now + offset());
  env.now += processing;
  const t2 = Math.floor(env.now + offset());
  env.now += back;
  clock.answered({ t0, t1, t2 });
  return done;
}

const OFFSET = 1_700_000_000_000;

test("a symmetric exchange gives the exact offset, independent of the server's processing time", async () => {
  const world = clock();
  await exchange(world, { there: 20, back: 20, processing: 300, offset: () => OFFSET });
  assert.equal(world.clock.offset, OFFSET);
  assert.deepEqual([world.clock.latency, world.clock.error], [40, 21]);
  assert.equal(world.clock.now(), OFFSET + world.env.now);
  assert.equal(world.clock.toLocal(world.clock.toServer(77)), 77);
});

test("before the first exchange the system time is used, without a bound", () => {
  const { env, clock: estimate } = clock();
  assert.equal(estimate.now(), env.unix());
  assert.deepEqual([estimate.error, estimate.latency], [Infinity, NaN]);
});

test("the fastest of the recent exchanges is used", async () => {
  const world = clock();
  const offset = () => OFFSET;
  await exchange(world, { there: 200, back: 4, offset });
  assert.equal(Math.round(world.clock.offset - OFFSET), 98);
  await exchange(world, { there: 5, back: 5, offset });
  assert.ok(Math.abs(world.clock.offset - OFFSET) <= 1);
  await exchange(world, { there: 3, back: 400, offset });
  assert.ok(Math.abs(world.clock.offset - OFFSET) <= 1);
  assert.equal(world.clock.latency, 403); // the current one
});

test("the error is within the bound under asymmetric delay, jitter and drift", async () => {
  for (let seed = 1; seed <= 50; seed += 1) {
    const random = seededRandom(seed);
    const world = clock();
    const drift = (random() - 0.5) * 160e-6; // up to 80 us per second either way
    const offset = () => OFFSET + world.env.now * drift;
    const base = { there: random() * 150, back: random() * 150 };
    for (let count = 0; count < 60; count += 1) {
      world.env.now += random() * 20_000;
      const jitter = random() < 0.2 ? 500 : 10;
      const there = base.there + random() * jitter;
      const back = base.back + random() * jitter;
      await exchange(world, { there, back, processing: random() * 5, offset });
      const error = Math.abs(world.clock.offset - offset());
      assert.ok(error <= world.clock.error, `seed ${seed}, exchange ${count}: error ${error}, bound ${world.clock.error}`);
    }
  }
});

test("on a symmetric path the bound is near half the round-trip time", async () => {
  const world = clock();
  const random = seededRandom(7);
  for (let count = 0; count < 20; count += 1) {
    world.env.now += 10_000;
    await exchange(world, { there: 10 + random() * 40, back: 10 + random() * 40, offset: () => OFFSET });
  }
  assert.ok(world.clock.error < 50, `${world.clock.error}`);
});

test("a local clock that stopped during sleep is corrected by the next exchange", async () => {
  const world = clock();
  let offset = OFFSET;
  await exchange(world, { there: 2, back: 2, offset: () => offset });
  offset += 3_600_000;
  await exchange(world, { there: 50, back: 50, offset: () => offset });
  assert.ok(Math.abs(world.clock.offset - offset) <= 1);
});

test("after a sleep that stopped the local clock the estimate is corrected at once, and starts anew", async (t) => {
  const { env, tt, peer } = await online(t);
  const answer = async () => {
    const { data } = await peer.next("time");
    const now = OFFSET + env.now + env.slept;
    peer.send("time", { t0: data.t0, t1: now, t2: now });
    await peer.settle(tt);
    return data.t0;
  };
  for (let count = 0; count < 5; count += 1) {
    assert.equal(await answer(), env.now);
    env.advance(100);
  }
  assert.ok(Math.abs(tt.clock.now() - OFFSET - env.now) <= 1);
  env.slept = 37_000;
  assert.ok(Math.abs(tt.clock.now() - (OFFSET + env.now + env.slept)) <= 1, "corrected before any exchange");
  assert.ok(tt.clock.error >= 1000);
  // What is sent runs ahead, so that the server discards its old samples.
  assert.equal(await answer(), env.now + env.slept + 1000);
  assert.ok(tt.clock.error < 100);
  assert.ok(Math.abs(tt.clock.now() - (OFFSET + env.now + env.slept)) <= 1);
  assert.equal(tt.clock.local(), env.now);
  env.advance(100);
  for (let count = 0; count < 4; count += 1) {
    await answer();
    env.advance(100);
  }
  const joined = tt.join("C");
  peer.send("joined", { channel: "C", self: "1:1", members: {} }, (await peer.next("joingame")).id);
  (await joined).act({ move: 1 });
  const { data } = await peer.next("game");
  assert.equal(data.actions[0].timestamp, env.now + env.slept + 1000);
});

test("a system clock that is set back, or adjusted slightly, changes nothing", async () => {
  const world = clock();
  await exchange(world, { there: 2, back: 2, offset: () => OFFSET });
  for (const set of [-3_600_000, -3_600_400, -3_600_000]) {
    world.env.slept = set;
    assert.ok(Math.abs(world.clock.offset - OFFSET) <= 1);
    await exchange(world, { there: 2, back: 2, offset: () => OFFSET });
    assert.equal(world.sent.at(-1).data.t0, world.env.now - 4);
  }
});

test("over a transport that only answers, one exchange follows a jump between the clocks", () => {
  const world = clock();
  const { env, sent, session } = world;
  const right = () => Math.abs(world.clock.now() - OFFSET - env.now) <= 1;
  const answer = () => world.clock.answered({ t0: sent.at(-1).data.t0, t1: OFFSET + env.now, t2: OFFSET + env.now });
  world.clock.start(env.now, OFFSET + env.now, false);
  assert.ok(right());
  assert.equal(sent.length, 0);
  // The system clock is set, and the local one has not stopped.
  env.slept = 3_600_000;
  assert.ok(!right());
  assert.equal(sent.length, 1);
  answer();
  assert.ok(right());
  // Offline: with the next connection, unless its welcome has the time.
  session.online = false;
  env.slept += 3_600_000;
  assert.ok(!right());
  assert.equal(sent.length, 1);
  session.online = true;
  world.clock.start(env.now, undefined, false);
  assert.equal(sent.length, 2);
  answer();
  assert.ok(right());
  world.clock.start(env.now, undefined, false);
  assert.equal(sent.length, 2);
});

test("answers to exchanges of an earlier connection are ignored", async () => {
  const world = clock();
  const lost = assert.rejects(world.clock.sync(), (error) => error.code === "unavailable");
  const { t0 } = world.sent.at(-1).data;
  world.clock.reset();
  world.clock.answered({ t0, t1: OFFSET, t2: OFFSET });
  world.clock.answered({});
  assert.equal(world.clock.error, Infinity);
  await lost;
});

test("sync rejects while offline", async () => {
  const world = clock();
  world.session.online = false;
  await assert.rejects(world.clock.sync(), (error) => error.code === "unavailable");
  assert.deepEqual(world.sent, []);
});

test("five exchanges follow a welcome quickly, then one per interval", async (t) => {
  const { env, tt, peer } = await online(t, { clock_interval_ms: 5000 });
  assert.notEqual(tt.clock.error, Infinity); // the welcome counts as an exchange
  for (let count = 0; count < 5; count += 1) {
    const { data } = await peer.next("time");
    env.now += 4;
    peer.send("time", { t0: data.t0, t1: OFFSET + env.now - 2, t2: OFFSET + env.now - 2 });
    await peer.settle(tt);
    env.advance(100);
  }
  assert.ok(Math.abs(tt.clock.offset - OFFSET) < 1e-3, `${tt.clock.offset - OFFSET}`);
  assert.equal(tt.clock.latency, 4);
  await peer.settle(tt);
  const started = env.now;
  env.advance(5000 - (started - 5000));
  await peer.next("time");
  await peer.settle(tt);
  env.advance(4999);
  const own = tt.clock.sync();
  const { data } = await peer.next("time");
  assert.equal(data.t0, env.now);
  peer.send("time", { ...data, t1: 1, t2: 1 });
  await own;
});
