// Requests that are lost, refused or repeated: each command is carried out once, in order.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "../../static/turntable.js";
import { sayGoodbye } from "../../static/turntable/goodbye.js";
import { SentLog } from "../../static/turntable/sent_log.js";
import { Uplink } from "../../static/turntable/uplink.js";
import { ownCloseCode, takeBatch } from "../../static/turntable/transports/transport.js";
import { fake } from "./fake_server.mjs";
import { WebSocket } from "./harness.mjs";

function client(t, server, options = {}) {
  const tt = connect(server.url, { user: "1:1", WebSocket, EventSource: null, reconnect: { min_ms: 1, max_ms: 5 }, ...options });
  t.after(() => tt.close());
  return tt;
}

/** The values that were published, as the server carried them out. */
const published = (session) => session.commands.filter(({ command }) => command === "publish").map(({ data }) => data.data);
const numbers = (count) => Array.from({ length: count }, (_, index) => index + 1);

/** Publishes 1 to `count`, a few per turn. */
async function publish(tt, count) {
  const answers = [];
  for (const number of numbers(count)) {
    answers.push(tt.request("publish", { channel: "chat", data: number }));
    if (number % 3 === 0) await sleep(1);
  }
  return Promise.all(answers);
}

for (const transport of ["tunnel", "longpoll"]) {
  for (const fault of ["lose", "loseAnswer"]) {
    test(`${transport}: requests of which ${fault === "lose" ? "the request" : "the answer"} is lost are repeated in order`, async (t) => {
      const server = await fake(t, { transports: ["tunnel"] });
      const tt = client(t, server, { transports: [transport] });
      await tt.ready;
      const states = [];
      tt.on("state", ({ state }) => states.push(state));
      let seen = 0;
      server[fault] = (_url, body) => body.includes('"publish"') && (seen += 1) % 2 === 1;
      await publish(tt, 30);
      assert.deepEqual(published(server.session), numbers(30));
      assert.deepEqual(states, []);
    });
  }

  test(`${transport}: a request that is lost again and again ends the connection; the next one repeats it`, async (t) => {
    const server = await fake(t, { transports: ["tunnel"] });
    const tt = client(t, server, { transports: [transport] });
    await tt.ready;
    let lost = 0;
    server.loseAnswer = (_url, body) => body.includes('"publish"') && (lost += 1) <= 7;
    const resumed = tt.once("resumed");
    await publish(tt, 9);
    await resumed;
    assert.deepEqual(published(server.session), numbers(9));
  });

  test(`${transport}: a request over a limit of bytes or rates is split or waits`, async (t) => {
    const server = await fake(t, { transports: ["tunnel"] });
    const tt = client(t, server, { transports: [transport] });
    await tt.ready;
    let limited = 0;
    server.refuse = (_url, body) => {
      const count = body.split('"publish"').length - 1;
      if (count > 2 || body.includes("x".repeat(50))) return { status: 413, code: "too_large" };
      return count > 0 && (limited += 1) % 3 === 0 ? { status: 429, code: "rate_limited", details: { retry_ms: 5 } } : undefined;
    };
    const answers = numbers(12).map((number) => tt.request("publish", { channel: "chat", data: number }));
    const large = tt.request("publish", { channel: "chat", data: "x".repeat(50) });
    const last = tt.request("publish", { channel: "chat", data: 13 });
    await assert.rejects(large, (error) => error.code === "too_large");
    await Promise.all([...answers, last]);
    assert.deepEqual(published(server.session), numbers(13));
  });
}

for (const transport of ["tunnel", "longpoll", "poll"]) {
  test(`websocket, then ${transport}: a frame that arrived unconfirmed, and that no request can repeat, is not refused`, async (t) => {
    const server = await fake(t, { transports: ["websocket", "tunnel", "poll"] });
    const tt = client(t, server, { transports: ["websocket", transport] });
    await tt.ready;
    const room = await tt.join("r");
    const refused = [];
    room.on("refused", ({ error, data }) => refused.push([error.code, String(data).slice(0, 3)]));
    const session = server.session;
    const taken = () => session.commands.flatMap(({ command, data }) => (command === "game" ? [data.actions[0].data.slice(0, 3)] : []));
    const settled = async (count) => {
      for (let tries = 0; taken().length < count && tries < 300; tries += 1) await sleep(5);
    };
    room.act("one");
    room.act("big".padEnd(200, "x"));
    room.act("two");
    await settled(3);
    server.transports.delete("websocket");
    server.refuse = (_url, body) => (body.includes("x".repeat(150)) ? TOO_LARGE : undefined);
    const resumed = tt.once("resumed");
    server.cutSockets();
    await resumed;
    for (const data of ["aft", "er2"]) room.act(data);
    // This one never arrived.
    room.act("BIG".padEnd(200, "x"));
    room.act("end");
    await settled(6);
    await tt.request("lookup", []);
    assert.deepEqual(taken(), ["one", "big", "two", "aft", "er2", "end"]);
    assert.deepEqual(refused, [["too_large", "BIG"]]);
  });
}

for (const transport of ["tunnel", "longpoll", "poll"]) {
  test(`${transport}: what a burst of requests has is within the rate of bytes`, async (t) => {
    const server = await fake(t);
    server.limits = { rates: { bytes: { per_second: 1000, burst: 20_000 } } };
    const tt = client(t, server, { transports: [transport] });
    await tt.ready;
    let bytes = 0;
    server.refuse = (url, body) => void (bytes += utf8(body));
    for (const number of numbers(400)) void tt.request("publish", { channel: "chat", data: `${number}é字` }).catch(() => {});
    await sleep(300);
    assert.ok(bytes > 8000 && bytes < 20_000, `${bytes} bytes`);
  });
}

test("tunnel: a page that continues the session of an earlier one asks for the count, and nothing is skipped", async (t) => {
  const server = await fake(t, { transports: ["tunnel"] });
  const items = new Map();
  const storage = { getItem: (key) => items.get(key) ?? null, setItem: (key, value) => items.set(key, value), removeItem: (key) => items.delete(key) };
  const options = { transports: ["tunnel"], persist: true, storage, locks: null };
  const first = client(t, server, options);
  await first.ready;
  await publish(first, 3);
  const { session } = first;
  await sleep(250);
  for (const [key, value] of items) items.set(key, JSON.stringify({ ...JSON.parse(value), owner: undefined }));
  const second = client(t, server, { ...options, locks: undefined });
  await second.ready;
  assert.equal(second.session, session);
  const answers = ["a", "b"].map((data) => second.request("publish", { channel: "chat", data }));
  await Promise.all(answers);
  assert.deepEqual(published(server.sessions.get(session)), [1, 2, 3, "a", "b"]);
});

test("poll: a call that is queued while another's answer is lost twice is sent once", async (t) => {
  const server = await fake(t);
  const tt = client(t, server, { transports: ["poll"], timeout_ms: 5000 });
  await tt.ready;
  let lost = 0;
  server.lose = (_url, body) => body.includes('"first"') && (lost += 1) <= 2;
  const first = tt.request("publish", { channel: "chat", data: "first" });
  await sleep(1);
  const queued = ["second", "third"].map((data) => tt.request("publish", { channel: "chat", data }));
  await Promise.all([first, ...queued]);
  assert.deepEqual(published(server.session), ["first", "second", "third"]);
});

test("a poll whose answer is lost, then another transport: the poll is not repeated, its calls are", async (t) => {
  const server = await fake(t);
  const tt = client(t, server, { transports: ["poll", "tunnel"] });
  await tt.ready;
  server.lose = ({ pathname }, body) => pathname === "/poll" && body.includes("publish");
  const answers = [tt.request("publish", { channel: "chat", data: 1 }), tt.request("publish", { channel: "chat", data: 2 })];
  await sleep(1);
  server.transports.delete("poll");
  answers.push(tt.request("publish", { channel: "chat", data: 3 }));
  await Promise.all(answers);
  assert.equal(tt.transport, "tunnel");
  assert.deepEqual(published(server.session), [1, 2, 3]);
});

for (const transports of [["websocket"], ["tunnel"], ["longpoll"], ["poll"]]) {
  test(`${transports[0]}: closing without a connection says goodbye by a request, repeated until it is answered`, async (t) => {
    const server = await fake(t);
    const tt = client(t, server, { transports, reconnect: { min_ms: 60_000, max_ms: 60_000 } });
    await tt.ready;
    const { session } = server;
    const offline = tt.once("state");
    let byes = 0;
    server.lose = (_url, body) => !body.includes('"bye"') || (byes += 1) <= 2;
    if (session.connection?.cut) session.connection.cut();
    else tt.send("lookup", []);
    await offline;
    tt.close();
    for (let tries = 0; server.sessions.size > 0 && tries < 200; tries += 1) await sleep(5);
    assert.equal(server.sessions.size, 0);
    assert.equal(byes, 3);
  });
}

for (const transports of [["tunnel"], ["longpoll"]]) {
  test(`${transports[0]}: close sends what is pending and bye in one request, once, although answers are lost`, async (t) => {
    const server = await fake(t);
    const tt = client(t, server, { transports });
    await tt.ready;
    const { session } = server;
    let lost = 0;
    server.loseAnswer = (_url, body) => body.includes('"publish"') && (lost += 1) <= 2;
    void tt.request("publish", { channel: "chat", data: 1 }).catch(() => {});
    await sleep(2);
    void tt.request("publish", { channel: "chat", data: 2 }).catch(() => {});
    tt.close();
    for (let tries = 0; server.sessions.size > 0 && tries < 200; tries += 1) await sleep(5);
    assert.equal(server.sessions.size, 0);
    assert.deepEqual(published(session), [1, 2]);
    assert.equal(session.commands.at(-1).command, "bye");
  });
}

/** The bytes of a text, of which a server with a small `server.max_message_bytes` takes few. */
const utf8 = (text) => Buffer.byteLength(text);
const SMALL_BYTES = 8192;
const TOO_LARGE = { status: 413, code: "too_large" };

for (const transport of ["tunnel", "longpoll", "poll"]) {
  test(`${transport}: close sends all that is pending and bye where requests are small and text is not ASCII`, async (t) => {
    const server = await fake(t);
    const statuses = [];
    const counted = async (url, options) => {
      const response = await fetch(url, options);
      statuses.push(response.status);
      return response;
    };
    const tt = client(t, server, { transports: [transport], fetch: counted });
    await tt.ready;
    const { session } = server;
    server.refuse = (_url, body) => (utf8(body) > SMALL_BYTES ? TOO_LARGE : undefined);
    // One is too large alone: it never arrives.
    const data = numbers(60).map((number) => `${number}${"字".repeat(number === 40 ? 3000 : 200)}`);
    for (const one of data.slice(0, 30)) void tt.request("publish", { channel: "chat", data: one }).catch(() => {});
    await sleep(0);
    for (const one of data.slice(30)) void tt.request("publish", { channel: "chat", data: one }).catch(() => {});
    tt.close();
    for (let tries = 0; server.sessions.size > 0 && tries < 400; tries += 1) await sleep(5);
    assert.equal(server.sessions.size, 0);
    assert.deepEqual(published(session), data.filter((_, index) => index !== 39));
    // The numbers of those behind it are right.
    assert.equal(statuses.filter((status) => status === 409).length, 0);
    assert.equal(session.commands.at(-1).command, "bye");
  });
}

test("a goodbye has all that is not confirmed, in requests that are small enough", async () => {
  const texts = numbers(60).map((number) => JSON.stringify({ command: "publish", data: `${number}${"字".repeat(number === 20 ? 3000 : 200)}` }));
  const open = texts.map((text, index) => ({ text, number: index + 1, blank: false, numbered: () => true }));
  const taken = [];
  let requests = 0;
  const fetch = async (url, { body }) => {
    requests += 1;
    if (utf8(body) > SMALL_BYTES) return new Response('{"error":{"code":"too_large","message":""}}', { status: 413 });
    const datagrams = JSON.parse(body);
    const n = new URL(url).searchParams.get("n");
    if (n !== null) assert.equal(Number(n), taken.length + 1);
    taken.push(...datagrams.map(({ path, data }) => (path === "/server" ? JSON.stringify(data) : "blank")));
    return new Response("[]");
  };
  const environment = { setTimeout, clearTimeout };
  assert.equal(await sayGoodbye({ url: "http://game.test/", environment, fetch }, "secret", open), true);
  assert.deepEqual(taken, [...texts.map((text, index) => (index === 19 ? "blank" : text)), '{"command":"bye","data":{}}']);
  // Those behind the one that is too large go together again.
  assert.ok(requests < 24, `${requests} requests`);
});

/** Refuses requests of more messages than the server takes. */
const fewer = (refusals) => (_url, body) => {
  if (JSON.parse(body).length <= 7) return undefined;
  refusals.push(body);
  return { status: 429, code: "too_many", details: { max: 7 } };
};

for (const transport of ["tunnel", "longpoll", "poll"]) {
  test(`${transport}: requests have as many messages as the server takes, also at a close`, async (t) => {
    const server = await fake(t);
    const tt = client(t, server, { transports: [transport] });
    await tt.ready;
    const { session } = server;
    const states = [];
    tt.on("state", ({ state }) => states.push(state));
    const refusals = [];
    server.refuse = fewer(refusals);
    const calls = numbers(60).map((number) => tt.request("publish", { channel: "chat", data: number }));
    await Promise.all(calls);
    assert.deepEqual([published(session), refusals.length, states], [numbers(60), 1, []]);
    const ended = new Promise((resolve) => (server.ended = resolve));
    for (const number of numbers(20)) tt.send("publish", { channel: "chat", data: 60 + number });
    tt.close();
    await ended;
    assert.deepEqual(published(session), numbers(80));
    assert.equal(session.commands.at(-1).command, "bye");
  });

  test(`${transport}: the first that a server which takes few messages gets is the close`, async (t) => {
    const server = await fake(t);
    const tt = client(t, server, { transports: [transport] });
    await tt.ready;
    const { session } = server;
    const refusals = [];
    server.refuse = fewer(refusals);
    const ended = new Promise((resolve) => (server.ended = resolve));
    for (const number of numbers(60)) tt.send("publish", { channel: "chat", data: number });
    tt.close();
    await ended;
    assert.deepEqual([published(session), refusals.length], [numbers(60), 1]);
    assert.equal(session.commands.at(-1).command, "bye");
  });
}

test("a goodbye has as many messages as the server takes", async (t) => {
  const environment = { setTimeout, clearTimeout };
  const server = await fake(t);
  const tt = client(t, server, { transports: ["tunnel"] });
  await tt.ready;
  const { session } = server;
  server.refuse = fewer([]);
  const open = numbers(14).map((number) => ({ text: JSON.stringify({ command: "publish", data: { channel: "chat", data: number } }), number, blank: false, numbered: () => true }));
  assert.equal(await sayGoodbye({ url: server.url, environment, fetch }, tt.session, open), true);
  assert.deepEqual(published(session), numbers(14));
  assert.equal(session.commands.at(-1).command, "bye");
});

test("tunnel: a message that is small enough arrives, however few of a request are", async (t) => {
  const server = await fake(t);
  const tt = client(t, server, { transports: ["tunnel"] });
  await tt.ready;
  const { session } = server;
  const states = [];
  tt.on("state", ({ state }) => states.push(state));
  server.refuse = (_url, body) => (JSON.parse(body).length > 1 ? TOO_LARGE : undefined);
  await Promise.all(numbers(64).map((number) => tt.request("publish", { channel: "chat", data: number })));
  assert.deepEqual([published(session), states], [numbers(64), []]);
});

test("a goodbye outlasts the page of a gateway, and so do the commands before it", async () => {
  const page = (status) => new Response("<h1>gateway</h1>", { status });
  const environment = { setTimeout: (fn) => void setTimeout(fn, 0), clearTimeout: () => {} };
  const open = [1, 2].map((number) => ({ text: JSON.stringify({ command: "publish", data: number }), number, blank: false, numbered: () => true }));
  for (const status of [403, 404, 502]) {
    const taken = [];
    let requests = 0;
    const fetch = async (url, { body }) => {
      requests += 1;
      if (requests < 5) return page(status);
      taken.push(...JSON.parse(body).map(({ data }) => data.data));
      return new Response("[]");
    };
    assert.equal(await sayGoodbye({ url: "http://game.test/", environment, fetch }, "secret", open), true);
    assert.deepEqual(taken, [1, 2, {}], `status ${status}`);
  }
  // One that permits no tunnels.
  const polls = [];
  const fetch = async (url, { body }) => {
    if (!new URL(url).pathname.endsWith("/poll")) return page(404);
    polls.push(JSON.parse(body));
    return new Response("[]");
  };
  assert.equal(await sayGoodbye({ url: "http://game.test/", environment, fetch }, "secret", open), true);
  assert.deepEqual(polls, [[{ f: "$av:bye" }]]);
});

/** As browsers do: a request that outlives its page has at most 64 KiB. The server takes no larger one either. */
function limited(server, lost) {
  return async (url, options = {}) => {
    const bytes = new TextEncoder().encode(options.body ?? "").length;
    if (bytes > 65_536) {
      if (options.keepalive) throw new TypeError("the request is too large for keepalive");
      return new Response('{"error":{"code":"too_large","message":""}}', { status: 413 });
    }
    if (options.method === "POST" && lost()) throw new TypeError("lost");
    return fetch(url, options);
  };
}

const LARGE = ["a", "b", "c", "d", "e"].map((letter) => "\u00e9".repeat(12_000) + letter);

for (const transport of ["tunnel", "longpoll", "poll"]) {
  test(`${transport}: what is pending at a close and is more than a request may have is sent in several, bye in the last`, async (t) => {
    const server = await fake(t);
    let posts = 0;
    // Some requests are lost, and repeated.
    const tt = client(t, server, { transports: [transport], fetch: limited(server, () => (posts += 1) % 3 === 0) });
    await tt.ready;
    const { session } = server;
    const ended = new Promise((resolve) => (server.ended = resolve));
    for (const data of LARGE) tt.send("publish", { channel: "chat", data });
    tt.close();
    await ended;
    assert.deepEqual(published(session), LARGE);
    assert.equal(session.commands.at(-1).command, "bye");
  });
}

test("a WebSocket that is cut at its close sends what is more than a request may have in several, bye in the last", async (t) => {
  const server = await fake(t);
  class Cut extends WebSocket {
    send(text) {
      if (String(text).includes('"bye"')) this.terminate();
      else if (!String(text).includes('"publish"')) super.send(text);
    }
  }
  const tt = client(t, server, { transports: ["websocket"], WebSocket: Cut, fetch: limited(server, () => false) });
  await tt.ready;
  const { session } = server;
  const ended = new Promise((resolve) => (server.ended = resolve));
  for (const data of LARGE) tt.send("publish", { channel: "chat", data });
  tt.close();
  await ended;
  assert.deepEqual(published(session), LARGE);
  assert.equal(session.commands.at(-1).command, "bye");
});

test("tunnel: a late request of the lost connection takes the session over only for a moment", async (t) => {
  const server = await fake(t);
  const tt = client(t, server, { transports: ["tunnel"] });
  await tt.ready;
  const { session } = tt;
  let resumed = tt.once("resumed");
  server.session.connection.cut();
  await resumed;
  resumed = tt.once("resumed");
  const late = await fetch(`${server.url}/tunnel?id=${session}&format=sse&received=0`);
  await late.body.cancel();
  await resumed;
  assert.deepEqual(await tt.request("lookup", []), { echo: [] });
  assert.deepEqual([tt.session, tt.state], [session, "online"]);
});

test("another client that takes the session over is not fought", () => {
  const env = { now: 0, local: () => env.now };
  assert.equal(ownCloseCode(env, 4002), 4002);
  assert.equal(ownCloseCode(env, 1006), 1006);
  env.now = 100;
  assert.deepEqual([ownCloseCode(env, 4002), ownCloseCode(env, 4002)], [1006, 4002]);
  ownCloseCode(env, 1006);
  env.now = 5000;
  assert.equal(ownCloseCode(env, 4002), 4002);
});

test("a goodbye outlives its page, except one that is too large for that", async () => {
  for (const [data, keepalive] of [["small", true], ["x".repeat(60_000), false]]) {
    const requests = [];
    const fetch = async (url, options) => {
      requests.push(options);
      return new Response("[]");
    };
    const open = [{ text: JSON.stringify({ command: "publish", data }), number: 1, blank: false, numbered: () => true }];
    const environment = { setTimeout, clearTimeout };
    assert.equal(await sayGoodbye({ url: "http://game.test/", environment, fetch }, "secret", open), true);
    assert.deepEqual(requests.map(({ keepalive }) => keepalive), [keepalive]);
  }
});

test("a WebSocket that is cut at its close says goodbye by a request", async (t) => {
  const server = await fake(t);
  class Cut extends WebSocket {
    send(text) {
      if (String(text).includes('"bye"')) this.terminate();
      else super.send(text);
    }
  }
  const tt = client(t, server, { transports: ["websocket"], WebSocket: Cut });
  await tt.ready;
  tt.close();
  for (let tries = 0; server.sessions.size > 0 && tries < 200; tries += 1) await sleep(5);
  assert.equal(server.sessions.size, 0);
});

test("the log of sent commands counts, confirms, renumbers and repeats", () => {
  const log = new SentLog();
  const add = (text, repeatable = false) => log.add("publish", text, undefined, repeatable);
  const texts = () => log.open.map(({ number, text }) => `${number}${text}`);
  assert.equal(log.add("time", "", undefined, false), undefined);
  const [, b] = ["a", "b", "c", "d"].map((text) => add(text));
  log.taken(1);
  assert.deepEqual(texts(), ["2b", "3c", "4d"]);
  log.discard([b]);
  assert.deepEqual([texts(), log.count], [["2c", "3d"], 3]);
  log.accepted(2);
  assert.deepEqual([texts(), add("e").number], [["3d"], 4]);
  assert.deepEqual(log.reset(false).map(({ text }) => text), ["d", "e"]);
  const f = add("f");
  assert.equal(f.numbered(), false);
  log.accepted(40);
  assert.deepEqual([f.numbered(), texts()], [true, ["41f"]]);
  add("g", true);
  log.keepRepeatable();
  assert.deepEqual(log.open.map(({ text }) => text), ["g"]);
});

test("an error without an id confirms none of the commands that have none", () => {
  const log = new SentLog();
  for (const text of ["a", "b"]) log.add("reply", text, undefined, false);
  log.answered(undefined);
  assert.deepEqual(log.open.map(({ text }) => text), ["a", "b"]);
});

test("a clock exchange confirms what was sent before it, also when some of that was discarded", () => {
  const uplink = new Uplink({ write: () => {} }, () => {}, () => 0);
  const write = (text) => uplink.write({ command: "publish", data: {}, text, id: undefined });
  const texts = () => uplink.log.open.map(({ number, text }) => `${number}${text}`);
  for (const text of ["a", "b", "c"]) write(text);
  uplink.write({ command: "time", data: { t0: 1 }, text: "", id: undefined });
  write("d");
  uplink.write({ command: "time", data: { t0: 2 }, text: "", id: undefined });
  const [, b, c] = uplink.log.open;
  uplink.discard([b, undefined, c]);
  assert.deepEqual(texts(), ["1a", "2d"]);
  for (const text of ["e", "f"]) write(text);
  uplink.exchanged(1);
  assert.deepEqual(texts(), ["2d", "3e", "4f"]);
  uplink.exchanged(2);
  assert.deepEqual(texts(), ["3e", "4f"]);
  // What the server counts is what it has taken: the number continues from there.
  uplink.resumed(3, false);
  assert.deepEqual([texts(), uplink.log.count], [["4f"], 4]);
});

for (const transport of ["tunnel", "longpoll"]) {
  test(`${transport}: commands behind those that the server or a gateway refused have the right numbers`, async (t) => {
    const server = await fake(t, { transports: ["tunnel"] });
    const tt = client(t, server, { transports: [transport] });
    await tt.ready;
    const { session } = server;
    const answers = [];
    const errors = [];
    tt.on("error", ({ code }) => errors.push(code));
    const send = (data) => answers.push(tt.request("publish", { channel: "chat", data }).then(() => data, ({ code }) => code));
    /** A gateway that refuses what it has passed on before: the first answer was lost. */
    let passed = 0;
    const refusing = (body) => body.includes('"taken"') && passed > 0;
    server.loseAnswer = (_url, body) => body.includes('"taken"') && (passed += 1) > 0;
    server.refuse = (_url, body) => {
      if (body.includes('"refused"')) return { status: 400, code: "bad_message" };
      return refusing(body) ? { status: 413, foreign: true } : undefined;
    };
    for (const data of [1, "refused", 2, "taken", 3, "refused", 4]) {
      if (data === "taken") {
        // The server says that it has it, so nothing is reported.
        tt.send("publish", { channel: "chat", data });
      } else send(data);
      await answers.at(-1);
    }
    await Promise.all(answers);
    session.connection?.cut();
    for (const data of [5, 6]) send(data);
    assert.deepEqual(await Promise.all(answers), [1, "bad_message", 2, 3, "bad_message", 4, 5, 6]);
    assert.deepEqual(published(session), [1, 2, "taken", 3, 4, 5, 6]);
    assert.deepEqual(errors, []);
  });
}

test("the log counts what its connection has of the commands, whatever becomes of them", () => {
  const log = new SentLog();
  let seed = 7;
  const random = (below) => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed % below;
  };
  const any = () => log.open[random(log.open.length)];
  const steps = [
    () => log.add("publish", "x".repeat(random(50)), log.count, random(2) === 0),
    () => log.add("game", "{}", undefined, false, { data: { channel: "C", actions: [{ data: random(9) }, { data: "" }] } }),
    () => any() && log.write(any(), log.count),
    () => random(2) === 0 && log.seen("C", random(9)),
    () => log.taken((any()?.number ?? 1) - random(2)),
    () => log.answered(any()?.id),
    () => log.discard([any()]),
    () => any() && log.blank([any()]),
    () => random(9) === 0 && log.unwrite(),
    () => random(9) === 0 && log.accepted(log.count - random(3)),
    () => random(30) === 0 && log.keepRepeatable(),
    () => random(30) === 0 && log.reset(true),
  ];
  let most = 0;
  let waited = 0;
  for (let step = 0; step < 5000; step += 1) {
    steps[random(2) === 0 ? random(3) : random(steps.length)]();
    const { commands, cost } = log.load;
    const written = log.open.filter((entry) => entry.written);
    const total = (name) => written.reduce((sum, entry) => sum + (entry.cost.get(name) ?? 0), 0);
    assert.equal(commands, written.length);
    for (const name of ["bytes", "publish", "game"]) assert.equal(cost.get(name) ?? 0, total(name), `${name}, step ${step}`);
    most = Math.max(most, commands);
    const next = log.open[log.open.findLastIndex(({ seen }) => seen) + 1];
    assert.equal(log.waiting_since, next?.written ? next.written_at : undefined, `step ${step}`);
    if (next?.written && next !== log.open[0]) waited += 1;
  }
  assert.ok(most > 5 && waited > 50, `${most}, ${waited}`);
});

test("the log knows the oldest command without a sign, however many wait", () => {
  const log = new SentLog();
  let looked = 0;
  for (let number = 1; number <= 1000; number += 1) {
    const entry = log.add("game", "{}", number, false, { data: { channel: "C", actions: [{ data: number }] } });
    log.write(entry, number);
    if (number === 2) log.seen("C", 2);
    let seen = entry.seen;
    Object.defineProperty(entry, "seen", { get: () => (looked += 1) && seen, set: (value) => (seen = value) });
  }
  looked = 0;
  assert.equal(log.waiting_since, 3);
  assert.ok(looked <= 1, `looked at ${looked}`);
});

test("a request has a limited number of messages and bytes, whatever their characters", () => {
  const queue = (text, count) => Array.from({ length: count }, () => ({ text, entry: undefined }));
  assert.equal(takeBatch(queue("x", 500)).length, 100);
  assert.equal(takeBatch(queue("x".repeat(10_000), 9)).length, 3);
  assert.equal(takeBatch(queue("€".repeat(12_000), 9)).length, 1);
  assert.equal(takeBatch(queue("€".repeat(1_000), 100)).length, 10);
});

for (const lost of ["answer", "request"]) {
  test(`poll: an identification whose ${lost} is lost is repeated, and begins one session`, async (t) => {
    const server = await fake(t, { transports: ["poll"] });
    let count = 0;
    const identifies = (_url, body) => body.includes("$av:idme") && (count += 1) === 1;
    if (lost === "answer") server.lose = identifies;
    else server.loseRequest = identifies;
    const tt = connect(server.url, { user: "1:1", transports: ["poll"] });
    t.after(() => tt.close());
    const states = [];
    tt.on("state", ({ state }) => states.push(state));
    await tt.ready;
    assert.deepEqual([states, [...server.sessions.values()].map(({ user }) => user)], [["online"], ["1:1"]]);
  });
}

test("poll: an identification that arrives twice begins one session", async (t) => {
  const server = await fake(t, { transports: ["poll"] });
  // A browser sends a request again whose connection it had used before and is reset.
  const twice = async (url, options) => {
    await (await fetch(url, options)).text();
    return fetch(url, options);
  };
  const tt = connect(server.url, { user: "1:1", transports: ["poll"], fetch: twice });
  t.after(() => tt.close());
  await tt.ready;
  assert.deepEqual([...server.sessions.values()].flatMap(({ user }) => user ?? []), ["1:1"]);
  assert.deepEqual(await tt.request("lookup", ["1:2"]), { echo: ["1:2"] });
});

for (const transport of ["tunnel", "longpoll"]) {
  test(`${transport}: an identification whose answer is lost is repeated, and begins one session`, async (t) => {
    const server = await fake(t, { transports: ["tunnel"] });
    let count = 0;
    server.loseAnswer = (_url, body) => body.includes('"idme"') && (count += 1) === 1;
    const tt = connect(server.url, { user: "1:1", transports: [transport], EventSource: null });
    t.after(() => tt.close());
    const states = [];
    tt.on("state", ({ state }) => states.push(state));
    await tt.request("lookup", ["1:2"]);
    while (count < 2) await tt.request("lookup", ["1:2"]);
    assert.deepEqual([states, [...server.sessions.values()].map(({ user }) => user)], [["online"], ["1:1"]]);
  });
}

for (const transport of ["tunnel", "longpoll"]) {
  test(`${transport}: a session whose welcome is lost is ended`, async (t) => {
    const server = await fake(t, { transports: ["tunnel"] });
    let lose = () => {};
    const lost = new Promise((resolve) => {
      lose = resolve;
    });
    let streams = 0;
    const interrupted = async (url, options) => {
      const stream = options.method !== "POST" && url.includes("/tunnel?");
      if (stream) streams += 1;
      const response = await fetch(url, options);
      if (!stream && options.body?.includes('"idme"')) lose();
      // The one that brings the welcome.
      if (!stream || streams !== (transport === "tunnel" ? 1 : 2)) return response;
      if (transport === "longpoll") throw new Error("cut");
      const reader = response.body.getReader();
      const start = async (controller) => {
        for (let text = ""; !text.includes("idyou"); ) {
          const { value } = await reader.read();
          text += new TextDecoder().decode(value);
          controller.enqueue(value);
        }
        await lost;
        controller.error(new Error("cut"));
      };
      return new Response(new ReadableStream({ start }), { headers: response.headers });
    };
    const ended = new Promise((resolve) => {
      server.ended = resolve;
    });
    const tt = connect(server.url, { user: "1:1", transports: [transport], EventSource: null, fetch: interrupted, reconnect: { min_ms: 1, max_ms: 5 } });
    t.after(() => tt.close());
    await tt.ready;
    assert.equal((await ended).user, "1:1");
    assert.deepEqual([...server.sessions.values()].map(({ user }) => user), ["1:1"]);
  });
}

for (const transport of ["tunnel", "longpoll", "poll"]) {
  test(`${transport}: a refused identification begins no session that is to be ended`, async (t) => {
    const server = await fake(t, { transports: ["tunnel", "poll"] });
    let refused = 0;
    server.refuseUser = () => (refused < 2 ? { code: "unavailable", message: `not now ${(refused += 1)}` } : undefined);
    const tt = connect(server.url, { user: "1:1", transports: [transport], EventSource: null, reconnect: { min_ms: 1, max_ms: 5 } });
    t.after(() => tt.close());
    await tt.ready;
    assert.equal(refused, 2);
    await tt.request("lookup", []);
    assert.deepEqual(server.requests.filter(({ body }) => body.includes("bye")), []);
  });
}
