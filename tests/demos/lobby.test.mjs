// The lobby's list of users and open games.

import assert from "node:assert/strict";
import { test } from "node:test";
import { LobbyView } from "../../static/demo/lobby.js";
import { isRoomName } from "../../static/demo/join-form.js";

test("users appear, move, leave, and expire without further announcements", () => {
  const view = new LobbyView();
  assert.equal(view.apply("1:2", { page: "home" }, 0), true);
  assert.equal(view.apply("1:2", { page: "four", room: "a", players: 1 }, 10_000), false);
  view.apply("1:1", { page: "friends" }, 10_000);
  assert.deepEqual(view.people(20_000).map(({ user, page }) => [user, page]), [["1:1", "friends"], ["1:2", "four"]]);
  view.apply("1:1", { gone: true }, 20_000);
  assert.equal(view.people(20_000).length, 1);
  assert.equal(view.people(60_000).length, 0);
});

test("a room is listed once, with the highest announced number of players", () => {
  const view = new LobbyView();
  view.apply("1:1", { page: "four", room: "a", players: 1 }, 0);
  view.apply("1:2", { page: "four", room: "a", players: 2 }, 0);
  view.apply("1:3", { page: "strike", room: "a", players: 4 }, 0);
  view.apply("1:4", { page: "home", room: null }, 0);
  assert.deepEqual(view.rooms(0), [{ page: "strike", room: "a", players: 4, users: ["1:3"] }, { page: "four", room: "a", players: 2, users: ["1:1", "1:2"] }]);
});

test("a user with several pages is listed once, and each page is added and removed separately", () => {
  const view = new LobbyView();
  assert.equal(view.apply("1:1", { tab: "x", page: "strike", room: "a", players: 1 }, 0), true);
  assert.equal(view.apply("1:1", { tab: "y", page: "home", room: null }, 0), true);
  assert.deepEqual(view.people(0).map(({ user, page }) => [user, page]), [["1:1", "strike"]]);
  assert.deepEqual(view.rooms(0), [{ page: "strike", room: "a", players: 1, users: ["1:1"] }]);
  view.apply("1:1", { tab: "y", gone: true }, 0);
  assert.equal(view.rooms(0).length, 1);
  view.apply("1:1", { tab: "x", gone: true }, 0);
  assert.equal(view.people(0).length, 0);
});

test("announcements of others are validated and limited", () => {
  const view = new LobbyView();
  for (const data of [null, 7, "hi", [], {}, { page: 3 }]) view.apply("1:1", data, 0);
  assert.equal(view.people(0).length, 0);
  for (let n = 0; n < 1000; n += 1) view.apply(`1:${n}`, { page: "p".repeat(100), room: "r".repeat(500), players: "many" }, 0);
  const people = view.people(0);
  assert.equal(people.length, 500);
  assert.deepEqual([people[0].page.length, people[0].room.length, people[0].players], [20, 64, 0]);
});

test("a room name is one segment of a channel path", () => {
  for (const name of ["a", "Eu-1", "größe", "x".repeat(64)]) assert.ok(isRoomName(name), name);
  for (const name of ["", "a b", "a/b", "*", ">", "a\u0000", "x".repeat(65), "ü".repeat(33)]) assert.equal(isRoomName(name), false, name);
});
