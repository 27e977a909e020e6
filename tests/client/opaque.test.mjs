// Opaque data: whatever it contains, it arrives as data, and never ends a connection.

import assert from "node:assert/strict";
import { test } from "node:test";
import { connect } from "../../static/turntable.js";
import { parse, stringify } from "../../static/turntable/binary.js";
import { messageOf as datagramMessage } from "../../static/turntable/transports/datagram.js";
import { messageOf } from "../../static/turntable/transports/entry.js";
import { messageCodec } from "../../static/turntable/transports/msgpack.js";
import { fake } from "./fake_server.mjs";
import { WebSocket } from "./harness.mjs";

const NAMES = ["__proto__", "constructor", "toString", "hasOwnProperty", "valueOf"];
const HOSTILE = JSON.parse('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"toString":0,"deep":[{"__proto__":1}]}');
const encodings = { v1: ["v1"], v2: ["v2"] };

function client(t, server, options = {}) {
  const tt = connect(server.url, { user: "1:1", WebSocket, EventSource: null, reconnect: { min_ms: 1, max_ms: 5 }, ...options });
  t.after(() => tt.close());
  return tt;
}

test("version 2: keys of the prototype are own properties, and nothing is polluted", async () => {
  const { decode, encode } = await messageCodec();
  for (const data of [HOSTILE, ...NAMES.map((name) => JSON.parse(`{"${name}":{"${name}":[1,{"$num":"1e400x","${name}":2}]}}`))]) {
    const bytes = encode({ command: "publish", data });
    bytes[1] = 72; // the number of `message`
    const back = decode(bytes.slice().buffer).data;
    assert.equal(JSON.stringify(back), JSON.stringify(data));
    assert.equal(Object.getPrototypeOf(back), Object.prototype);
  }
  assert.equal({}.polluted, undefined);
});

test("version 2: long keys and strings keep every character", async () => {
  const { decode, encode } = await messageCodec();
  for (const text of ["\ufeffbom", `\ufeff${"x".repeat(300)}`, "\u0000\u2028\uffff\u{10ffff}", "é".repeat(5000)]) {
    const bytes = encode({ command: "publish", data: { [text]: text } });
    bytes[1] = 72;
    assert.deepEqual(decode(bytes.slice().buffer).data, { [text]: text });
  }
});

test("only canonical base64 is bytes", () => {
  assert.deepEqual(parse('{"$bin":"AP8="}'), Uint8Array.of(0, 255));
  for (const text of ["AP8", "AP9=", " AP8=", "%"]) assert.deepEqual(parse(stringify({ $bin: text })), { $bin: text });
});

test("an entry that answers a request of any name is its answer", () => {
  for (const name of NAMES) {
    assert.equal(messageOf({ id: 1, r: {} }, () => name).command, "reply");
    assert.equal(messageOf({ f: `$av:${name}`, args: 1 }, () => undefined).command, name);
  }
});

for (const [name, [encoding]] of Object.entries(encodings)) {
  test(`${name}: hostile keys in actions, state, attributes, presence and services arrive as data`, async (t) => {
    const server = await fake(t);
    const tt = client(t, server, { transports: ["websocket"], encoding });
    const states = [];
    const room = await tt.join("C");
    tt.on("state", ({ state }) => states.push(state));
    tt.on("error", ({ code }) => states.push(code));
    const action = room.once("action");
    const changed = tt.attributes.once("change");
    server.session.send("game", { channel: "C", actions: [{ timestamp: 1, from: "1:2", data: HOSTILE }] });
    server.session.send("joined", { channel: "C", self: "1:1", members: JSON.parse('{"__proto__":{"state":"joined"}}'), state: HOSTILE });
    server.session.send("memberchange", { channel: "C", members: JSON.parse('{"constructor":"joined"}') });
    server.session.send("userchange", HOSTILE);
    server.session.send("service", JSON.parse('{"__proto__":{"state":"enabled"}}'));
    server.session.send("attributes", HOSTILE);
    assert.equal(JSON.stringify((await action).data), JSON.stringify(HOSTILE));
    assert.equal(JSON.stringify((await changed).changes), JSON.stringify(HOSTILE));
    assert.equal(JSON.stringify(room.state), JSON.stringify(HOSTILE));
    assert.deepEqual([...room.members.keys()], ["__proto__", "constructor"]);
    assert.equal(tt.services.get("__proto__").state, "enabled");
    assert.deepEqual(tt.attributes.get("toString"), 0);
    assert.equal({}.polluted, undefined);
    await tt.request("lookup", []);
    assert.deepEqual(states, []);
  });
}

test("version 2: what cannot be decoded is an error of that message alone, and is counted", async (t) => {
  const server = await fake(t);
  const tt = client(t, server, { transports: ["websocket"], encoding: "v2" });
  await tt.ready;
  const seen = [];
  tt.on("error", ({ code }) => seen.push(code));
  tt.on("state", ({ state }) => seen.push(state));
  for (const bytes of [[0xc1], [0x92, 72], [0x80], [0x91, 0xa1, 0x78], []]) {
    server.session.log.push({});
    server.session.written += 1;
    server.session.socket.send(Uint8Array.from(bytes));
  }
  server.session.socket.send(Uint8Array.of(0x92, 0xcc, 200, 0)); // a command of a newer server
  server.session.log.push({});
  server.session.written += 1;
  await tt.request("lookup", []);
  assert.deepEqual(seen, Array(5).fill("bad_json"));
  const resumed = tt.once("resumed");
  server.session.connection.cut();
  await resumed;
  await tt.request("lookup", []);
  assert.deepEqual(seen.slice(5).filter((code) => code === "bad_json"), []);
});

test("version 2: during an outage the size of a command is that of its frame", async (t) => {
  const server = await fake(t);
  server.limits = { max_message_bytes: 1000 };
  const tt = client(t, server, { transports: ["websocket"], encoding: "v2" });
  await tt.ready;
  const send = (bytes) => tt.request("publish", { channel: "c", data: new Uint8Array(bytes) });
  const { session } = server;
  const answers = [send(900)];
  await answers[0];
  server.away = true;
  session.connection.cut();
  while (tt.state === "online") await tt.once("state");
  // Its JSON has 1,200 bytes.
  answers.push(send(900));
  await assert.rejects(send(1000), { code: "too_large" });
  server.away = false;
  await Promise.all(answers);
  assert.deepEqual(session.commands.filter(({ command }) => command === "publish").map(({ data }) => data.data.length), [900, 900]);
});

test("a message of an unexpected form is an error of that message alone", async (t) => {
  for (const transports of [["websocket"], ["tunnel"], ["longpoll"], ["poll"]]) {
    const server = await fake(t);
    const tt = client(t, server, { transports });
    await tt.join("C");
    const seen = [];
    tt.on("error", ({ code }) => seen.push(code));
    tt.on("state", ({ state }) => seen.push(state));
    server.session.send("game", { channel: "C", actions: 7 });
    server.session.send("attributes", { a: 1 });
    while (tt.attributes.get("a") !== 1) await tt.request("lookup", []);
    assert.deepEqual(seen, ["bad_message"], transports[0]);
  }
});

test("lone surrogates are U+FFFD in both directions; pairs and escaped backslashes stay", () => {
  const strings = {
    "\ud800": "\ufffd", "a\udc00b": "a\ufffdb", "\ud83d\ude00": "\ud83d\ude00", "\ude00\ud83d": "\ufffd\ufffd", "\ud800\ud83d\ude00": "\ufffd\ud83d\ude00",
    "\\ud800": "\\ud800", "\\\\ud800\ud800": "\\\\ud800\ufffd", "\u0000\ufeff\u2028\uffff": "\u0000\ufeff\u2028\uffff",
  };
  for (const [text, expected] of Object.entries(strings)) {
    assert.deepEqual(JSON.parse(stringify({ [text]: [text] })), { [expected]: [expected] }, escape(text));
    assert.deepEqual(parse(JSON.stringify({ [text]: text })), { [expected]: expected }, escape(text));
  }
  // A client of another kind may escape pairs.
  assert.equal(parse('"\\uD83D\\uDE00\\uD83D\\u0041"'), "\ud83d\ude00\ufffdA");
});

test("odd strings and keys are the same by v1 and v2", async (t) => {
  const odd = ["\ud800", "x".repeat(100) + "\udfff", "\ufeffy", "\u0000", "\u2028\u2029", "\uffff\ufdd0", "e\u0301", "\u{10ffff}", ""];
  const data = Object.fromEntries(odd.map((text) => [text, text]));
  const results = [];
  for (const encoding of ["v1", "v2"]) {
    const server = await fake(t);
    const tt = client(t, server, { transports: ["websocket"], encoding });
    const chat = await tt.channel("chat");
    const message = chat.once("message");
    await chat.publish(data);
    results.push([server.session.commands.find(({ command }) => command === "publish").data.data, (await message).data]);
  }
  assert.deepEqual(results[0], results[1]);
  assert.deepEqual(results[0][0], results[0][1]);
});

test("a past message that a tunnel sends again has its own id each time", () => {
  const past = { path: "/channel/c", data: 1, offset: 2, message: "01JD" };
  const [first, second] = ["A", "B"].map((id) => datagramMessage({ id, ...past }));
  assert.deepEqual(first, { command: "message", data: { id: "01JD", channel: "c", data: 1, offset: 2 } });
  assert.deepEqual(second, first);
});
