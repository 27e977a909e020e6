// The same client by every door, from door to door, and what each door alone has.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { CLOSE_CODES, connect } from "../../static/turntable.js";
import { EventStream } from "../../static/turntable/doors/event_stream.js";
import { messageOf } from "../../static/turntable/doors/datagram.js";
import { entryOf, messageOf as messageOfEntry } from "../../static/turntable/doors/entry.js";
import { Ladder } from "../../static/turntable/ladder.js";
import { eventSource, fake } from "./fake_server.mjs";
import { ManualEnvironment, WebSocket } from "./harness.mjs";

const FAST = { reconnect: { min_ms: 1, max_ms: 5 } };

function client(t, server, options = {}) {
  const tt = connect(server.url, { user: "1:1", WebSocket, EventSource: null, ...FAST, ...options });
  tt.on("error", (error) => (tt.errors ??= []).push(error));
  t.after(() => tt.close());
  return tt;
}

const WAYS = {
  "websocket v1": { doors: ["websocket"] },
  "websocket v2": { doors: ["websocket"], wire: "v2" },
  "tunnel by fetch": { doors: ["tunnel"] },
  "tunnel by EventSource": { doors: ["tunnel"], EventSource: eventSource() },
  longpoll: { doors: ["longpoll"] },
  poll: { doors: ["poll"] },
};

for (const [name, options] of Object.entries(WAYS)) {
  test(`${name}: identification, answers, messages, in order`, async (t) => {
    const server = await fake(t);
    const tt = client(t, server, options);
    const welcome = await tt.ready;
    assert.deepEqual([welcome.user, tt.session, tt.door, tt.state], ["1:1", server.session.secret, options.doors[0], "online"]);
    const chat = await tt.channel("chat");
    const got = chat.once("message");
    assert.deepEqual(await tt.request("lookup", ["1:2"]), { echo: ["1:2"] });
    const answers = await Promise.all([1, 2, 3].map((n) => tt.request("lookup", [n])));
    assert.deepEqual(answers.map(({ echo }) => echo[0]), [1, 2, 3]);
    await chat.publish({ text: "hello", bytes: new Uint8Array([0, 255]) });
    const { from, offset, data } = await got;
    assert.deepEqual([from, offset, data], ["1:1", 1, { text: "hello", bytes: new Uint8Array([0, 255]) }]);
    const room = await tt.join("C");
    assert.equal(room.channel, "C");
    const commands = server.session.commands.map(({ command, data }) => (command === "lookup" ? data[0] : command)).filter((command) => command !== "time");
    assert.deepEqual(commands, ["idme", "joinchannel", "1:2", 1, 2, 3, "publish", "joingame"]);
  });

  test(`${name}: goodbye is said`, async (t) => {
    const server = await fake(t);
    const tt = client(t, server, options);
    await tt.ready;
    const { session } = server;
    tt.close();
    assert.equal(tt.state, "closed");
    for (let tries = 0; server.sessions.size > 0 && tries < 100; tries += 1) await sleep(5);
    assert.equal(server.sessions.size, 0);
    assert.equal(session.commands.at(-1).command, "bye");
  });
}

test("where WebSockets are blocked the next door is taken, and the first is tried first again by a new client", async (t) => {
  const server = await fake(t, { doors: ["tunnel", "poll"] });
  const tt = client(t, server);
  const doors = [];
  tt.on("door", ({ door }) => doors.push(door));
  await tt.ready;
  assert.deepEqual([tt.door, doors], ["tunnel", ["tunnel"]]);
  assert.equal(server.requests.filter(({ path }) => path === "/ws").length, 2);
  const count = server.requests.length;
  const other = client(t, server);
  await other.ready;
  assert.equal(server.requests[count].path, "/ws");
});

test("a door that is off is left at once; the poll is the last", async (t) => {
  const server = await fake(t, { doors: ["poll"] });
  const tt = client(t, server);
  await tt.ready;
  assert.equal(tt.door, "poll");
  assert.deepEqual(server.requests.slice(0, 5).map(({ path, query }) => path + (query.format ?? "")), ["/ws", "/ws", "/tunnelsse", "/tunnellongpoll", "/poll"]);
});

test("a WebSocket that is held back without a word is left when its time is over", async (t) => {
  const server = await fake(t, { doors: ["websocket", "websocket held back", "tunnel"] });
  const env = new ManualEnvironment();
  env.chance = 0;
  const tt = client(t, server, { environment: env });
  for (let tries = 0; server.requests.length === 0 && tries < 100; tries += 1) await sleep(5);
  env.advance(5000);
  env.advance(1);
  await tt.ready;
  assert.equal(tt.door, "tunnel");
});

test("a session that lost its WebSocket goes on by the tunnel", async (t) => {
  const server = await fake(t);
  const tt = client(t, server);
  await tt.ready;
  assert.equal(tt.door, "websocket");
  const chat = await tt.channel("chat");
  const { session } = server;
  server.doors.delete("websocket");
  const resumed = tt.once("resumed");
  const message = chat.once("message");
  session.line.cut();
  session.line = null;
  session.send("message", { channel: "chat", id: "x", offset: 1, from: "1:2", time: 5, data: "meanwhile" });
  await resumed;
  assert.deepEqual([tt.door, tt.session], ["tunnel", session.secret]);
  assert.equal((await message).data, "meanwhile");
  const attach = server.requests.find(({ path, query }) => path === "/tunnel" && query.id === session.secret);
  assert.equal(attach.query.format, "sse");
  // The patience with a door that has worked.
  assert.equal(server.requests.filter(({ path }) => path === "/ws").length, 9);
});

test("from a lesser door the session moves up to the WebSocket by itself", async (t) => {
  const server = await fake(t, { doors: ["tunnel", "poll"], heartbeat_ms: 3_600_000 });
  const env = new ManualEnvironment();
  env.chance = 0;
  const tt = client(t, server, { environment: env, clock_interval_ms: 3_600_000 });
  for (let tries = 0; tt.state !== "online" && tries < 400; tries += 1) {
    await sleep(2);
    env.advance(1);
  }
  assert.equal(tt.door, "tunnel");
  const { session } = server;
  const resets = [];
  tt.on("reset", () => resets.push("reset"));
  env.advance(30_000); // a try that fails
  await sleep(30);
  assert.equal(tt.state, "online");
  server.doors.add("websocket");
  const resumed = tt.once("resumed");
  env.advance(60_000);
  await resumed;
  assert.deepEqual([tt.door, tt.session, tt.state, resets], ["websocket", session.secret, "online", []]);
  assert.deepEqual(await tt.request("lookup", ["up"]), { echo: ["up"] });
});

for (const [name, options] of Object.entries(WAYS)) {
  test(`${name}: a session that is gone is followed by a new one`, async (t) => {
    const server = await fake(t);
    const tt = client(t, server, options);
    await tt.ready;
    const { session } = server;
    server.sessions.clear();
    const reset = tt.once("reset");
    if (session.line?.cut) session.line.cut();
    else tt.send("lookup", []);
    await reset;
    assert.notEqual(tt.session, session.secret);
    assert.equal(tt.state, "online");
  });
}

for (const name of ["tunnel by fetch", "tunnel by EventSource", "poll"]) {
  test(`${name}: the close code that the server tells decides as for WebSockets`, async (t) => {
    for (const [text, row] of Object.entries(CLOSE_CODES)) {
      const server = await fake(t);
      const tt = client(t, server, WAYS[name]);
      await tt.ready;
      const { session } = server;
      const how = [];
      for (const event of ["resumed", "reset"]) tt.on(event, () => how.push(event));
      const down = new Promise((resolve) => tt.on("state", (change) => change.reason && resolve(change)));
      if (name === "poll") {
        session.closing = Number(text);
        tt.send("lookup", []);
      } else session.line.close(Number(text));
      const { state, code, reason } = await down;
      assert.deepEqual([state, code, reason], [row.reconnect ? "offline" : "closed", Number(text), row.name]);
      if (row.reconnect) await tt.once("welcome");
      assert.deepEqual(how, row.reconnect ? [row.resume ? "resumed" : "reset"] : [], row.name);
      assert.equal(server.sessions.size, row.reconnect && !row.resume ? 2 : 1, row.name);
      tt.close();
    }
  });
}

test("a stream that ends with a footer that tells nothing is a lost one", async (t) => {
  const server = await fake(t);
  const tt = client(t, server, { doors: ["tunnel"] });
  await tt.ready;
  const resumed = tt.once("resumed");
  const offline = tt.once("state");
  server.session.line.close(null);
  assert.equal((await offline).reason, "lost");
  await resumed;
});

test("an EventSource is closed at its first error and never opens a second tunnel by itself", async (t) => {
  const server = await fake(t);
  const made = [];
  const tt = client(t, server, { doors: ["tunnel"], EventSource: eventSource(made) });
  await tt.ready;
  const resumed = tt.once("resumed");
  server.session.line.cut();
  await resumed;
  assert.equal(made.length, 2);
  assert.equal(made[0].readyState, 2);
  const opened = server.requests.filter(({ path }) => path === "/tunnel").map(({ query }) => query.new ?? query.id);
  assert.deepEqual(opened, ["1", server.session.secret]);
});

test("what is said in one turn goes up in one request, and a message that is refused says why", async (t) => {
  const server = await fake(t);
  const tt = client(t, server, { doors: ["tunnel"], clock_interval_ms: 60_000 });
  await tt.ready;
  await tt.request("lookup", []);
  const before = server.requests.length;
  await Promise.all([tt.request("lookup", [1]), tt.request("lookup", [2]), tt.request("lookup", [3])]);
  const sent = server.requests.slice(before).filter(({ body }) => body.includes('"lookup"'));
  assert.equal(sent.length, 1);
  assert.deepEqual(JSON.parse(sent[0].body).map(({ tunnel, path, data }) => [tunnel, path, data.data[0]]), [1, 2, 3].map((n) => [tt.session, "/server", n]));
});

test("poll: a call whose answer was lost is done once and answered once", async (t) => {
  const server = await fake(t);
  const tt = client(t, server, { doors: ["poll"] });
  await tt.ready;
  const seen = [];
  tt.on("message", ({ command, data }) => command === "message" && seen.push(data.data));
  const states = [];
  tt.on("state", ({ state }) => states.push(state));
  let lost = 0;
  server.lose = (_url, body) => body.includes("publish") && (lost += 1) <= 3;
  const answer = await tt.request("publish", { channel: "chat", data: "once" });
  assert.deepEqual(answer, { id: "m", offset: 1, epoch: "e" });
  assert.equal(server.session.commands.filter(({ command }) => command === "publish").length, 1);
  await tt.request("lookup", []);
  assert.deepEqual(seen, ["once"]);
  const numbers = server.requests.filter(({ body }) => body.includes("publish")).map(({ query }) => query.batch);
  assert.deepEqual([new Set(numbers).size, numbers.length], [1, 4]);
  // One more try at once is not even seen; after that the line counts as lost.
  assert.deepEqual(states, ["offline", "connecting", "online"]);
});

test("poll: one message each is counted, so another door can go on", async (t) => {
  const server = await fake(t);
  const tt = client(t, server, { doors: ["poll", "tunnel"] });
  await tt.ready;
  server.session.send("attributes", { a: 1 });
  await tt.request("lookup", []);
  server.doors.delete("poll");
  const resumed = tt.once("resumed");
  tt.send("lookup", []);
  await resumed;
  assert.equal(tt.door, "tunnel");
  const attach = server.requests.find(({ path }) => path === "/tunnel");
  assert.deepEqual([attach.query.id, Number(attach.query.received)], [tt.session, 2]);
});

test("poll: an idle client asks for nothing; with a heartbeat each period once, and it brings what waits", async (t) => {
  const server = await fake(t);
  const env = new ManualEnvironment();
  const tt = client(t, server, { doors: ["poll"], environment: env });
  await tt.ready;
  await tt.request("lookup", []);
  const count = () => server.requests.length;
  const idle = count();
  env.advance(60_000);
  await sleep(20);
  assert.equal(count(), idle);
  const got = [];
  tt.attributes.on("change", ({ changes }) => got.push(changes.n));
  tt.heartbeat(1000);
  for (let n = 1; n <= 3; n += 1) {
    server.session.send("attributes", { n });
    env.advance(1000);
    while (got.length < n) await sleep(2);
  }
  assert.equal(count(), idle + 3);
  assert.deepEqual(server.requests.slice(idle).map(({ body }) => body), ["[]", "[]", "[]"]);
  assert.deepEqual(got, [1, 2, 3]);
  tt.heartbeat(0);
  env.advance(10_000);
  await sleep(20);
  assert.equal(count(), idle + 3);
});

test("poll: actions are not waited for, and one that is refused is told to its room", async (t) => {
  const server = await fake(t);
  const tt = client(t, server, { doors: ["poll"] });
  const room = await tt.join("C");
  const refused = room.once("refused");
  room.act({ step: 1 });
  await tt.request("lookup", []);
  const [game] = server.session.commands.filter(({ command }) => command === "game");
  assert.deepEqual(game.data.actions[0].data, { step: 1 });
  server.session.send("error", { code: "invalid_action", message: "no", command: "game" }, game.id);
  await tt.request("lookup", []);
  const { error, data } = await refused;
  assert.deepEqual([error.code, data], ["invalid_action", [{ step: 1 }]]);
});

test("poll: functions provided are called, and their results are answers", async (t) => {
  const server = await fake(t);
  const tt = client(t, server, { doors: ["poll"] });
  await tt.provide("friends", { newFriend: ({ name }) => `hello ${name}` });
  server.session.send("call", { f: "friends:newFriend", args: { name: "Mel" } }, 7);
  await tt.request("lookup", []);
  await tt.request("lookup", []);
  assert.deepEqual(server.session.commands.filter(({ command }) => command === "reply"), [{ command: "reply", data: "hello Mel", id: 7 }]);
});

test("what travels is told: frames, datagrams, entries, with their sizes", async (t) => {
  const server = await fake(t);
  for (const [name, options] of Object.entries(WAYS)) {
    const tt = client(t, server, options);
    const told = [];
    tt.on("frame", (frame) => told.push(frame));
    await tt.ready;
    await tt.request("lookup", ["1:2"]);
    const out = told.find(({ direction, text }) => direction === "out" && text.includes("1:2"));
    const back = told.find(({ direction, text }) => direction === "in" && text.includes("1:2"));
    const kind = { websocket: "frame", tunnel: "datagram", longpoll: "datagram", poll: "entry" }[options.doors[0]];
    assert.deepEqual([out.kind, back.kind], [kind, kind], name);
    assert.ok(out.bytes > 0 && back.bytes > 0);
    if (name === "websocket v2") assert.ok(out.bytes < out.text.length && out.text.startsWith("[18,"), out.text);
    tt.close();
  }
});

test("options that cannot be are refused at once", () => {
  assert.throws(() => connect("http://a", { doors: ["carrier pigeon"] }), /not a door/);
  assert.throws(() => connect("http://a", { wire: "v3" }), /not a wire format/);
  assert.throws(() => connect("http://a", { doors: ["websocket"], WebSocket: undefined }), /none of the doors/);
});

for (const [name, options] of Object.entries(WAYS)) {
  test(`${name}: who published, where and when; no doubles, and a gap where one is`, async (t) => {
    const server = await fake(t);
    const tt = client(t, server, options);
    const chat = await tt.channel("chat");
    const seen = [];
    chat.on("message", ({ from, offset, time, data }) => seen.push([from, offset, time, data]));
    const publish = (offset) => server.session.send("message", { channel: "chat", id: `0${offset}`, offset, from: "1:2", time: 1000 + offset, data: `n${offset}` });
    const published = (...offsets) => offsets.map((offset) => ["1:2", offset, 1000 + offset, `n${offset}`]);
    for (const offset of [1, 2, 1, 2, 3]) publish(offset);
    await tt.request("lookup", []);
    assert.deepEqual(seen, published(1, 2, 3));
    assert.equal(chat.offset, 3);
    // The session is lost: the channel says how far it got, and what follows.
    const { session } = server;
    server.sessions.clear();
    server.missing = 4;
    const gap = chat.once("gap");
    if (session.line?.cut) session.line.cut();
    else tt.send("lookup", []);
    assert.deepEqual(await gap, { epoch: "e", offset: 7 });
    const joins = server.session.commands.filter(({ command }) => command === "joinchannel");
    assert.deepEqual(joins.map(({ data }) => data.since), [{ epoch: "e", offset: 3 }]);
    publish(7);
    publish(8);
    await tt.request("lookup", []);
    assert.deepEqual(seen, published(1, 2, 3, 7, 8));
    assert.equal(chat.offset, 8);
  });
}

test("an event stream is read however its bytes are cut", () => {
  const bytes = new TextEncoder().encode(':\r\n\r\nid: 1\nevent: open\ndata: {"a":\ndata: "é"}\n\nretry: 5\rdata:x\r\rdata\n\nevent: none\n\nid: 2\ndata: y\n\n');
  const whole = [
    { type: "open", data: '{"a":\n"é"}', id: "1" },
    { type: "message", data: "x", id: "1" },
    { type: "message", data: "", id: "1" },
    { type: "message", data: "y", id: "2" },
  ];
  for (let step = 1; step < bytes.length; step += 1) {
    const stream = new EventStream();
    const events = [];
    for (let at = 0; at < bytes.length; at += step) events.push(...stream.push(bytes.slice(at, at + step)));
    assert.deepEqual(events, whole, `steps of ${step}`);
  }
});

test("datagrams and entries are the messages that they hold", () => {
  assert.deepEqual(messageOf({ id: "i", path: "/presence", data: { command: "userchange", data: { "1:2": "online" } } }), { command: "userchange", data: { "1:2": "online" } });
  assert.deepEqual(messageOf({ id: "01JD0000000000000000000000", path: "/channel/chat/eu", from: "1:2", offset: 3, time: 5, data: { command: "x" } }).data, {
    id: "01JD0000000000000000000000", channel: "chat/eu", from: "1:2", offset: 3, time: 5, data: { command: "x" },
  });
  assert.equal(messageOf(null), undefined);
  assert.deepEqual(entryOf({ command: "call", data: { f: "a:b", args: 1 }, id: 2 }), { f: "a:b", args: 1, id: 2 });
  assert.deepEqual(entryOf({ command: "reply", data: 1, id: 2 }), { id: 2, r: 1 });
  assert.deepEqual(entryOf({ command: "status", data: "busy" }), { f: "$av:status", args: "busy", id: undefined });
  assert.deepEqual(messageOfEntry({ id: 1, r: {} }, () => "joingame"), { command: "joined", data: {}, id: 1 });
  assert.deepEqual(messageOfEntry({ id: 1, error: { code: "forbidden" } }, () => "set"), { command: "error", data: { command: "set", code: "forbidden" }, id: 1 });
  assert.deepEqual(messageOfEntry({ f: "$av:userchange", args: {} }, () => undefined), { command: "userchange", data: {} });
});

test("the ladder: two tries, patience where a door has worked, round and round", () => {
  const ladder = new Ladder(3);
  const steps = [];
  for (let count = 0; count < 7; count += 1) {
    ladder.failed(count === 4);
    steps.push(ladder.index);
  }
  assert.deepEqual(steps, [0, 1, 1, 2, 0, 0, 1]);
  ladder.worked();
  for (let count = 0; count < 7; count += 1) ladder.failed(false);
  assert.equal(ladder.index, 1);
  ladder.failed(false);
  assert.equal(ladder.index, 2);
});
