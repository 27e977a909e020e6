// Who is on a channel: names, numbers and changes; and channels to which the server subscribes the user.

import assert from "node:assert/strict";
import { test } from "node:test";
import { online, reconnect } from "./harness.mjs";

/** A channel that has been joined. */
async function joined(t, members) {
  const session = await online(t);
  const promise = session.tt.channel("chat");
  const { id } = await session.peer.next("joinchannel");
  session.peer.send("joined", { channel: "chat", epoch: "e", offset: 0, recovered: false, members }, id);
  const channel = await promise;
  const seen = [];
  channel.on("members", (event) => seen.push(event));
  return { ...session, channel, seen };
}

test("a channel has the members of its joined, and changes with them", async (t) => {
  const { tt, peer, channel, seen } = await joined(t, { "1:1": { state: "joined" }, "1:2": { state: "joined" } });
  assert.deepEqual([[...channel.members], channel.count], [["1:1", "1:2"], 2]);
  peer.send("memberchange", { channel: "chat", epoch: "e", members: { "1:3": "joined", "1:2": "left" } });
  // Of a room with the same id.
  peer.send("memberchange", { channel: "chat", members: { "1:9": "joined" } });
  await peer.settle(tt);
  assert.deepEqual(seen, [{ changes: { "1:3": "joined", "1:2": "left" }, count: 2 }]);
  assert.deepEqual([...channel.members], ["1:1", "1:3"]);
  peer.send("memberchange", { channel: "chat", epoch: "e", members: { "1:1": "left", "1:3": "left" } });
  await peer.settle(tt);
  assert.deepEqual([channel.members.size, channel.count], [0, 0]);
});

test("many members are a number, and few are names again", async (t) => {
  const { tt, peer, channel, seen } = await joined(t, 500);
  assert.deepEqual([channel.members.size, channel.count], [0, 500]);
  peer.send("memberchange", { channel: "chat", epoch: "e", members: 501 });
  await peer.settle(tt);
  assert.equal(channel.count, 501);
  peer.send("memberchange", { channel: "chat", epoch: "e", members: { "1:1": "joined", "1:2": "joined" } });
  await peer.settle(tt);
  assert.deepEqual(seen, [{ count: 501 }, { changes: { "1:1": "joined", "1:2": "joined" }, count: 2 }]);
  assert.deepEqual([...channel.members], ["1:1", "1:2"]);
});

test("a channel that was lost to a fault has the members of its next joined", async (t) => {
  const { tt, peer, channel } = await joined(t, { "1:1": { state: "joined" } });
  peer.send("joined", { channel: "chat", epoch: "f", offset: 0, recovered: false, members: { "1:2": { state: "joined" } } });
  await peer.settle(tt);
  assert.deepEqual([...channel.members], ["1:2"]);
});

test("a channel that does not show its members has none", async (t) => {
  const { channel } = await joined(t, undefined);
  assert.deepEqual([channel.members.size, channel.count], [0, undefined]);
});

test("past messages of paths below are emitted once", async (t) => {
  const { tt, peer } = await online(t);
  const promise = tt.channel("chat", { subpaths: true, history: 5 });
  const { data, id } = await peer.next("joinchannel");
  assert.deepEqual(data, { channel: "chat", subpaths: true, history: 5 });
  peer.send("joined", { channel: "chat", epoch: "e", offset: 0, recovered: false }, id);
  const channel = await promise;
  const seen = [];
  channel.on("message", ({ data }) => seen.push(data));
  const message = (offset) => ({ channel: "chat/eu", id: `id ${offset}`, offset, time: 10 + offset, data: offset });
  peer.send("message", message(1));
  peer.send("message", message(2));
  // As behind a join again.
  for (const offset of [1, 2, 3]) peer.send("message", message(offset));
  // Another life of the path.
  peer.send("message", { ...message(1), id: "another", time: 50, data: "again" });
  await peer.settle(tt);
  assert.deepEqual(seen, [1, 2, 3, "again"]);
});

test("past messages that come again in another epoch are emitted once", async (t) => {
  const { tt, peer } = await online(t);
  const promise = tt.channel("chat", { history: 5 });
  const { id } = await peer.next("joinchannel");
  const message = (offset) => ({ channel: "chat", id: `id ${offset}`, offset, time: 10 + offset, data: offset });
  peer.send("joined", { channel: "chat", epoch: "e", offset: 2, recovered: false }, id);
  const channel = await promise;
  const seen = [];
  channel.on("message", ({ data }) => seen.push(data));
  for (const offset of [1, 2]) peer.send("message", message(offset));
  // The server lost the channel to a fault; it sends what it retained, as to everybody.
  peer.send("joined", { channel: "chat", epoch: "f", offset: 3, recovered: false });
  for (const offset of [1, 2, 3]) peer.send("message", message(offset));
  await peer.settle(tt);
  assert.deepEqual(seen, [1, 2, 3]);
});

/** A client that listens for the channels to which the server subscribes it. */
async function listening(t) {
  const session = await online(t);
  const given = [];
  const heard = [];
  session.tt.on("channel", (channel) => {
    given.push(channel);
    for (const event of ["message", "joined", "gap", "left"]) channel.on(event, (detail) => heard.push([event, detail.data ?? (detail.reason && `${detail.reason} ${detail.error?.code}`) ?? detail.offset ?? detail.recovered]));
  });
  return { ...session, given, heard };
}

const ON_NEWS = { channel: "news", epoch: "e", offset: 3, recovered: false };
const news = (offset) => ({ channel: "news", id: `n${offset}`, offset, time: 1, data: `n${offset}` });

test("a channel to which the server subscribes the user is an event with an object that hears", async (t) => {
  const { tt, peer, given, heard } = await listening(t);
  peer.send("joined", { ...ON_NEWS, members: { "1:1": { state: "joined" } } });
  peer.send("message", news(4));
  await peer.settle(tt);
  const [channel] = given;
  assert.deepEqual([given.length, channel.path, channel.epoch, channel.offset, channel.count], [1, "news", "e", 4, 1]);
  assert.deepEqual(heard, [["message", "n4"]]);
  const answer = channel.publish("mine");
  const { data, id } = await peer.next("publish");
  assert.deepEqual(data, { channel: "news", data: "mine" });
  peer.send("reply", { id: "n5", offset: 5, epoch: "e" }, id);
  assert.equal((await answer).offset, 5);
  // Another holder, and a fault of the server, are no other subscription.
  const joining = tt.channel("news");
  peer.send("joined", { ...ON_NEWS, offset: 5 }, (await peer.next("joinchannel")).id);
  const own = await joining;
  peer.send("joined", { ...ON_NEWS, epoch: "f", offset: 0 });
  await peer.settle(tt);
  assert.deepEqual([given.length, heard.splice(0)], [1, [["message", "n4"], ["joined", false], ["gap", 0]]]);
  // The last holder leaves, for this session.
  await own.leave();
  await own.leave();
  await peer.settle(tt);
  assert.deepEqual(peer.unread, []);
  const left = channel.leave();
  peer.send("reply", {}, (await peer.next("leavechannel")).id);
  await left;
  peer.send("message", news(6));
  await peer.settle(tt);
  assert.deepEqual(heard, []);
});

test("a resumed session keeps the channel that the server gave; a new one has it again if the server says so", async (t) => {
  const session = await listening(t);
  const { tt, peer, given, heard } = session;
  peer.send("joined", ON_NEWS);
  await peer.settle(tt);
  let next = await reconnect(session);
  next.send("idyou", {});
  await next.next("resume");
  next.welcome({ resumed: true });
  next.send("message", news(4));
  await next.settle(tt);
  assert.deepEqual([given.length, heard.splice(0)], [1, [["message", "n4"]]]);
  next = await reconnect({ ...session, peer: next });
  await next.admit({ session: "secret-2" });
  await next.settle(tt);
  // It is not joined by the client: the server decides.
  assert.deepEqual([given.length, heard.splice(0), next.unread], [1, [["left", "removed session_expired"]], []]);
  next.send("joined", { ...ON_NEWS, offset: 9 });
  next.send("message", news(10));
  await next.settle(tt);
  assert.deepEqual([given.length, heard, given[1].offset], [2, [["message", "n10"]], 10]);
});

test("a channel that the page has joined goes on in a new session where the server subscribes it, too", async (t) => {
  const session = await listening(t);
  const { tt, peer, given } = session;
  const joining = tt.channel("news");
  peer.send("joined", ON_NEWS, (await peer.next("joinchannel")).id);
  const channel = await joining;
  const heard = [];
  for (const event of ["message", "joined", "gap", "left"]) channel.on(event, (detail) => heard.push([event, detail.data ?? (detail.reason && `${detail.reason} ${detail.error?.code}`) ?? detail.offset ?? detail.recovered]));
  let next = await reconnect(session);
  await next.admit({ session: "secret-2" });
  next.send("joined", { ...ON_NEWS, offset: 5 });
  next.send("message", news(6));
  let join = await next.next("joinchannel");
  assert.deepEqual(join.data.since, { epoch: "e", offset: 3 });
  next.send("joined", { ...ON_NEWS, offset: 6, recovered: true }, join.id);
  for (const offset of [4, 5, 6, 7]) next.send("message", news(offset));
  await next.settle(tt);
  assert.deepEqual(heard.splice(0), [["joined", true], ["message", "n4"], ["message", "n5"], ["message", "n6"], ["message", "n7"]]);
  assert.equal(given.length, 0);
  // The user may not join any more by itself: what the server gave is left.
  next = await reconnect({ ...session, peer: next });
  await next.admit({ session: "secret-3" });
  next.send("joined", { ...ON_NEWS, offset: 8 });
  join = await next.next("joinchannel");
  next.send("error", { code: "forbidden", message: "no", command: "joinchannel" }, join.id);
  await next.settle(tt);
  assert.deepEqual([heard, given.length, given[0].offset], [[["left", "refused forbidden"]], 1, 8]);
});

/** A channel at offset 0, with what it emits. */
async function reading(t) {
  const session = await joined(t);
  const events = [];
  session.channel.on("message", ({ data }) => events.push(data));
  session.channel.on("gap", ({ offset }) => events.push(`gap ${offset}`));
  const publish = (...offsets) => {
    for (const offset of offsets) session.peer.send("message", { channel: "chat", id: `id ${offset}`, offset, time: offset, data: offset });
  };
  return { ...session, events, publish };
}

const LEFT_OUT = { code: "rate_limited", message: "left out", command: "joinchannel" };

test("messages that were left out are requested, and all come in order", async (t) => {
  const { tt, peer, events, publish } = await reading(t);
  publish(1, 2, 5, 6);
  const { data, id } = await peer.next("joinchannel");
  assert.deepEqual(data, { channel: "chat", since: { epoch: "e", offset: 2 } });
  publish(7);
  await peer.settle(tt);
  assert.deepEqual(events, [1, 2]);
  peer.send("joined", { channel: "chat", epoch: "e", offset: 7, recovered: true }, id);
  publish(3, 4, 5, 6, 7, 8);
  await peer.settle(tt);
  assert.deepEqual(events, [1, 2, 3, 4, 5, 6, 7, 8]);
});

test("messages that were left out and are not retained are a gap", async (t) => {
  const { tt, peer, events, publish } = await reading(t);
  publish(1, 4);
  const { id } = await peer.next("joinchannel");
  publish(5);
  peer.send("joined", { channel: "chat", epoch: "e", offset: 5, recovered: false }, id);
  publish(6);
  await peer.settle(tt);
  assert.deepEqual(events, [1, 4, 5, "gap 5", 6]);
});

test("a client that stays too slow asks once in ten seconds, and hears of the gaps between", async (t) => {
  const { tt, env, peer, events, publish } = await reading(t);
  publish(1);
  // What was left out is the last that was published.
  peer.send("error", LEFT_OUT);
  const { data, id } = await peer.next("joinchannel");
  assert.deepEqual(data.since, { epoch: "e", offset: 1 });
  peer.send("joined", { channel: "chat", epoch: "e", offset: 2, recovered: true }, id);
  publish(2, 5);
  peer.send("error", LEFT_OUT);
  await peer.settle(tt);
  assert.deepEqual(events, [1, 2, "gap 4", 5]);
  assert.deepEqual(peer.unread, []);
  env.advance(10_000);
  const again = await peer.next("joinchannel");
  assert.deepEqual(again.data.since, { epoch: "e", offset: 5 });
});

/** Three more channels, of an open client that has joined one already. */
async function channels({ tt, peer }) {
  const promises = ["b", "c", "d"].map((path) => tt.channel(path));
  for (const { data, id } of await Promise.all(promises.map(() => peer.next("joinchannel")))) {
    peer.send("joined", { channel: data.channel, epoch: "e", offset: 0, recovered: false }, id);
  }
  return Promise.all(promises);
}

/** Answers the join again that is awaited, and resolves with its channel. */
async function answer(tt, peer, offset = 0) {
  const { data, id } = await peer.next("joinchannel");
  assert.ok(data.since, "it is no first join");
  peer.send("joined", { channel: data.channel, epoch: "e", offset, recovered: true }, id);
  await peer.settle(tt);
  return data.channel;
}

test("channels in which no offset shows what was left out are joined again one by one", async (t) => {
  const session = await reading(t);
  const { tt, peer, publish, events } = session;
  await channels(session);
  peer.send("error", LEFT_OUT);
  await peer.settle(tt);
  assert.deepEqual(peer.unread.map(({ data }) => data.channel), ["chat"], "the others wait for the answer");
  // An offset that shows a gap needs no check.
  peer.send("message", { channel: "c", id: "c2", offset: 2, time: 1, data: 2 });
  await peer.settle(tt);
  assert.equal(await answer(tt, peer, 1), "chat");
  publish(1);
  assert.equal(await answer(tt, peer), "c");
  assert.equal(await answer(tt, peer), "b");
  assert.equal(await answer(tt, peer), "d");
  await peer.settle(tt);
  assert.deepEqual(peer.unread, []);
  assert.deepEqual(events, [1]);
});

test("the checks of channels go on after a resume, and a left channel does not stop them", async (t) => {
  const session = await reading(t);
  const { tt, peer, channel } = session;
  await channels(session);
  peer.send("error", LEFT_OUT);
  await peer.next("joinchannel");
  const next = await reconnect(session);
  await next.admit({ resumed: true, accepted: 4 });
  // The server did not take the first one.
  const { data } = await next.next("joinchannel");
  assert.equal(data.channel, "chat");
  const left = channel.leave();
  assert.equal(await answer(tt, next), "b");
  void left.catch(() => {});
  assert.equal(await answer(tt, next), "c");
});

test("a join for missed messages that is refused is a gap, and the channel goes on", async (t) => {
  const { tt, peer, channel, events, publish } = await reading(t);
  const left = [];
  channel.on("left", (event) => left.push(event));
  publish(1, 4);
  const { id } = await peer.next("joinchannel");
  publish(5, 7);
  peer.send("error", { code: "forbidden", message: "no", command: "joinchannel" }, id);
  publish(8);
  await peer.settle(tt);
  assert.deepEqual([events, left], [[1, "gap 3", 4, 5, "gap 6", 7, 8], []]);
});
