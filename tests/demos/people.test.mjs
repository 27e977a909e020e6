// The users whom a page shows: each group holds its own subscriptions.

import assert from "node:assert/strict";
import { test } from "node:test";
import { People } from "../../static/demo/people.js";
import { online } from "../client/harness.mjs";

test("a group that changes ends its own subscriptions, and those of no other part of the page", async (t) => {
  const { tt, peer } = await online(t);
  const people = new People(tt, "1:1", () => ({}));
  const subscribed = async (error) => {
    const { data, id } = await peer.next("subscribe");
    if (error) peer.send("error", { code: error, message: error }, id);
    else peer.send("userchange", Object.fromEntries(data.map((one) => [one, "online"])), id);
    await peer.settle(tt);
    return data;
  };
  // Refused for the group, and watched by another part of the page.
  people.watch("members", ["1:2"]);
  assert.deepEqual(await subscribed("too_many"), ["1:2"]);
  const other = tt.friends.subscribe(["1:2"]);
  assert.deepEqual(await subscribed(), ["1:2"]);
  const states = await other;
  people.watch("members", []);
  await peer.settle(tt);
  assert.deepEqual([tt.friends.get("1:2"), peer.unread], ["online", []]);
  // A part of a subscription ends; the rest of it stays, and is not sent again.
  people.watch("members", ["1:2", "1:3", "1:4"]);
  assert.deepEqual(await subscribed(), ["1:3", "1:4"]);
  await tt.friends.unsubscribe(states);
  people.watch("members", ["1:3"]);
  const { data, id } = await peer.next("unsubscribe");
  assert.deepEqual(data.sort(), ["1:2", "1:4"]);
  peer.send("reply", {}, id);
  await peer.settle(tt);
  assert.deepEqual([[...tt.friends.all.keys()], peer.unread], [["1:3"], []]);
});
