// The estimate of the server's time, and its bound.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Clock } from "../../static/turntable/clock.js";
import { ManualEnvironment, online } from "./harness.mjs";

/** A small generator of chance that repeats itself, for runs that can be repeated. */
function chances(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** A clock whose exchanges the test answers. */
function clock() {
  const env = new ManualEnvironment();
  const asked = [];
  const session = { online: true, received: 0, post: (command, data) => asked.push({ command, data }) };
  return { env, asked, session, clock: new Clock(session, { environment: env, timeout_ms: 10_000 }) };
}

/** One exchange with the given ways there and back over a server whose clock is `offset` ahead. */
function exchange({ env, asked, clock }, { there, back, offset, stay = 0 }) {
  const done = clock.sync();
  const { t0 } = asked.at(-1).data;
  env.now += there;
  const t1 = Math.floor(env.now + offset());
  env.now += stay;
  const t2 = Math.floor(env.now + offset());
  env.now += back;
  clock.answered({ t0, t1, t2 });
  return done;
}

const OFFSET = 1_700_000_000_000;

test("a symmetric exchange gives the offset, whatever the server's stay", async () => {
  const world = clock();
  await exchange(world, { there: 20, back: 20, stay: 300, offset: () => OFFSET });
  assert.equal(world.clock.offset, OFFSET);
  assert.deepEqual([world.clock.latency, world.clock.error], [40, 21]);
  assert.equal(world.clock.now(), OFFSET + world.env.now);
  assert.equal(world.clock.toLocal(world.clock.toServer(77)), 77);
});

test("before any exchange the machine's clock stands in, with no bound", () => {
  const { env, clock: estimate } = clock();
  assert.equal(estimate.now(), env.unix());
  assert.deepEqual([estimate.error, estimate.latency], [Infinity, NaN]);
});

test("the fastest of the recent exchanges counts", async () => {
  const world = clock();
  const offset = () => OFFSET;
  await exchange(world, { there: 200, back: 4, offset });
  assert.equal(Math.round(world.clock.offset - OFFSET), 98);
  await exchange(world, { there: 5, back: 5, offset });
  assert.ok(Math.abs(world.clock.offset - OFFSET) <= 1);
  await exchange(world, { there: 3, back: 400, offset });
  assert.ok(Math.abs(world.clock.offset - OFFSET) <= 1);
  assert.equal(world.clock.latency, 10);
});

test("the truth is within the bound under asymmetric delay, jitter and drift", async () => {
  for (let seed = 1; seed <= 50; seed += 1) {
    const random = chances(seed);
    const world = clock();
    const drift = (random() - 0.5) * 160e-6; // up to 80 us per second either way
    const offset = () => OFFSET + world.env.now * drift;
    const base = { there: random() * 150, back: random() * 150 };
    for (let count = 0; count < 60; count += 1) {
      world.env.now += random() * 20_000;
      const jitter = random() < 0.2 ? 500 : 10;
      const there = base.there + random() * jitter;
      const back = base.back + random() * jitter;
      await exchange(world, { there, back, stay: random() * 5, offset });
      const wrong = Math.abs(world.clock.offset - offset());
      assert.ok(wrong <= world.clock.error, `seed ${seed}, exchange ${count}: ${wrong} off, bound ${world.clock.error}`);
    }
  }
});

test("the bound is of use: under a symmetric way it is near half the round trip", async () => {
  const world = clock();
  const random = chances(7);
  for (let count = 0; count < 20; count += 1) {
    world.env.now += 10_000;
    await exchange(world, { there: 10 + random() * 40, back: 10 + random() * 40, offset: () => OFFSET });
  }
  assert.ok(world.clock.error < 50, `${world.clock.error}`);
});

test("a local clock that stood still in a sleep is noticed at the next exchange", async () => {
  const world = clock();
  let offset = OFFSET;
  await exchange(world, { there: 2, back: 2, offset: () => offset });
  offset += 3_600_000;
  await exchange(world, { there: 50, back: 50, offset: () => offset });
  assert.ok(Math.abs(world.clock.offset - offset) <= 1);
});

test("answers to questions of an earlier connection, or to none, say nothing", async () => {
  const world = clock();
  const lost = assert.rejects(world.clock.sync(), (error) => error.code === "unavailable");
  const { t0 } = world.asked.at(-1).data;
  world.clock.reset();
  world.clock.answered({ t0, t1: OFFSET, t2: OFFSET });
  world.clock.answered({});
  assert.equal(world.clock.error, Infinity);
  await lost;
});

test("offline a sync is refused rather than queued", async () => {
  const world = clock();
  world.session.online = false;
  await assert.rejects(world.clock.sync(), (error) => error.code === "unavailable");
  assert.deepEqual(world.asked, []);
});

test("after a welcome five exchanges follow quickly, then one each interval", async (t) => {
  const { env, tt, peer } = await online(t, { clock_interval_ms: 5000 });
  assert.notEqual(tt.clock.error, Infinity); // the welcome was an exchange, too
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
