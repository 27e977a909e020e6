// User ids and the stored friend list, with a fake localStorage.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { currentUser, isUser, link, randomUser, storeUser } from "../../static/demo/identity.js";
import { addFriend, FRIENDS_MAX, loadFriends, removeFriend } from "../../static/demo/friend-list.js";

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

test("the id is stored, and a tab can override it", () => {
  const user = currentUser();
  assert.equal(currentUser(), user);
  storeUser("1:777");
  assert.equal(currentUser(), "1:777");
  assert.throws(() => storeUser("nobody"), TypeError);
  location.search = "?user=1:888";
  assert.equal(currentUser(), "1:888");
  location.search = "?user=not-an-id";
  assert.equal(currentUser(), "1:777");
});

test("links keep the user of the tab", () => {
  assert.equal(link("../four/", { room: "b" }), "http://host/four/?room=b");
  location.search = "?user=1:888";
  assert.equal(link("../four/", {}), "http://host/four/?user=1%3A888");
  assert.equal(link("../four/", { user: null }), "http://host/four/");
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
  assert.ok(isUser(currentUser()));
});
