// Rooms, channels and subscriptions that several holders of one client share.

import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { online, reconnect } from "./harness.mjs";

const code = (expected) => (error) => error.code === expected;
const MEMBERS = { "1:1": { state: "joined" } };

/** Answers the next `joingame` of the peer. */
async function answer(peer, error) {
  const { id, data } = await peer.next("joingame");
  if (error) peer.send("error", { code: error, message: error, command: "joingame" }, id);
  else peer.send("joined", { channel: data.channel, self: "1:1", members: MEMBERS }, id);
  return data;
}

test("two joins at once: each caller gets the outcome of its own", async (t) => {
  for (const outcomes of [["room_full", undefined], [undefined, "room_full"], ["room_full", "forbidden"], [undefined, undefined]]) {
    const { tt, peer } = await online(t);
    const calls = [tt.join("C", { team: "red" }), tt.join("C", { team: "blue" })].map((call) => call.then((room) => room, (error) => error.code));
    assert.deepEqual([(await answer(peer, outcomes[0])).team, (await answer(peer, outcomes[1])).team], ["red", "blue"]);
    const results = await Promise.all(calls);
    const rooms = results.filter((result) => typeof result !== "string");
    assert.deepEqual(results.map((result) => (typeof result === "string" ? result : undefined)), outcomes);
    assert.equal(tt.room("C"), rooms[0], String(outcomes));
    const last = rooms.pop();
    if (!last) continue;
    // A holder that was refused holds nothing: the last holder's leave leaves. Each leaves once.
    for (const room of rooms) await Promise.all([room.leave(), room.leave()]);
    await peer.settle(tt);
    assert.deepEqual(peer.unread, []);
    assert.equal(tt.room("C"), last);
    const left = last.leave();
    peer.send("reply", {}, (await peer.next("leavegame")).id);
    await left;
    assert.equal(tt.room("C"), undefined);
  }
});

test("a refused join does not end the membership of another holder, and the room is joined again", async (t) => {
  const session = await online(t);
  const { tt, peer } = session;
  const first = tt.join("C");
  await answer(peer);
  const room = await first;
  room.on("left", ({ reason }) => assert.equal(reason, "closed"));
  const second = assert.rejects(tt.join("C", { team: "none" }), code("forbidden"));
  await answer(peer, "forbidden");
  await second;
  assert.equal(tt.room("C"), room);
  const next = await reconnect(session);
  next.send("idyou", {});
  await next.next("resume");
  next.welcome({ session: "secret-2" });
  // The refused team is not requested again.
  assert.deepEqual(await answer(next), { channel: "C", self: "1:1" });
  await next.settle(tt);
  assert.equal(tt.room("C"), room);
});

test("a join without an answer is followed by a leave, because the server may have the seat", async (t) => {
  const { env, tt, peer } = await online(t, { timeout_ms: 3000 });
  const late = assert.rejects(tt.join("C"), code("timeout"));
  const { id } = await peer.next("joingame");
  env.advance(3000);
  await late;
  peer.send("joined", { channel: "C", self: "1:1", members: MEMBERS }, id);
  await peer.next("leavegame");
  assert.equal(tt.room("C"), undefined);
});

test("a room that was left emits nothing, and a later holder gets a new one", async (t) => {
  const { tt, peer } = await online(t);
  const joining = tt.join("C");
  await answer(peer);
  const first = await joining;
  const heard = [];
  first.on("action", ({ data }) => heard.push(["first", data]));
  const again = tt.join("C");
  await peer.next("joingame").then(async ({ id }) => {
    await first.leave();
    peer.send("game", { channel: "C", actions: [{ timestamp: 1, from: "1:2", data: "between" }] });
    peer.send("joined", { channel: "C", self: "1:1", members: MEMBERS }, id);
  });
  const second = await again;
  second.on("action", ({ data }) => heard.push(["second", data]));
  await first.leave(); // again: it holds nothing
  peer.send("game", { channel: "C", actions: [{ timestamp: 1, from: "1:2", data: "later" }] });
  await peer.settle(tt);
  assert.notEqual(first, second);
  assert.deepEqual(heard, [["second", "later"]]);
  assert.deepEqual(peer.unread, []);
});

test("a signal ends a hold, also before the answer, once, and not that of others", async (t) => {
  const { tt, peer } = await online(t);
  const early = new AbortController();
  const gone = assert.rejects(tt.join("C", { signal: early.signal }), { name: "AbortError" });
  early.abort();
  await gone;
  await answer(peer);
  peer.send("reply", {}, (await peer.next("leavegame")).id);
  const one = new AbortController();
  const joining = [tt.join("C", { signal: one.signal }), tt.join("C")];
  await answer(peer);
  await answer(peer);
  const [first, room] = await Promise.all(joining);
  one.abort();
  await first.leave();
  await peer.settle(tt);
  assert.equal(tt.room("C"), room);
  peer.send("memberchange", { channel: "C", members: { "1:1": "left" } });
  const two = tt.join("C");
  await answer(peer);
  one.abort();
  await peer.settle(tt);
  assert.equal(tt.room("C"), await two);
  assert.deepEqual(peer.unread, []);
  await assert.rejects(tt.channel("chat", { signal: one.signal }), { name: "AbortError" });
});

test("a signal has no listener of what has ended", async (t) => {
  const { tt, peer } = await online(t);
  const { signal } = new AbortController();
  const listeners = () => getEventListeners(signal, "abort").length;
  const join = async () => {
    const joining = tt.join("C", { signal });
    await answer(peer);
    return joining;
  };
  const subscribe = async (ids) => {
    const subscribing = tt.friends.subscribe(ids, { signal });
    peer.send("userchange", Object.fromEntries(ids.map((id) => [id, "online"])), (await peer.next("subscribe")).id);
    return subscribing;
  };
  const left = (await join()).leave();
  peer.send("reply", {}, (await peer.next("leavegame")).id);
  await left;
  assert.equal(listeners(), 0);
  await join();
  peer.send("memberchange", { channel: "C", members: { "1:1": "left" } });
  await peer.settle(tt);
  assert.equal(listeners(), 0);
  const states = await subscribe(["1:2", "1:3"]);
  const ended = [tt.friends.unsubscribe(["1:2"]), tt.friends.unsubscribe(states)];
  for (const _ of ended) peer.send("reply", {}, (await peer.next("unsubscribe")).id);
  await Promise.all(ended);
  await tt.friends.subscribe([], { signal });
  assert.equal(listeners(), 0);
  await Promise.all([join(), subscribe(["1:4"])]);
  assert.equal(listeners(), 2);
  tt.close();
  assert.equal(listeners(), 0);
});

test("channels are counted; what one holder requested with subpaths stays", async (t) => {
  const { tt, peer } = await online(t);
  const calls = [tt.channel("chat", { subpaths: true }), tt.channel("chat")];
  const requests = [await peer.next("joinchannel"), await peer.next("joinchannel")];
  const third = assert.rejects(tt.channel("chat", { history: 5 }), code("unavailable"));
  const refused = await peer.next("joinchannel");
  for (const { id } of requests) peer.send("joined", { channel: "chat", epoch: "e", offset: 3, recovered: false }, id);
  peer.send("error", { code: "unavailable", message: "no history" }, refused.id);
  await third;
  const [one, two] = await Promise.all(calls);
  assert.deepEqual([one.subpaths, two.subpaths], [true, true]);
  const heard = [];
  one.on("message", ({ data }) => heard.push(["one", data]));
  two.on("message", ({ data }) => heard.push(["two", data]));
  peer.send("message", { channel: "chat", id: "m4", offset: 4, from: "1:2", time: 1, data: "both" });
  await peer.settle(tt);
  // Twice by one holder, which releases nothing of the other's.
  await one.leave();
  await one.leave();
  peer.send("message", { channel: "chat", id: "m5", offset: 5, from: "1:2", time: 1, data: "last" });
  await peer.settle(tt);
  assert.deepEqual(heard, [["one", "both"], ["two", "both"], ["two", "last"]]);
  assert.deepEqual(peer.unread, []);
  void two.leave();
  await peer.next("leavechannel");
});

test("a withdrawn join takes no past messages from the join behind it", async (t) => {
  const { tt, peer } = await online(t);
  const controller = new AbortController();
  const withdrawn = assert.rejects(tt.channel("chat", { history: 2, signal: controller.signal }), { name: "AbortError" });
  const first = await peer.next("joinchannel");
  controller.abort();
  await withdrawn;
  const heard = [];
  const joining = tt.channel("chat", { history: 2 });
  const second = await peer.next("joinchannel");
  for (const { id } of [first, second]) {
    peer.send("joined", { channel: "chat", epoch: "e", offset: 2, recovered: false }, id);
    if (id === second.id) (await joining).on("message", ({ data }) => heard.push(data));
    for (const offset of [1, 2]) peer.send("message", { channel: "chat", id: `m${offset}`, offset, from: "1:2", time: 1, data: offset });
  }
  await peer.settle(tt);
  assert.deepEqual(heard, [1, 2]);
});

test("a publish behind a join with subpaths that covers it waits for its answer, and keeps its order", async (t) => {
  const session = await online(t);
  const { tt, peer } = session;
  const joining = tt.channel("a/b", { subpaths: true });
  for (const channel of ["a/b/c", "x", "a/b"]) tt.send("publish", { channel, data: 1 });
  const { id } = await peer.next("joinchannel");
  await sleep(5);
  assert.deepEqual(peer.unread, []);
  peer.send("joined", { channel: "a/b", epoch: "e", offset: 0, recovered: false }, id);
  await joining;
  const paths = async (from) => [await from.next("publish"), await from.next("publish"), await from.next("publish")].map(({ data }) => data.channel);
  assert.deepEqual(await paths(peer), ["a/b/c", "x", "a/b"]);
  // A join that is refused, and one without subpaths, delay nothing for long.
  const refused = tt.channel("r", { subpaths: true }).catch(({ code }) => code);
  tt.send("publish", { channel: "r/s", data: 2 });
  peer.send("error", { code: "forbidden", message: "no" }, (await peer.next("joinchannel")).id);
  assert.equal(await refused, "forbidden");
  assert.equal((await peer.next("publish")).data.data, 2);
  void tt.channel("plain").catch(() => {});
  tt.send("publish", { channel: "plain/below", data: 3 });
  assert.equal((await peer.next("publish")).data.data, 3);
});

test("subscriptions are counted, and a refused list is sent again in parts", async (t) => {
  const { tt, peer } = await online(t);
  const states = async (error) => {
    const { data, id } = await peer.next("subscribe");
    if (error) peer.send("error", { code: error, message: error }, id);
    else peer.send("userchange", Object.fromEntries(data.map((one) => [one, "online"])), id);
    return data;
  };
  const one = assert.rejects(tt.friends.subscribe(["1:2", "nonsense"]), code("invalid_id"));
  const two = tt.friends.subscribe(["1:2", "1:3"]);
  assert.deepEqual([await states("invalid_id"), await states()], [["1:2", "nonsense"], ["1:3"]]);
  await one;
  assert.deepEqual(await states(), ["1:2"]);
  assert.deepEqual(await two, { "1:2": "online", "1:3": "online" });
  const three = new AbortController();
  assert.deepEqual(await tt.friends.subscribe(["1:2"], { signal: three.signal }), { "1:2": "online" });
  // What a call resolved with ends that call's hold, once.
  const four = await tt.friends.subscribe(["1:2", "1:3"]);
  await tt.friends.unsubscribe(four);
  await tt.friends.unsubscribe(four);
  await peer.settle(tt);
  assert.deepEqual([...tt.friends.all.keys()].sort(), ["1:2", "1:3"]);
  await assert.rejects(tt.friends.unsubscribe({ ...four }), TypeError);
  const unsubscribed = tt.friends.unsubscribe(["1:2", "1:3"]);
  const { data, id } = await peer.next("unsubscribe");
  assert.deepEqual(data, ["1:3"]);
  peer.send("reply", {}, id);
  await unsubscribed;
  assert.deepEqual([...tt.friends.all.keys()], ["1:2"]);
  three.abort();
  assert.deepEqual((await peer.next("unsubscribe")).data, ["1:2"]);
});

test("subscriptions made while offline are one list; if it is refused, each caller gets its own outcome", async (t) => {
  const session = await online(t);
  const { tt, peer, server, env } = session;
  const offline = tt.once("state");
  peer.terminate();
  const { retry_ms } = await offline;
  const bad = assert.rejects(tt.friends.subscribe(["bad", "1:2"]), code("invalid_id"));
  const good = tt.friends.subscribe(["1:2", "1:3"]);
  env.advance(retry_ms);
  const next = await server.accept();
  next.send("idyou", {});
  await next.next("resume");
  next.welcome({ resumed: true });
  let lists = 0;
  void (async () => {
    for (;;) {
      const { data, id } = await next.next("subscribe");
      lists += 1;
      if (data.includes("bad")) next.send("error", { code: "invalid_id", message: "bad" }, id);
      else next.send("userchange", Object.fromEntries(data.map((one) => [one, "busy"])), id);
    }
  })();
  await bad;
  assert.deepEqual(await good, { "1:2": "busy", "1:3": "busy" });
  assert.ok(lists <= 4);
});

test("a user that was ended offline is ended once more when a list with it is refused", async (t) => {
  const session = await online(t);
  const { tt, peer, server, env } = session;
  const watched = tt.friends.subscribe(["1:2"]);
  peer.send("userchange", { "1:2": "busy" }, (await peer.next("subscribe")).id);
  await watched;
  const offline = tt.once("state");
  peer.terminate();
  const { retry_ms } = await offline;
  tt.friends.unsubscribe(["1:2"]);
  const refused = assert.rejects(tt.friends.subscribe(["1:2", "bad"]), code("invalid_id"));
  env.advance(retry_ms);
  const next = await server.accept();
  next.send("idyou", {});
  await next.next("resume");
  next.welcome({ resumed: true });
  next.send("error", { code: "invalid_id", message: "bad", command: "subscribe" }, (await next.next("subscribe")).id);
  await refused;
  // The session has it from before, and no caller has it any more.
  assert.deepEqual((await next.next("unsubscribe")).data, ["1:2"]);
});
