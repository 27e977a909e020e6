// Names, colours and notes: what other users may choose, and what is shown of it.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { colour, defaultProfile, loadProfile, NAME_MAX, needsDarkText, nickname, ownValues, plainText, storeProfile } from "../../static/demo/profile.js";

beforeEach(() => {
  const stored = new Map();
  globalThis.localStorage = {
    getItem: (key) => stored.get(key) ?? null,
    setItem: (key, value) => stored.set(key, value),
  };
});

test("a nickname is one short line of visible text", () => {
  assert.equal(nickname("  Mel \n  and\tTom "), "Mel and Tom");
  assert.equal(nickname("a\u202eb\u2066c\u200bd\u0000e\ufefff\u007fg"), "abcdefg");
  assert.equal(nickname(`e${"\u0301".repeat(50)}`), "e\u0301\u0301");
  assert.equal([...nickname("\u{1f600}".repeat(1000))].length, NAME_MAX);
  assert.equal(nickname("M\ud800el"), "Mel");
  assert.equal(nickname("<b>Mel</b>"), "<b>Mel</b>", "it is shown as text");
  for (const none of ["", " \u00a0\u3164 ", "\u200b\u2060", null, undefined, 7, {}, ["Mel"], { toString: "Mel" }]) assert.equal(nickname(none), "", String(JSON.stringify(none)));
});

test("text of any language and emoji remain", () => {
  for (const name of ["Zoë", "Дмитрий", "محمد", "नरेंद्र", "李小龍", "Mel 😀"]) assert.equal(nickname(name), name);
  assert.equal(plainText("x".repeat(100), 10), "x".repeat(10));
});

test("a colour is #rrggbb and nothing else", () => {
  assert.equal(colour("#A0b1C2"), "#a0b1c2");
  for (const none of ["red", "#fff", "#12345g", "#123456;", "url(//host)", " #123456", null, 7, ["#123456"]]) assert.equal(colour(none), null);
  assert.equal(needsDarkText("#ffffff"), true);
  assert.equal(needsDarkText("#3b5bdb"), false);
});

test("a user without a name has the same one in each tab, and users differ", () => {
  assert.deepEqual(defaultProfile("1:1"), defaultProfile("1:1"));
  const names = new Set(Array.from({ length: 200 }, (_, n) => defaultProfile(`1:${10_000 + n}`).name));
  assert.ok(names.size > 120, `${names.size} of 200`);
  for (const name of names) assert.equal(nickname(name), name);
  const colours = new Set(Array.from({ length: 60 }, (_, n) => defaultProfile(`1:${n}`).colour));
  assert.equal(colours.size, 12);
});

test("the stored profile is checked when it is read", () => {
  storeProfile("1:1", { name: "Mel", colour: "#123456", note: "n", status: "invisible" });
  assert.deepEqual(loadProfile("1:1"), { name: "Mel", colour: "#123456", note: "n", status: "invisible" });
  assert.deepEqual(loadProfile("1:2"), {});
  localStorage.setItem("turntable.profile.1:2", "{");
  assert.deepEqual(loadProfile("1:2"), {});
  assert.deepEqual(ownValues({ name: 3, colour: "red", note: null, status: "away" }), {});
  assert.deepEqual(ownValues(null), {});
});
