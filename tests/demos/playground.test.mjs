// The Playground's command templates, filter and command names.

import assert from "node:assert/strict";
import { test } from "node:test";
import { commandOf, passes } from "../../static/playground/frame-log.js";
import { RawConnection } from "../../static/playground/raw-connection.js";
import { templates } from "../../static/playground/templates.js";
import { guardedHooks } from "../../static/turntable/guarded_hooks.js";

const COMMANDS = [
  "idme", "resume", "subscribe", "unsubscribe", "status", "joingame", "leavegame", "game", "declineinvite", "joinchannel",
  "leavechannel", "publish", "call", "reply", "set", "provide", "time", "lookup", "authenticate", "bye", "block",
];

test("every client command has a template with its number", () => {
  const rows = templates({ user: "1:1", friend: "1:2", session: "S", received: 3, now: 5 });
  assert.deepEqual(rows.map(({ command }) => command), COMMANDS);
  assert.deepEqual(rows.map(({ number }) => number), COMMANDS.map((command, index) => (command === "block" ? 27 : index + 1)));
  const data = Object.fromEntries(rows.map((row) => [row.command, row.data]));
  assert.deepEqual(data.resume, { session: "S", received: 3 });
  assert.deepEqual(data.game.actions[0], { timestamp: 5, from: "1:1", data: { strike_one: "1:2" } });
  assert.equal(data.joingame.self, "1:1");
});

test("the filter matches words, -words, direction and clock messages", () => {
  const frame = { direction: "in", command: "userchange", text: '{"command":"userchange","data":{"1:2":"Busy"}}' };
  const filter = { words: "", direction: "all", quiet: false };
  assert.ok(passes(frame, filter));
  assert.ok(passes(frame, { ...filter, words: "userchange busy" }));
  assert.equal(passes(frame, { ...filter, words: "userchange offline" }), false);
  assert.equal(passes(frame, { ...filter, words: "-busy" }), false);
  assert.ok(passes(frame, { ...filter, words: "-offline" }));
  assert.equal(passes(frame, { ...filter, direction: "out" }), false);
  assert.equal(passes({ ...frame, command: "time" }, { ...filter, quiet: true }), false);
});

test("the command is found in frames, datagrams and entries", () => {
  assert.equal(commandOf("in", '{"command":"idyou","data":{}}'), "idyou");
  assert.equal(commandOf("in", "[65,{}]"), "welcome");
  assert.equal(commandOf("out", '[18,["1:2"],7]'), "lookup");
  assert.equal(commandOf("out", '[{"tunnel":"T","path":"/server","data":{"command":"idme","data":"1:1"}},{},{}]'), "idme +2");
  assert.equal(commandOf("in", '{"id":"I","path":"/presence","data":{"command":"userchange","data":{}}}'), "userchange");
  assert.equal(commandOf("in", '{"id":"I","path":"/channel/chat","data":{"command":"mine"}}'), "message");
  assert.equal(commandOf("out", '{"f":"$av:status","args":"busy"}'), "status");
  assert.equal(commandOf("out", '{"f":"forum:createPost"}'), "forum:createPost");
  assert.deepEqual(['{"id":1,"r":null}', '{"id":1,"error":{}}', "[]", "{", "5"].map((text) => commandOf("in", text)), ["answer", "error", "(empty)", "", ""]);
});

test("the connection has each hook that a transport calls, and says why the server ends the session", () => {
  const notes = [];
  const connection = new RawConnection({ settings: () => ({}), note: (text) => notes.push(text) });
  const hooks = connection.hooks(() => true);
  assert.deepEqual(Object.keys(hooks).sort(), Object.keys(guardedHooks(() => true, hooks)).sort());
  for (const [name, hook] of Object.entries(hooks)) assert.equal(typeof hook, "function", name);
  hooks.parting({ code: "forbidden", message: "rude" });
  connection.hooks(() => false).parting({ code: "forbidden", message: "of the connection before" });
  assert.deepEqual(notes, ["The session ends: forbidden: rude"]);
});
