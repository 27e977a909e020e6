// Who is on a channel: names, numbers and changes.

import assert from "node:assert/strict";
import { test } from "node:test";
import { online } from "./harness.mjs";

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
