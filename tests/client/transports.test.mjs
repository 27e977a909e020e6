// The client over every transport, changes of the transport, and features of single transports.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { CLOSE_CODES, connect } from "../../static/turntable.js";
import { EventStream } from "../../static/turntable/transports/event_stream.js";
import { parse } from "../../static/turntable/binary.js";
import { messageOf } from "../../static/turntable/transports/datagram.js";
import { entryOf, messageOf as messageOfEntry } from "../../static/turntable/transports/entry.js";
import { messageCodec } from "../../static/turntable/transports/msgpack.js";
import { Trial } from "../../static/turntable/trial.js";
import { TransportSelection } from "../../static/turntable/transport_selection.js";
import { eventSource, fake } from "./fake_server.mjs";
import { ManualEnvironment, WebSocket } from "./harness.mjs";
import { proxy } from "./proxy.mjs";

const FAST = { reconnect: { min_ms: 1, max_ms: 5 } };

function client(t, server, options = {}) {
  const tt = connect(server.url, { user: "1:1", WebSocket, EventSource: null, ...FAST, ...options });
  tt.on("error", (error) => (tt.errors ??= []).push(error));
  t.after(() => tt.close());
  return tt;
}

/**
 * Waits until a condition holds, and fails where it does not.
 * @param {() => boolean} condition
 * @param {() => unknown} seen what a failure shows
 * @param {() => unknown} step between two looks
 */
async function until(condition, seen, step = () => sleep(2)) {
  const end = Date.now() + 30_000;
  while (!condition()) {
    assert.ok(Date.now() < end, `not within 30 s: ${condition}; last: ${JSON.stringify(seen())}`);
    await step();
  }
}

/** What a failure shows of a client. */
const seen_of = (tt) => () => [tt.state, tt.transport, tt.errors?.map(({ code }) => code)];

/** Waits until a client in manual time is online. */
async function online(tt, env, ms) {
  await until(() => tt.state === "online", seen_of(tt), async () => {
    await sleep(2);
    env.advance(ms);
  });
}

const CONFIGURATIONS = {
  "websocket v1": { transports: ["websocket"] },
  "websocket v2": { transports: ["websocket"], encoding: "v2" },
  "tunnel by fetch": { transports: ["tunnel"] },
  "tunnel by EventSource": { transports: ["tunnel"], EventSource: eventSource() },
  longpoll: { transports: ["longpoll"] },
  poll: { transports: ["poll"] },
};

for (const [name, options] of Object.entries(CONFIGURATIONS)) {
  test(`${name}: identification, answers and messages arrive in order`, async (t) => {
    const server = await fake(t);
    const tt = client(t, server, options);
    const welcome = await tt.ready;
    assert.deepEqual([welcome.user, tt.session, tt.transport, tt.state], ["1:1", server.session.secret, options.transports[0], "online"]);
    const chat = await tt.channel("chat");
    const received = chat.once("message");
    assert.deepEqual(await tt.request("lookup", ["1:2"]), { echo: ["1:2"] });
    const answers = await Promise.all([1, 2, 3].map((n) => tt.request("lookup", [n])));
    assert.deepEqual(answers.map(({ echo }) => echo[0]), [1, 2, 3]);
    await chat.publish({ text: "hello", bytes: new Uint8Array([0, 255]) });
    const { from, offset, data } = await received;
    assert.deepEqual([from, offset, data], ["1:1", 1, { text: "hello", bytes: new Uint8Array([0, 255]) }]);
    const room = await tt.join("C");
    assert.equal(room.channel, "C");
    const commands = server.session.commands.map(({ command, data }) => (command === "lookup" ? data[0] : command)).filter((command) => command !== "time");
    assert.deepEqual(commands, ["idme", "joinchannel", "1:2", 1, 2, 3, "publish", "joingame"]);
  });

  test(`${name}: close sends bye and ends the session`, async (t) => {
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

test("if WebSockets are blocked the client uses the next transport, and a new client starts with the first again", async (t) => {
  const server = await fake(t, { transports: ["tunnel", "poll"] });
  const tt = client(t, server);
  const used = [];
  tt.on("transport", ({ transport }) => used.push(transport));
  await tt.ready;
  assert.deepEqual([tt.transport, used], ["tunnel", ["tunnel"]]);
  assert.equal(server.requests.filter(({ path }) => path === "/ws").length, 2);
  const count = server.requests.length;
  const other = client(t, server);
  await other.ready;
  assert.equal(server.requests[count].path, "/ws");
});

test("a transport that the server has disabled is skipped at once, down to the poll", async (t) => {
  const server = await fake(t, { transports: ["poll"] });
  const tt = client(t, server);
  await tt.ready;
  assert.equal(tt.transport, "poll");
  assert.deepEqual(server.requests.slice(0, 5).map(({ path, query }) => path + (query.format ?? "")), ["/ws", "/ws", "/tunnelsse", "/tunnellongpoll", "/poll"]);
});

test("a WebSocket without a response is abandoned after its timeout", async (t) => {
  const server = await fake(t, { transports: ["websocket", "websocket without response", "tunnel"] });
  const env = new ManualEnvironment();
  env.chance = 0;
  const tt = client(t, server, { environment: env });
  for (let tries = 0; server.requests.length === 0 && tries < 100; tries += 1) await sleep(5);
  const started = env.now;
  await online(tt, env, 100);
  assert.equal(tt.transport, "tunnel");
  assert.ok(env.now - started <= 5000, `${env.now - started} ms`);
});

test("a session whose WebSocket is blocked is resumed by the tunnel", async (t) => {
  const server = await fake(t);
  const tt = client(t, server);
  await tt.ready;
  assert.equal(tt.transport, "websocket");
  const chat = await tt.channel("chat");
  const { session } = server;
  server.transports.delete("websocket");
  const resumed = tt.once("resumed");
  const message = chat.once("message");
  session.connection.cut();
  session.connection = null;
  session.send("message", { channel: "chat", id: "x", offset: 1, from: "1:2", time: 5, data: "meanwhile" });
  await resumed;
  assert.deepEqual([tt.transport, tt.session], ["tunnel", session.secret]);
  assert.equal((await message).data, "meanwhile");
  const attach = server.requests.find(({ path, query }) => path === "/tunnel" && query.id === session.secret);
  assert.equal(attach.query.format, "sse");
  // The server answers other requests: two failures, and two attempts without a response.
  assert.equal(server.requests.filter(({ path }) => path === "/ws").length, 2);
});

test("a session on a tunnel is upgraded to the WebSocket when it becomes available", async (t) => {
  const server = await fake(t, { transports: ["tunnel", "poll"], heartbeat_ms: 3_600_000 });
  const env = new ManualEnvironment();
  env.chance = 0;
  const sockets = [];
  class Counted extends WebSocket {
    received = 0;
    over = false;
    constructor(url, protocols) {
      super(url, protocols);
      sockets.push(this);
      this.addEventListener("message", () => (this.received += 1));
      this.addEventListener("close", () => (this.over = true));
    }
  }
  const tt = client(t, server, { environment: env, clock_interval_ms: 3_600_000, WebSocket: Counted });
  await online(tt, env, 1);
  assert.equal(tt.transport, "tunnel");
  const { session } = server;
  const resets = [];
  tt.on("reset", () => resets.push("reset"));
  const tried = sockets.length;
  const probes = () => sockets.slice(tried).map(({ received, over }) => ({ received, over }));
  // Time goes on when what is awaited has come, however long the machine takes for it.
  env.advance(10_000); // a probe that fails
  await until(() => sockets.length > tried && sockets.at(-1).over, probes);
  assert.equal(tt.state, "online");
  server.transports.add("websocket");
  const resumed = tt.once("resumed");
  env.advance(19_000);
  assert.equal(sockets.length, tried + 1);
  env.advance(1_000); // a probe that gets its answers
  await until(() => sockets.length > tried + 1 && sockets.at(-1).received >= 2, probes);
  // A probe must last before the session moves to it.
  env.advance(2_500);
  assert.equal(tt.transport, "tunnel");
  env.advance(500);
  // Then the session moves when nothing is on its way up.
  for (let looks = 0; tt.transport !== "websocket" && looks < 60; looks += 1) {
    await sleep(2);
    env.advance(50);
  }
  await resumed;
  assert.deepEqual([tt.transport, tt.session, tt.state, resets], ["websocket", session.secret, "online", []]);
  assert.deepEqual(await tt.request("lookup", ["up"]), { echo: ["up"] });
});

for (const [name, options] of Object.entries(CONFIGURATIONS)) {
  test(`${name}: an expired session is followed by a new one`, async (t) => {
    const server = await fake(t);
    const tt = client(t, server, options);
    await tt.ready;
    const { session } = server;
    server.sessions.clear();
    const reset = tt.once("reset");
    if (session.connection?.cut) session.connection.cut();
    else tt.send("lookup", []);
    await reset;
    assert.notEqual(tt.session, session.secret);
    assert.equal(tt.state, "online");
  });
}

for (const name of ["tunnel by fetch", "tunnel by EventSource", "poll"]) {
  test(`${name}: the server's close code has the same effect as on a WebSocket`, async (t) => {
    for (const [text, row] of Object.entries(CLOSE_CODES)) {
      const server = await fake(t);
      const tt = client(t, server, CONFIGURATIONS[name]);
      await tt.ready;
      const { session } = server;
      const how = [];
      for (const event of ["resumed", "reset"]) tt.on(event, () => how.push(event));
      const down = new Promise((resolve) => tt.on("state", (change) => change.reason && resolve(change)));
      if (name === "poll") {
        session.closing = Number(text);
        tt.send("lookup", []);
      } else session.connection.close(Number(text));
      const { state, code, reason } = await down;
      assert.deepEqual([state, code, reason], [row.reconnect ? "offline" : "closed", Number(text), row.name]);
      if (row.reconnect) await tt.once("welcome");
      assert.deepEqual(how, row.reconnect ? [row.resume ? "resumed" : "reset"] : [], row.name);
      assert.equal(server.sessions.size, row.reconnect && !row.resume ? 2 : 1, row.name);
      tt.close();
    }
  });
}

test("a stream that ends without a close code counts as lost", async (t) => {
  const server = await fake(t);
  const tt = client(t, server, { transports: ["tunnel"] });
  await tt.ready;
  const resumed = tt.once("resumed");
  const offline = tt.once("state");
  server.session.connection.close(null);
  assert.equal((await offline).reason, "lost");
  await resumed;
});

test("an EventSource is closed at its first error and opens no second tunnel", async (t) => {
  const server = await fake(t);
  const made = [];
  const tt = client(t, server, { transports: ["tunnel"], EventSource: eventSource(made) });
  await tt.ready;
  const resumed = tt.once("resumed");
  server.session.connection.cut();
  await resumed;
  assert.equal(made.length, 2);
  assert.equal(made[0].readyState, 2);
  const opened = server.requests.filter(({ path }) => path === "/tunnel").map(({ query }) => query.new ?? query.id);
  assert.deepEqual(opened, ["1", server.session.secret]);
});

test("messages of one turn share one request", async (t) => {
  const server = await fake(t);
  const tt = client(t, server, { transports: ["tunnel"], clock_interval_ms: 60_000 });
  await tt.ready;
  await tt.request("lookup", []);
  const before = server.requests.length;
  await Promise.all([tt.request("lookup", [1]), tt.request("lookup", [2]), tt.request("lookup", [3])]);
  const sent = server.requests.slice(before).filter(({ body }) => body.includes('"lookup"'));
  assert.equal(sent.length, 1);
  assert.deepEqual(JSON.parse(sent[0].body).map(({ tunnel, path, data }) => [tunnel, path, data.data[0]]), [1, 2, 3].map((n) => [tt.session, "/server", n]));
});

test("poll: a call whose answer is lost is executed once and answered once", async (t) => {
  const server = await fake(t);
  const tt = client(t, server, { transports: ["poll"] });
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
  // One immediate retry is invisible; after it the connection counts as lost.
  assert.deepEqual(states, ["offline", "connecting", "online"]);
});

test("poll: received messages are counted, so another transport can resume", async (t) => {
  const server = await fake(t);
  const tt = client(t, server, { transports: ["poll", "tunnel"] });
  await tt.ready;
  server.session.send("attributes", { a: 1 });
  await tt.request("lookup", []);
  server.transports.delete("poll");
  const resumed = tt.once("resumed");
  tt.send("lookup", []);
  await resumed;
  assert.equal(tt.transport, "tunnel");
  const attach = server.requests.find(({ path }) => path === "/tunnel");
  assert.deepEqual([attach.query.id, Number(attach.query.received)], [tt.session, 2]);
});

test("poll: an idle client sends no requests; a heartbeat sends one per interval and fetches waiting messages", async (t) => {
  const server = await fake(t);
  const env = new ManualEnvironment();
  const tt = client(t, server, { transports: ["poll"], environment: env, poll: { heartbeat_ms: 0 } });
  await tt.ready;
  await tt.request("lookup", []);
  const count = () => server.requests.length;
  const idle = count();
  env.advance(60_000);
  // Requests are sent in order: one of the client's own would be in front of this one.
  await tt.request("lookup", []);
  assert.equal(count(), idle + 1);
  const received = [];
  tt.attributes.on("change", ({ changes }) => received.push(changes.n));
  tt.heartbeat(1000);
  for (let n = 1; n <= 3; n += 1) {
    server.session.send("attributes", { n });
    // The intervals follow each other; one that ends while a request is under way sends none.
    await until(() => received.length >= n, () => received, async () => {
      await sleep(2);
      env.advance(20);
    });
  }
  assert.equal(count(), idle + 4);
  assert.deepEqual(server.requests.slice(idle + 1).map(({ body }) => body), ["[]", "[]", "[]"]);
  assert.deepEqual(received, [1, 2, 3]);
  tt.heartbeat(0);
  env.advance(10_000);
  await tt.request("lookup", []);
  assert.equal(count(), idle + 5);
});

test("poll: what waits behind an answer is fetched at once, without a heartbeat", async (t) => {
  const server = await fake(t);
  const tt = client(t, server, { transports: ["poll"] });
  await tt.ready;
  const received = [];
  tt.attributes.on("change", ({ changes }) => received.push(changes.n));
  server.session.waiting = 1;
  const answered = tt.request("lookup", []);
  const empty = () => server.requests.filter(({ body }) => body === "[]").length;
  await until(() => empty() >= 3, empty);
  await answered;
  server.session.send("attributes", { n: 1 });
  server.session.waiting = 0;
  await until(() => received.length >= 1, () => received);
  const count = server.requests.length;
  // At most one more without being asked: a request of the client's own would be between these.
  for (let lookups = 0; lookups < 3; lookups += 1) await tt.request("lookup", []);
  assert.ok(server.requests.length <= count + 4);
});

test("poll: actions are not awaited, and a refused action is reported to its room", async (t) => {
  const server = await fake(t);
  const tt = client(t, server, { transports: ["poll"] });
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

test("poll: provided functions are called and their results returned", async (t) => {
  const server = await fake(t);
  const tt = client(t, server, { transports: ["poll"] });
  await tt.provide("friends", { newFriend: ({ name }) => `hello ${name}` });
  server.session.send("call", { f: "friends:newFriend", args: { name: "Mel" } }, 7);
  await tt.request("lookup", []);
  await tt.request("lookup", []);
  assert.deepEqual(server.session.commands.filter(({ command }) => command === "reply"), [{ command: "reply", data: "hello Mel", id: 7 }]);
});

test("the frame event reports frames, datagrams and entries with their sizes", async (t) => {
  const server = await fake(t);
  for (const [name, options] of Object.entries(CONFIGURATIONS)) {
    const tt = client(t, server, options);
    const frames = [];
    tt.on("frame", (frame) => frames.push(frame));
    await tt.ready;
    await tt.request("lookup", ["1:2"]);
    const out = frames.find(({ direction, text }) => direction === "out" && text.includes("1:2"));
    const back = frames.find(({ direction, text }) => direction === "in" && text.includes("1:2"));
    const kind = { websocket: "frame", tunnel: "datagram", longpoll: "datagram", poll: "entry" }[options.transports[0]];
    assert.deepEqual([out.kind, back.kind], [kind, kind], name);
    assert.ok(out.bytes > 0 && back.bytes > 0);
    if (name === "websocket v2") assert.ok(out.bytes < out.text.length && out.text.startsWith("[18,"), out.text);
    tt.close();
  }
});

test("invalid options throw a TypeError", () => {
  assert.throws(() => connect("http://a", { transports: ["udp"] }), /unknown transport/);
  assert.throws(() => connect("http://a", { transports: [] }), { name: "TypeError", message: /^transports must not be empty/ });
  for (const address of ["127.0.0.1:8080", "localhost:8080", "play.example:8080/ws"]) {
    assert.throws(() => connect(address), { name: "TypeError", message: new RegExp(`^http:// or ws:// is missing: ${address}`) });
  }
  assert.throws(() => connect("play"), { name: "TypeError", message: /^not a URL: play \(/ });
  assert.throws(() => connect(), { name: "TypeError", message: /address is missing/ });
  assert.throws(() => connect("http://a", { encoding: "v3" }), /unknown encoding/);
  assert.throws(() => connect("http://a", { transports: ["websocket"], WebSocket: undefined }), /no supported transport/);
  for (const heartbeat_ms of ["x", -1, NaN]) {
    const wrong = { name: "TypeError", message: /^the interval of polls must be a number/ };
    assert.throws(() => connect("http://a", { poll: { heartbeat_ms } }), wrong);
  }
});

test("an interval of polls that is none throws, and unknown options are warned of", async (t) => {
  const server = await fake(t);
  const { mock } = t.mock.method(console, "warn", () => {});
  const tt = client(t, server, { reconect: false, poll: {} });
  assert.throws(() => tt.heartbeat("x"), { name: "TypeError", message: /not x$/ });
  tt.heartbeat(0);
  assert.equal(mock.callCount(), 1);
  assert.match(mock.calls[0].arguments[0], /unknown options: reconect \(known: user, /);
});

test("times that are none throw, and timers that a platform has not are its longest ones", async (t) => {
  const { setTimeout: given } = globalThis;
  const longest = 2 ** 31 - 1;
  for (const ms of ["1", NaN, -1, 0, null]) {
    for (const name of ["timeout_ms", "clock_interval_ms"]) assert.throws(() => connect("http://a", { [name]: ms }), { name: "TypeError", message: new RegExp(`^${name} must be`) });
  }
  const server = await fake(t, { transports: ["poll"] });
  const tt = client(t, server, { transports: ["poll"], timeout_ms: Infinity });
  const room = await tt.join("C");
  for (const expires_ms of ["1", NaN, -1]) assert.throws(() => room.act(1, { expires_ms }), TypeError);
  const set = [];
  t.mock.method(globalThis, "setTimeout", (fn, ms) => (set.push(ms), given(fn, ms)));
  tt.heartbeat(2 ** 32);
  server.lose = () => true;
  room.act(1, { expires_ms: 3e9 });
  await tt.once("state");
  room.act(2, { expires_ms: 3e9 });
  assert.ok(set.includes(longest) && set.every((ms) => ms <= longest), String(set));
});

test("what is no listener, no user and no address of requests throws", (t) => {
  const tt = connect("http://127.0.0.1:1", { user: "1:1", WebSocket, reconnect: false });
  t.after(() => tt.close());
  tt.ready.catch(() => {});
  for (const listener of [5, undefined, {}]) assert.throws(() => tt.on("message", listener), { name: "TypeError", message: /^the listener of message must be a function/ });
  assert.throws(() => connect("http://a", { user: () => "1:1" }), { name: "TypeError", message: /^user must be a string, not function/ });
  assert.throws(() => connect("http://user:secret@a"), { name: "TypeError", message: /user and a password/ });
});

for (const [name, options] of Object.entries(CONFIGURATIONS)) {
  test(`${name}: channel messages have sender, offset and time, arrive once, and a loss is reported as a gap`, async (t) => {
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
    // The session is lost: the channel sends its last offset when it joins again.
    const { session } = server;
    server.sessions.clear();
    server.missing = 4;
    const gap = chat.once("gap");
    if (session.connection?.cut) session.connection.cut();
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

test("an event stream is parsed for every split of its bytes", () => {
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

test("version 2: numbers in digits are numbers, and look-alikes stay what they are", async () => {
  const { decode } = await messageCodec();
  const text = (value) => [0xa0 + value.length, ...Buffer.from(value)];
  const number = (digits) => [0x81, ...text("$num"), ...text(digits)];
  const data = (...bytes) => decode(Uint8Array.of(0x92, 72, ...bytes).buffer).data;
  assert.equal(data(...number("18446744073709551616")), 18446744073709551616);
  assert.deepEqual(data(0x92, ...number("0.10000000000000001"), ...text("$num")), [0.1, "$num"]);
  assert.deepEqual(data(0x81, ...text("a"), ...number("-1e30")), { a: -1e30 });
  assert.deepEqual(data(...number("many")), { $num: "many" });
  assert.deepEqual(data(0xd5, 1, 0x31, 0x32), { $ext: [1, "MTI="] });
});

test("bytes are recognised whatever the escapes of their key", () => {
  for (const key of ["$bin", "\\u0024bin", "$b\\u0069n"]) {
    assert.deepEqual(parse(`{"a":{"${key}":"AP8="}}`), { a: Uint8Array.of(0, 255) }, key);
  }
  assert.deepEqual(parse('{"a":"\\u0024bin"}'), { a: "$bin" });
});

test("datagrams and entries are decoded to messages", () => {
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
  assert.deepEqual(messageOfEntry({ f: "$av:setService", args: {} }, () => undefined), { command: "service", data: {} });
});

test("transport selection: two failures each, three of a proven transport, then the next in a cycle", () => {
  const selection = new TransportSelection(3);
  const steps = [];
  for (let count = 0; count < 7; count += 1) {
    selection.failed(count === 4);
    steps.push(selection.index);
  }
  assert.deepEqual(steps, [0, 1, 1, 2, 0, 0, 1]);
  selection.proved();
  selection.lasted();
  for (let count = 0; count < 2; count += 1) selection.failed(false);
  assert.equal(selection.index, 1);
  selection.failed(false);
  assert.equal(selection.index, 2);
});

test("transport selection: only a connection that lasted ends a row of failures, and after a probe one is enough", () => {
  const selection = new TransportSelection(2);
  selection.proved();
  for (const life_ms of [6000, 4000]) selection.failed(false, life_ms);
  selection.lasted();
  assert.deepEqual([selection.index, selection.life_ms(0)], [0, 0]);
  for (const life_ms of [6000, 4000, 5000]) {
    selection.proved();
    selection.failed(false, life_ms);
  }
  assert.deepEqual([selection.index, selection.life_ms(0), selection.life_ms(1)], [1, 6000, 0]);
  selection.probed(0);
  selection.proved();
  selection.failed(false, 9000);
  assert.deepEqual([selection.index, selection.life_ms(0)], [1, 9000]);
  selection.probed(0);
  selection.proved();
  selection.lasted();
  for (let count = 0; count < 2; count += 1) selection.failed(false);
  assert.equal(selection.index, 0);
});

test("transport selection: a transport rests after four cuts within ten minutes, longer each time, and not on another network", () => {
  const selection = new TransportSelection(2);
  const MINUTE = 60_000;
  /** The session returns, and its connection is cut. */
  const relapse = (now) => {
    selection.probed(0);
    selection.proved();
    selection.failed(false, 12_000, now);
    assert.equal(selection.index, 1);
  };
  const rests = (minute) => selection.rests(0, minute * MINUTE);
  for (const now of [0, 1, 2]) {
    selection.proved();
    selection.failed(false, 20_000, now);
  }
  assert.deepEqual([selection.index, rests(0)], [1, false]);
  relapse(MINUTE);
  assert.deepEqual([rests(1), rests(10.9), rests(11)], [true, true, false]);
  relapse(12 * MINUTE);
  assert.deepEqual([rests(31.9), rests(32)], [true, false]);
  for (const [at, until] of [[33, 73], [74, 134], [135, 195]]) {
    relapse(at * MINUTE);
    assert.deepEqual([rests(until - 0.1), rests(until)], [true, false]);
  }
  relapse(196 * MINUTE);
  selection.forget();
  assert.deepEqual([rests(197), selection.life_ms(0)], [false, 0]);
  // It worked for longer than it had rested; and what was never used is no cut.
  selection.use(0);
  for (const minute of [300, 301, 302]) {
    selection.proved();
    selection.failed(false, 20_000, minute * MINUTE);
  }
  relapse(303 * MINUTE);
  assert.deepEqual([rests(312), rests(313)], [true, false]);
  relapse(400 * MINUTE);
  assert.equal(rests(400), false);
  for (let count = 0; count < 6; count += 1) selection.failed(true, 0, 401 * MINUTE);
  assert.equal(rests(401), false);
});

test("a connection has proven its transport when it lasted 5 s and carried messages both ways", () => {
  for (const [ways, expected] of [["up", false], ["down", false], ["up down", true], ["down up", false], ["down up down", true]]) {
    const env = new ManualEnvironment();
    let proved = 0;
    const trial = new Trial(env, { proved: () => (proved += 1), lasted: () => {} });
    trial.welcomed(true);
    for (const way of ways.split(" ")) way === "up" ? trial.wrote() : trial.received();
    env.advance(4999);
    assert.equal(proved, 0, ways);
    env.advance(30_000);
    assert.equal(proved, expected ? 1 : 0, ways);
    trial.end();
  }
});

test("poll: a client of `connect` polls by default", async (t) => {
  const server = await fake(t);
  const env = new ManualEnvironment();
  const tt = client(t, server, { transports: ["poll"], environment: env });
  await tt.ready;
  await tt.request("lookup", []);
  const count = server.requests.length;
  // The timer runs from the answer.
  await until(() => server.requests.length > count, () => server.requests.length, async () => {
    await sleep(2);
    env.advance(4000);
  });
});

test("transport selection: after an outage the best proven transport is tried first", () => {
  const selection = new TransportSelection(3);
  selection.recover();
  assert.equal(selection.index, 0);
  selection.use(2);
  selection.recover();
  assert.equal(selection.index, 2); // nothing is proven
  selection.use(1);
  selection.proved();
  selection.use(2);
  selection.proved();
  selection.recover();
  assert.equal(selection.index, 1);
  for (let count = 0; count < 3; count += 1) selection.failed(false);
  selection.use(0);
  selection.recover();
  assert.equal(selection.index, 2); // the second one has lost its proof
});

test("longpoll: an answer about a session that has expired does not end the new one", async (t) => {
  const server = await fake(t);
  let answered = () => {};
  const late = new Promise((resolve) => (answered = resolve));
  let opened = () => {};
  const gate = new Promise((resolve) => (opened = resolve));
  let old;
  const delayed = async (url, init) => {
    if (init?.method !== "POST" || !old || !init.body.includes(old)) return fetch(url, init);
    await gate;
    // As from a server that had answered before the client lost interest.
    return fetch(url, { ...init, signal: undefined }).finally(answered);
  };
  const tt = client(t, server, { transports: ["longpoll"], fetch: delayed });
  await tt.ready;
  const states = [];
  tt.on("state", ({ state, reason }) => states.push(`${state} ${reason ?? ""}`));
  const { session } = server;
  old = session.secret;
  const reset = tt.once("reset");
  // The poll under way is cut; one that came later would be refused.
  await until(() => session.connection, seen_of(tt), () => new Promise(setImmediate));
  server.sessions.delete(old);
  session.connection.cut();
  await reset;
  opened();
  await late;
  await tt.request("lookup", []);
  assert.deepEqual(states, ["offline lost", "connecting ", "online "]);
  assert.notEqual(tt.session, old);
});

test("a session that a tunnel cannot begin begins over the poll and moves to the tunnel", async (t) => {
  for (const transports of [["tunnel", "poll"], ["longpoll", "poll"], ["tunnel", "longpoll", "poll"]]) {
    const server = await fake(t);
    server.opens = false;
    const tt = client(t, server, { user: undefined, credentials: { token: "T" }, transports });
    const moved = new Promise((resolve) => tt.on("transport", ({ transport, previous }) => previous === "poll" && resolve(transport)));
    await tt.ready;
    assert.equal(tt.transport, "poll");
    assert.equal(await moved, transports[0]);
    const { session } = server;
    assert.deepEqual(await tt.request("lookup", [1]), { echo: [1] });
    assert.deepEqual([server.sessions.size, tt.session, tt.errors], [1, session.secret, undefined]);
    tt.close();
  }
});

test("without another transport a tunnel that needs credentials is refused", async (t) => {
  const server = await fake(t);
  server.opens = false;
  const tt = client(t, server, { transports: ["tunnel"] });
  await assert.rejects(tt.ready, { code: "unauthorized" });
});

/** A client in manual time, and what the tests of short lives need. */
async function short_lives(t) {
  const server = await fake(t);
  const env = new ManualEnvironment();
  env.chance = 0;
  const tt = client(t, server, { environment: env, reconnect: {} });
  const used = [];
  tt.on("transport", ({ transport }) => used.push(transport));
  await tt.ready;
  const step = async () => {
    const online = tt.state === "online";
    if (online) await tt.request("lookup", []);
    else await sleep(2);
    env.advance(online ? 250 : 10);
  };
  const reach = (condition) => until(condition, () => [...seen_of(tt)(), used], step);
  /** The connection works for some time, and is cut. */
  const life = async (ms) => {
    await reach(() => tt.state === "online");
    for (let left = ms; left > 0; left -= 500) {
      await tt.request("lookup", []);
      env.advance(500);
    }
    const left = tt.once("state");
    server.session.socket.terminate();
    await left;
  };
  /** Time without an event. */
  const rest = async (ms) => {
    for (const end = env.now + ms; env.now < end; ) {
      await tt.request("lookup", []);
      env.advance(Math.min(2000, end - env.now));
    }
  };
  return { server, env, tt, used, reach, life, rest };
}

for (const life_ms of [4000, 6000, 12_000]) {
  test(`WebSockets that are cut after ${life_ms} ms each time are left, for long after four cuts, and used again when they last`, async (t) => {
    const { server, env, tt, used, reach, life, rest } = await short_lives(t);
    let cuts = 0;
    for (; tt.transport === "websocket"; cuts += 1) {
      await life(life_ms);
      await reach(() => tt.state === "online");
    }
    assert.deepEqual([cuts, used], [life_ms < 5000 ? 2 : 3, ["websocket", "tunnel"]]);
    const upgrades = () => server.requests.filter(({ path }) => path === "/ws").length;
    const before = upgrades();
    for (let ms = 0; ms < 60_000; ms += 500) {
      env.advance(500);
      await tt.request("lookup", []);
      if (ms % Math.min(life_ms, 6000) === 0) server.cutSockets();
    }
    assert.ok(upgrades() > before, "no probe");
    assert.deepEqual(used, ["websocket", "tunnel"]);
    await reach(() => tt.transport === "websocket" && tt.state === "online");
    // One cut is enough while none has lasted.
    for (; cuts < 4; cuts += 1) {
      await reach(() => tt.transport === "websocket" && tt.state === "online");
      await life(life_ms);
      await reach(() => tt.state === "online");
      assert.equal(tt.transport, "tunnel");
    }
    // The fourth cut within ten minutes: the WebSocket rests, and longer if that did not help.
    for (const rest_ms of [600_000, 1_200_000]) {
      const count = upgrades();
      await rest(rest_ms - 10_000);
      assert.deepEqual([upgrades() - count, tt.transport], [0, "tunnel"]);
      await reach(() => tt.transport === "websocket" && tt.state === "online");
      await life(life_ms);
      await reach(() => tt.state === "online");
    }
    assert.equal(tt.transport, "tunnel");
    await rest(2_400_000);
    await reach(() => tt.transport === "websocket" && tt.state === "online");
    for (const ms of [36_000, life_ms, life_ms]) await life(ms);
    await reach(() => tt.state === "online");
    assert.equal(tt.transport, "websocket");
  });
}

test("a server that restarts every few seconds is no reason to leave the WebSocket", async (t) => {
  const { server, env, tt, used, reach, life } = await short_lives(t);
  for (let count = 0; count < 6; count += 1) {
    await reach(() => tt.state === "online");
    const up = life(6000);
    server.away = true;
    await up;
    for (let ms = 0; ms < 2000; ms += 20) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      env.advance(20);
    }
    server.away = false;
  }
  await reach(() => tt.state === "online");
  assert.deepEqual(used, ["websocket"]);
});

for (const answers of [true, false]) {
  test(`a WebSocket that has worked gets ${answers ? "5 s for a slow response, although requests are answered" : "two attempts without a response, within 10 s"}`, async (t) => {
    const { server, env, tt, used, reach, life } = await short_lives(t);
    await life(36_000);
    const opened = [];
    server.transports.add("websocket without response");
    server.unanswered = (open) => opened.push(open);
    const from = env.now;
    await until(() => opened.length === 1, seen_of(tt), async () => {
      await sleep(2);
      env.advance(10);
    });
    // Requests are answered meanwhile: time passes slowly enough for that.
    for (let ms = 0; ms < 4500; ms += 20) {
      await sleep(1);
      env.advance(20);
    }
    assert.deepEqual([opened.length, used], [1, ["websocket"]]);
    if (answers) {
      opened[0]();
      await reach(() => tt.state === "online");
      assert.deepEqual([opened.length, used], [1, ["websocket"]]);
    } else {
      await reach(() => tt.state === "online");
      assert.deepEqual([opened.length, used], [2, ["websocket", "tunnel"]]);
      assert.ok(env.now - from <= 10_000, `${env.now - from} ms`);
    }
  });
}

test("a probe that the server ends because it does not identify counts as one that lasted", async (t) => {
  const { server, env, tt, reach, life } = await short_lives(t);
  for (let count = 0; count < 3; count += 1) await life(6000);
  await reach(() => tt.transport === "tunnel" && tt.state === "online");
  env.advance(10_000);
  const closed = new Promise((resolve) => {
    server.probed = (socket) => {
      socket.close(4001);
      resolve();
    };
  });
  await closed;
  await reach(() => tt.transport === "websocket" && tt.state === "online");
  assert.deepEqual(await tt.request("lookup", ["up"]), { echo: ["up"] });
});

for (const holds of ["all", "body"]) {
  for (const [name, source] of [["EventSource", eventSource()], ["fetch", null]]) {
    test(`a tunnel by ${name} of which ${holds} is buffered is left within 5 s, at the start and later`, async (t) => {
      const server = await fake(t, { transports: ["tunnel", "poll"] });
      const network = await proxy(t, server.url);
      const env = new ManualEnvironment();
      env.chance = 0;
      network.faults.holds = (head) => (/format=sse/.test(head) ? holds : undefined);
      const tt = client(t, { url: network.url }, { environment: env, EventSource: source, transports: ["tunnel", "longpoll", "poll"] });
      const started = env.now;
      await online(tt, env, 20);
      const first = env.now - started;
      assert.ok(tt.transport === "longpoll" && first <= 5000, `${tt.transport} after ${first} ms`);
      tt.close();
      // A tunnel that worked, and whose next stream is buffered.
      network.faults.holds = undefined;
      const other = client(t, { url: network.url }, { environment: env, EventSource: source, transports: ["tunnel", "longpoll", "poll"] });
      await other.ready;
      assert.equal(other.transport, "tunnel");
      network.faults.holds = (head) => (/format=sse/.test(head) ? holds : undefined);
      const lost = other.once("state");
      network.cut();
      await lost;
      const from = env.now;
      await online(other, env, 20);
      assert.ok(other.transport === "longpoll" && env.now - from <= 5000, `${other.transport} after ${env.now - from} ms`);
    });
  }
}
