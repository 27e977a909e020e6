// The queue: limits of the server, rates, and what is dropped.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Outbox } from "../../static/turntable/outbox.js";
import { Pacer, costOf } from "../../static/turntable/pacer.js";
import { ManualEnvironment, client, online, reconnect, serve } from "./harness.mjs";

const code = (expected) => (error) => error.code === expected;

async function member(t, options = {}, welcome = {}) {
  const session = await online(t, options, welcome);
  const joining = session.tt.join("C");
  session.peer.send("joined", { channel: "C", self: "1:1", members: {} }, (await session.peer.next("joingame")).id);
  const room = await joining;
  const refused = [];
  session.tt.on("error", () => {});
  room.on("refused", ({ error, data }) => refused.push([error.code, ...data]));
  return { ...session, room, refused };
}

async function offline({ tt, peer }) {
  const state = tt.once("state");
  peer.terminate();
  return state;
}

/** Reads actions and publishes as they arrive, with the time of each. */
function arrivals(peer, env) {
  const list = [];
  void (async () => {
    for (;;) {
      const { command, data } = await peer.next();
      if (command === "game") list.push({ at: env.now, data: data.actions.map(({ data }) => data) });
      else if (command === "publish") list.push({ at: env.now, data: [data.data] });
    }
  })();
  return list;
}

test("a message over the limit that was queued before the first welcome is refused alone, at once", async (t) => {
  const server = await serve(t);
  const tt = client(t, server);
  const calls = ["a", "x".repeat(500), "b"].map((data) => tt.request("publish", { channel: "c", data }));
  const peer = await server.accept();
  await peer.admit({ limits: { max_message_bytes: 300 } });
  await assert.rejects(calls[1], code("too_large"));
  for (const data of ["a", "b"]) {
    const message = await peer.next("publish");
    assert.equal(message.data.data, data);
    peer.send("reply", { offset: 1 }, message.id);
  }
  await Promise.all([calls[0], calls[2]]);
  assert.equal(tt.state, "online");
});

test("the queue of 20 s at 60 actions per second is sent at the server's rates, in order", async (t) => {
  const session = await member(t, { queue_max: 2000 });
  const { env, room, server } = session;
  const { retry_ms } = await offline(session);
  for (let step = 0; step < 1200; step += 1) room.act(step);
  env.advance(retry_ms);
  const next = await server.accept();
  next.send("idyou", {});
  await next.next("resume");
  next.welcome({ resumed: true, accepted: 1 });
  next.confirm();
  const list = arrivals(next, env);
  const start = env.now;
  for (let tries = 0; list.length < 1200 && tries < 2000; tries += 1) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    env.advance(10);
  }
  assert.deepEqual(list.flatMap(({ data }) => data), Array.from({ length: 1200 }, (_, step) => step));
  // The server's bucket: 400 at once, 200 per second.
  let tokens = 400;
  let at = start;
  for (const one of list) {
    tokens = Math.min(400, tokens + ((one.at - at) * 200) / 1000) - 1;
    at = one.at;
    assert.ok(tokens >= 0, `after ${at - start} ms`);
  }
});

test("after rate_limited with retry_ms nothing of that class is sent for so long; other classes are", async (t) => {
  const { env, tt, peer, room, refused } = await member(t);
  const list = arrivals(peer, env);
  room.act("a");
  peer.send("error", { code: "rate_limited", message: "", command: "game", details: { retry_ms: 700 } });
  await tt.once("error");
  tt.send("publish", { channel: "c", data: "other" });
  assert.equal(room.act("b"), true);
  assert.equal(room.act("now or never", { queue: false }), false);
  const until = env.now + 700;
  for (let step = 0; step < 90; step += 1) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    env.advance(10);
  }
  assert.deepEqual(list.map(({ data }) => data[0]), ["a", "other", "b"]);
  assert.ok(list[1].at < until && list[2].at >= until);
  assert.deepEqual(refused, []);
});

test("a queued action expires at its time, and its sender hears of it then", async (t) => {
  const session = await member(t, { reconnect: { min_ms: 5000, max_ms: 5000 } });
  const { env, room, server, refused } = session;
  env.chance = 1;
  const { retry_ms } = await offline(session);
  assert.equal(room.act("stale", { expires_ms: 1000 }), true);
  room.act("first");
  room.act("late", { expires_ms: 60_000 });
  env.advance(999);
  assert.deepEqual(refused, []);
  env.advance(1);
  assert.deepEqual(refused, [["timeout", "stale"]]);
  env.advance(retry_ms);
  const next = await server.accept();
  next.send("idyou", {});
  await next.next("resume");
  next.welcome({ resumed: true, accepted: 1 });
  const actions = [await next.next("game"), await next.next("game")].map(({ data }) => data.actions[0].data);
  assert.deepEqual(actions, ["first", "late"]);
});

test("a queued action with the same merge key is replaced by the later one", async (t) => {
  const session = await member(t);
  const { env, room, server, refused } = session;
  const { retry_ms } = await offline(session);
  for (let x = 0; x < 50; x += 1) room.act({ x }, { merge: "position" });
  room.act("shot");
  room.act({ x: 50 }, { merge: "position" });
  env.advance(retry_ms);
  const next = await server.accept();
  next.send("idyou", {});
  await next.next("resume");
  next.welcome({ resumed: true, accepted: 1 });
  const actions = [await next.next("game"), await next.next("game")].map(({ data }) => data.actions[0].data);
  assert.deepEqual([actions, refused], [["shot", { x: 50 }], []]);
});

test("an action replaces the queued one with its merge key where the queue is full", async (t) => {
  const session = await member(t, { queue_max: 3 });
  const { env, room, server, refused } = session;
  const { retry_ms } = await offline(session);
  for (const data of ["a", "b"]) assert.ok(room.act(data));
  for (let x = 0; x < 5; x += 1) assert.ok(room.act({ x }, { merge: "position" }));
  assert.equal(room.act({ y: 1 }, { merge: "other" }), false);
  assert.deepEqual(refused, [["too_many", { y: 1 }]]);
  env.advance(retry_ms);
  const next = await server.accept();
  next.send("idyou", {});
  await next.next("resume");
  next.welcome({ resumed: true, accepted: 1 });
  const actions = [await next.next("game"), await next.next("game"), await next.next("game")].map(({ data }) => data.actions[0].data);
  assert.deepEqual(actions, ["a", "b", { x: 4 }]);
});

test("more actions in a message than the server accepts are refused at once", async (t) => {
  const { room, refused, tt, peer } = await member(t, {}, { limits: { actions_max: 2 } });
  assert.equal(room.act([1, 2, 3]), false);
  assert.deepEqual(refused, [["too_many", 1, 2, 3]]);
  await peer.settle(tt);
  assert.deepEqual(peer.unread, []);
});

test("commands that the server had not confirmed are repeated, in order, after a resume", async (t) => {
  const session = await member(t);
  const { tt, peer, room } = session;
  for (const step of [1, 2, 3, 4]) room.act(step);
  const call = tt.request("lookup", ["1:2"]);
  const { id } = await peer.next("lookup");
  const next = await reconnect(session);
  next.send("idyou", {});
  await next.next("resume");
  // The join and two actions were taken.
  next.welcome({ resumed: true, accepted: 3 });
  const repeated = [await next.next(), await next.next(), await next.next()];
  assert.deepEqual(repeated.map(({ command, data }) => [command, data.actions?.[0].data]), [["game", 3], ["game", 4], ["lookup", undefined]]);
  next.send("reply", {}, id);
  await call;
  await next.settle(tt);
  assert.deepEqual(next.unread, []);
});

test("in a new session, actions that the lost one had not confirmed are reported as dropped", async (t) => {
  const session = await member(t);
  const { peer, room, refused } = session;
  room.act("lost");
  await peer.next("game");
  const next = await reconnect(session);
  next.send("idyou", {});
  await next.next("resume");
  const reset = session.tt.once("reset");
  next.welcome({ session: "secret-2" });
  await reset;
  assert.deepEqual(refused, [["unavailable", "lost"]]);
});

test("a timeout does not run while there is no connection", async (t) => {
  const session = await online(t, { timeout_ms: 3000, reconnect: { min_ms: 60_000, max_ms: 60_000 } });
  const { tt, peer } = session;
  const answer = tt.request("lookup", []);
  const { id } = await peer.next("lookup");
  const next = await reconnect(session);
  next.send("idyou", {});
  await next.next("resume");
  next.welcome({ resumed: true, accepted: 1 });
  next.send("reply", "late", id);
  assert.equal(await answer, "late");
});

test("costs count actions, users and invited users; a list larger than the burst waits for a full bucket", () => {
  assert.deepEqual([...costOf("game", { actions: [1, 2] }, 10)], [["bytes", 10], ["game", 2]]);
  assert.deepEqual([...costOf("subscribe", ["a", "b"], 1)], [["bytes", 1], ["presence", 1], ["users", 2]]);
  assert.deepEqual([...costOf("joingame", { invite: ["a"] }, 1)], [["bytes", 1], ["room", 1], ["presence", 1]]);
  assert.deepEqual([...costOf("constructor", {}, 1)], [["bytes", 1]]);
  const pacer = new Pacer();
  pacer.start({ game: { per_second: 10, burst: 10 } }, 0);
  const large = costOf("game", { actions: Array(50).fill(0) }, 1);
  assert.equal(pacer.delay(large, 0), 0);
  pacer.take(large, 0);
  assert.ok(pacer.delay(costOf("game", {}, 1), 0) > 4000);
});

test("a continued session keeps its buckets, a page that continues one has limits, and 0 per second is none", () => {
  const pacer = new Pacer();
  const cost = costOf("game", { actions: [1] }, 0);
  const rates = { game: { per_second: 10, burst: 10 } };
  pacer.resume(rates, 0);
  for (let sent = 0; sent < 8; sent += 1) {
    assert.equal(pacer.delay(cost, 0), 0);
    pacer.take(cost, 0);
  }
  assert.ok(pacer.delay(cost, 0) > 0);
  pacer.resume(structuredClone(rates), 0);
  assert.ok(pacer.delay(cost, 0) > 0);
  pacer.resume({ game: { per_second: 0, burst: 1 } }, 0);
  pacer.take(costOf("game", { actions: Array(5000).fill(0) }, 0), 0);
  assert.equal(pacer.delay(cost, 0), 0);
});

/** Acts at 60 per second into a connection that carries nothing, until the client leaves it. */
async function actIntoSilence({ env, tt, room }, count, options) {
  const lost = new Promise((resolve) => tt.on("state", (change) => change.state === "offline" && resolve(change)));
  for (let step = 0; step < count; step += 1) {
    room.act(step, options);
    env.advance(1000 / 60);
  }
  for (let ms = 0; tt.state !== "offline" && ms < 20_000; ms += 100) env.advance(100);
  return lost;
}

test("what was sent into a silent connection for 9 s at 60 per second is repeated at the server's rates; what is new follows", async (t) => {
  const session = await member(t);
  const { env, room, server, refused } = session;
  const { retry_ms } = await actIntoSilence(session, 540);
  env.advance(retry_ms);
  const next = await server.accept();
  next.send("idyou", {});
  await next.next("resume");
  next.welcome({ resumed: true, accepted: 1 });
  // A clock exchange confirms what was sent before it, and nothing that waits to be repeated.
  next.confirm();
  const list = arrivals(next, env);
  const start = env.now;
  let step = 540;
  for (let tries = 0; list.length < 700 && tries < 2000; tries += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    // The game goes on.
    if (tries % 2 === 0 && step < 700) room.act((step += 1) - 1);
    env.advance(10);
  }
  assert.deepEqual(list.flatMap(({ data }) => data), Array.from({ length: 700 }, (_, number) => number));
  let tokens = 400;
  let at = start;
  for (const one of list) {
    tokens = Math.min(400, tokens + ((one.at - at) * 200) / 1000) - 1;
    at = one.at;
    assert.ok(tokens >= 0, `after ${at - start} ms`);
  }
  assert.deepEqual(refused, []);
});

test("stale actions that a silent connection did not deliver are not repeated: expired ones are reported, merged ones replaced", async (t) => {
  const session = await member(t);
  const { env, tt, room, server, refused } = session;
  room.act("old", { expires_ms: 500 });
  room.act("first");
  for (let number = 0; number < 20; number += 1) room.act(`pos ${number}`, { merge: "pos" });
  const { retry_ms } = await actIntoSilence(session, 1, { expires_ms: 60_000 });
  env.advance(retry_ms);
  const next = await server.accept();
  next.send("idyou", {});
  await next.next("resume");
  next.welcome({ resumed: true, accepted: 1 });
  for (const expected of ["first", "pos 19", 0]) assert.equal((await next.next("game")).data.actions[0].data, expected);
  assert.deepEqual(refused, [["timeout", "old"]]);
  // The numbers are the server's: it has taken these three, and one of the two that follow.
  const again = reconnect({ ...session, peer: next });
  room.act("next");
  const third = await again;
  third.send("idyou", {});
  await third.next("resume");
  third.welcome({ resumed: true, accepted: 4 });
  assert.equal((await third.next("game")).data.actions[0].data, "next");
  void tt;
});

test("what the server does not confirm is no more than it takes at once; the rest waits, and its caller hears of it", async (t) => {
  const { env, tt, peer, room, refused } = await member(t, { queue_max: 50 });
  const list = arrivals(peer, env);
  // The rate would allow all of it, but the server stalls.
  for (let step = 0; step < 400; step += 1) {
    room.act(step);
    env.advance(10);
  }
  await peer.next("time");
  const game = () => list.filter(({ data }) => Number.isInteger(data[0])).length;
  for (let tries = 0; game() < 320 && tries < 2000; tries += 1) await new Promise((resolve) => setTimeout(resolve, 1));
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(game(), 320);
  assert.deepEqual([refused.length, refused[0]], [30, ["too_many", 370]]);
  assert.equal(room.act("now or never", { queue: false }), false);
  await assert.rejects(tt.request("publish", { channel: "c", data: 1 }), (error) => error.code === "too_many" && /has not confirmed/.test(error.message));
  // It goes on, and confirms.
  peer.confirm();
  for (let tries = 0; game() < 370 && tries < 2000; tries += 1) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    env.advance(10);
  }
  assert.deepEqual(list.flatMap(({ data }) => data), Array.from({ length: 370 }, (_, step) => step));
  assert.equal(room.act("again", { queue: false }), true);
});

test("the bytes that the server does not confirm are limited, also where it has no rates", async (t) => {
  const { env, tt, peer } = await member(t, {}, { limits: { rates: Object.fromEntries(["game", "publish", "bytes", "room"].map((name) => [name, { per_second: 0, burst: 1 }])) } });
  const list = arrivals(peer, env);
  for (let number = 0; number < 20; number += 1) tt.send("publish", { channel: "c", data: `${number}`.padEnd(100_000) });
  await peer.next("time");
  for (let tries = 0; list.length < 10 && tries < 2000; tries += 1) await new Promise((resolve) => setTimeout(resolve, 1));
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(list.length, 10);
});

test("a server that stalled is not sent at once what it could take after a pause: it has the rest to take", () => {
  const pacer = new Pacer();
  const cost = costOf("game", { actions: [1] }, 0);
  pacer.start({ game: { per_second: 200, burst: 400 } }, 0);
  const open = new Map();
  const send = (now) => {
    let count = 0;
    for (; pacer.delay(cost, now) === 0 && !pacer.exceeds(cost, open); count += 1) {
      pacer.take(cost, now);
      open.set("game", (open.get("game") ?? 0) + 1);
    }
    return count;
  };
  assert.equal(send(0), 320);
  // 5 s later it takes them, and has 80 of its 400 tokens left.
  assert.equal(send(5000), 0);
  open.clear();
  pacer.confirmed(open, 5000);
  assert.equal(send(5000), 0);
  assert.ok(send(5100) <= 20);
});

test("actions that came back are not reported as refused when the session is lost", async (t) => {
  const session = await member(t);
  const { room, peer, refused, tt } = session;
  for (const data of ["a", { b: 1 }, "c"]) room.act(data);
  for (const data of ["a", { b: 1 }]) peer.send("game", { channel: "C", actions: [{ timestamp: 1, from: "1:1", data }] });
  // Another user's says nothing.
  peer.send("game", { channel: "C", actions: [{ timestamp: 1, from: "1:2", data: "c" }] });
  await room.once("action");
  await new Promise((resolve) => room.on("action", ({ from }) => from === "1:2" && resolve()));
  const next = await reconnect(session);
  const reset = tt.once("reset");
  await next.admit({ session: "secret-2" });
  await reset;
  assert.deepEqual(refused, [["unavailable", "c"]]);
});

test("the refusals of one burst slow the client down once, and it recovers", () => {
  const pacer = new Pacer();
  const cost = costOf("game", { actions: [1] }, 0);
  pacer.start({ game: { per_second: 200, burst: 400 } }, 0);
  for (let number = 0; number < 140; number += 1) pacer.limited("game", 5, number);
  const sent = (from, to) => {
    let count = 0;
    for (let now = from; now < to; now += 1) {
      while (pacer.delay(cost, now) === 0) {
        pacer.take(cost, now);
        pacer.confirmed(new Map(), now);
        count += 1;
      }
    }
    return count;
  };
  assert.ok(sent(1000, 2000) > 60);
  sent(2000, 11_000);
  assert.ok(sent(11_000, 12_000) >= 179);
  // Servers that refuse again and again are asked less and less.
  for (let now = 20_000; now < 40_000; now += 1100) pacer.limited("game", 5, now);
  assert.ok(sent(40_000, 41_000) < 60);
});

test("a queue is not walked for each command, and what expires is dropped at its time", () => {
  const env = new ManualEnvironment();
  const dropped = [];
  const outbox = new Outbox(5000, env, {
    online: () => false,
    write: () => assert.fail("the client is offline"),
    repeat: () => {},
    envelope: () => 0,
    bytesOf: (text) => text.length,
    load: () => ({ commands: 0, cost: new Map() }),
    confirm: () => false,
    dropped: ({ id }, { code }) => dropped.push([id, code, env.now]),
  });
  let reads = 0;
  const send = (id, expires_ms) => {
    let expires_at;
    outbox.send({
      command: "publish", data: {}, text: "{}", id, expires_ms,
      get expires_at() {
        reads += 1;
        return expires_at;
      },
      set expires_at(at) {
        expires_at = at;
      },
    });
  };
  const from = env.now;
  send(1, 300);
  send(2, 100);
  for (let id = 3; id < 2000; id += 1) send(id, undefined);
  assert.ok(reads < 4000, `${reads} reads`);
  // The first to expire leaves the queue otherwise.
  assert.equal(outbox.withdraw(2), true);
  send(2000, 200);
  env.advance(1000);
  assert.deepEqual(dropped, [[2000, "timeout", from + 200], [1, "timeout", from + 300]]);
  assert.deepEqual([outbox.ids.size, env.timers], [1997, []]);
});
