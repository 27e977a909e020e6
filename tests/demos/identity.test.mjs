// User ids and the stored friend list, with a fake localStorage.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { becomeAnother, claimedUser, identity, isUser, link, randomPlayer, randomUser } from "../../static/demo/identity.js";
import { addFriend, FRIENDS_MAX, loadFriends, moveFriends, removeFriend } from "../../static/demo/friend-list.js";
import { loadProfile, moveProfile, storeProfile } from "../../static/demo/profile.js";

beforeEach(() => {
  const stored = new Map();
  globalThis.localStorage = {
    getItem: (key) => stored.get(key) ?? null,
    setItem: (key, value) => stored.set(key, value),
  };
  globalThis.location = { href: "http://host/strike/?room=a", search: "?room=a" };
});

test("user ids have the protocol's form realm:name", () => {
  for (const id of ["1:12345", "fb:mel", "a_b-c:ü", "1:a:b"]) assert.ok(isUser(id), id);
  for (const id of ["", "12345", "1:", ":1", "1:a b", "1:a\u0000", "ü:1", `1:${"x".repeat(129)}`, 7, null]) {
    assert.equal(isUser(id), false, String(id));
  }
  assert.ok(isUser(randomUser()));
});

test("a tab is the browser's guest, another guest of it, or the user of its address", () => {
  assert.deepEqual(identity(), { guest: true });
  location.search = "?player=two";
  assert.deepEqual(identity(), { guest: "two" });
  for (const wrong of ["", "a b", "x".repeat(33)]) {
    location.search = `?player=${encodeURIComponent(wrong)}`;
    assert.deepEqual(identity(), { guest: true });
  }
  location.search = "";
  becomeAnother();
  const another = identity();
  assert.match(another.guest, /^\w+$/);
  assert.deepEqual(identity(), another);
  location.search = "?player=two&user=1:888";
  assert.deepEqual(identity(), { user: "1:888" });
  location.search = "?user=not-an-id";
  assert.deepEqual(identity(), another);
  assert.notEqual(randomPlayer(), randomPlayer());
});

test("the Playground stores the user that it claims", () => {
  const user = claimedUser();
  assert.ok(isUser(user));
  assert.equal(claimedUser(), user);
  location.search = "?user=1:888";
  assert.equal(claimedUser(), "1:888");
});

test("a guest that the server has lost keeps its profile and its friends", () => {
  storeProfile("guest:a", { name: "Mel", note: "hi", status: "invisible" });
  addFriend("guest:a", "1:2");
  addFriend("guest:a", "guest:b");
  addFriend("guest:b", "1:3");
  moveProfile("guest:a", "guest:b");
  moveFriends("guest:a", "guest:b");
  const { name, note, status, colour } = loadProfile("guest:b");
  assert.deepEqual([name, note, status], ["Mel", "hi", "invisible"]);
  // It keeps the colour that it was shown with, too.
  assert.match(colour, /^#/);
  assert.deepEqual(loadFriends("guest:b"), ["1:3", "1:2"]);
});

test("links keep the user and the player of the tab", () => {
  assert.equal(link("../four/", { room: "b" }), "http://host/four/?room=b");
  location.search = "?user=1:888";
  assert.equal(link("../four/", {}), "http://host/four/?user=1%3A888");
  assert.equal(link("../four/", { user: null }), "http://host/four/");
  location.search = "?player=two&transport=poll";
  assert.equal(link("../four/", {}), "http://host/four/?player=two&transport=poll");
  assert.equal(link("../four/", { player: "three" }), "http://host/four/?player=three&transport=poll");
});

test("the friend list is stored per user, without duplicates, up to FRIENDS_MAX", () => {
  assert.deepEqual(addFriend("1:1", "1:2"), ["1:2"]);
  assert.throws(() => addFriend("1:1", "1:2"), /already/);
  assert.throws(() => addFriend("1:1", "1:1"), /own id/);
  assert.throws(() => addFriend("1:1", "mel"), /realm:name/);
  assert.deepEqual(loadFriends("1:9"), []);
  for (let n = 3; n < FRIENDS_MAX + 2; n += 1) addFriend("1:1", `1:${n}`);
  assert.throws(() => addFriend("1:1", "1:5000"), /at most/);
  assert.equal(removeFriend("1:1", "1:2").includes("1:2"), false);
});

test("an invalid or inaccessible storage gives an empty list", () => {
  localStorage.setItem("turntable.friends.1:1", "{not json");
  assert.deepEqual(loadFriends("1:1"), []);
  globalThis.localStorage = { getItem() { throw new Error("denied"); }, setItem() { throw new Error("denied"); } };
  assert.deepEqual(loadFriends("1:1"), []);
  assert.deepEqual(identity(), { guest: true });
  assert.ok(isUser(claimedUser()));
});
