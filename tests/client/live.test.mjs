// The client against a real server at TURNTABLE_URL.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { connect } from "../../static/turntable.js";
import { WebSocket } from "./harness.mjs";
import "./late.live.mjs";
import "./prefix.live.mjs";

const url = process.env.TURNTABLE_URL;
const skip = url ? false : "TURNTABLE_URL is not set";

/** A client with a unique user id. */
function user(t, options = {}) {
  const tt = connect(url, { user: `1:${randomUUID()}`, WebSocket, ...options });
  t.after(() => tt.close());
  return tt;
}

/** Platform interfaces whose transports the test can interrupt and block. */
function blockable() {
  const blocked = new Set();
  const open = new Set();
  const cut = (transport) => {
    blocked.add(transport);
    for (const connection of open) if (connection.transport === transport) connection.cut();
  };
  class Socket extends WebSocket {
    constructor(url, protocols) {
      if (blocked.has("websocket")) throw new Error("blocked");
      super(url, protocols);
      open.add({ transport: "websocket", cut: () => this.terminate() });
    }
  }
  const request = (url, options) => {
    const { pathname, searchParams } = new URL(url);
    const transport = pathname === "/poll" ? "poll" : searchParams.get("format") === "longpoll" ? "longpoll" : "tunnel";
    if (pathname !== "/tunnel/send" && blocked.has(transport)) return Promise.reject(new Error("blocked"));
    const abort = new AbortController();
    if (pathname !== "/tunnel/send") open.add({ transport, cut: () => abort.abort() });
    const signal = options.signal ? AbortSignal.any([options.signal, abort.signal]) : abort.signal;
    return fetch(url, { ...options, signal });
  };
  return { cut, free: () => blocked.clear(), options: { WebSocket: Socket, fetch: request, EventSource: null, reconnect: { min_ms: 1, max_ms: 10 } } };
}

/** Resolves with the first event for which `matches` is true. */
function until(emitter, event, matches) {
  return new Promise((resolve) => {
    const stop = emitter.on(event, (detail) => {
      if (!matches(detail)) return;
      stop();
      resolve(detail);
    });
  });
}

test("a subscriber receives online, busy and offline of a friend", { skip }, async (t) => {
  const [anna, ben] = [user(t), user(t)];
  await anna.ready;
  const name = ben.user;
  await ben.ready;
  assert.equal((await anna.friends.subscribe([name, "1:nobody-at-all"]))["1:nobody-at-all"], "offline");
  if (anna.friends.get(name) !== "online") await until(anna.friends, "change", ({ changes }) => changes[name] === "online");
  const busy = until(anna.friends, "change", ({ changes }) => changes[name] === "busy");
  await ben.friends.status("busy");
  await busy;
  const offline = until(anna.friends, "change", ({ changes }) => changes[name] === "offline");
  ben.close();
  await offline;
});

for (const transport of ["websocket", "tunnel", "longpoll", "poll"]) {
  test(`${transport}: what arrives together with an answer is heard by listeners that its caller adds`, { skip, timeout: 10_000 }, async (t) => {
    const [anna, ben] = [user(t), user(t, { transports: [transport], EventSource: null })];
    await Promise.all([anna.ready, ben.ready]);
    const path = `chat/${randomUUID()}`;
    const source = await anna.channel(path);
    for (const number of [0, 1, 2, 3, 4]) await source.publish(number);
    const channel = await ben.channel(path, { history: 3 });
    const heard = [];
    await until(channel, "message", ({ data }) => heard.push(data) === 3);
    assert.deepEqual(heard, [2, 3, 4]);
  });
}

test("an invited user joins the room, and both members receive the same actions", { skip }, async (t) => {
  const [anna, ben] = [user(t), user(t)];
  await Promise.all([anna.ready, ben.ready]);
  const invite = ben.once("invite");
  const channel = `live-${randomUUID()}`;
  const host = await anna.join(channel, { invite: [ben.user] });
  const { channel: invited, from, accept } = await invite;
  assert.deepEqual([invited, from], [channel, anna.user]);
  const guest = await accept();
  assert.deepEqual([...guest.members.keys()].sort(), [anna.user, ben.user].sort());
  const seen = [host, guest].map((room) => {
    const list = [];
    const all = until(room, "action", (action) => list.push(action) === 4);
    return all.then(() => list);
  });
  host.act([{ step: 1 }, { step: 2 }]);
  guest.act({ step: 3 });
  guest.act({ step: 4 });
  const [one, two] = await Promise.all(seen);
  assert.deepEqual(one, two);
  assert.ok(Math.abs(one[0].timestamp - anna.clock.now()) < 60_000);
});

test("a channel's messages reach its members, and the publisher's answer has the offset", { skip }, async (t) => {
  const [anna, ben] = [user(t), user(t)];
  const path = `live/${randomUUID()}`;
  const [hers, his] = await Promise.all([anna.channel(path), ben.channel(path)]);
  const message = his.once("message");
  const { id, offset } = await hers.publish({ text: "hello" });
  const received = await message;
  assert.deepEqual([received.id, received.offset, received.from, received.data], [id, offset, anna.user, { text: "hello" }]);
});

test("the clock estimate has a finite bound", { skip }, async (t) => {
  const tt = user(t);
  await tt.ready;
  await tt.clock.sync();
  assert.ok(tt.clock.error < 1000);
  assert.ok(tt.clock.now() > 1_600_000_000_000);
});

test("a malformed user id is refused with invalid_id", { skip }, async (t) => {
  const tt = user(t, { user: "nonsense" });
  tt.on("error", () => {});
  await assert.rejects(tt.ready, (error) => error.code === "invalid_id");
});

test("a publish right behind the sender's own join with subpaths reaches it", { skip }, async (t) => {
  const tt = user(t);
  await tt.ready;
  for (let run = 0; run < 50; run += 1) {
    const path = `live/${randomUUID()}`;
    const message = until(tt, "message", ({ command, data }) => command === "message" && data.channel === `${path}/below`);
    const joining = tt.channel(path, { subpaths: true });
    tt.send("publish", { channel: `${path}/below`, data: run });
    await message;
    await (await joining).leave();
  }
});

const CONFIGURATIONS = {
  "websocket v1": { transports: ["websocket"] },
  "websocket v2": { transports: ["websocket"], encoding: "v2" },
  tunnel: { transports: ["tunnel"], EventSource: null },
  longpoll: { transports: ["longpoll"] },
  poll: { transports: ["poll"], poll: { heartbeat_ms: 50 } },
};

for (const [name, options] of Object.entries(CONFIGURATIONS)) {
  test(`by ${name}: presence, a channel, a room, bytes`, { skip, timeout: 30_000 }, async (t) => {
    const [mel, tom] = [user(t, options), user(t)];
    await Promise.all([mel.ready, tom.ready]);
    assert.equal(mel.transport, options.transports[0]);
    await mel.friends.subscribe([tom.user]);
    const busy = until(mel.friends, "change", ({ changes }) => changes[tom.user] === "busy");
    await tom.friends.status("busy");
    await busy;
    const path = `live/${randomUUID()}`;
    const [hers, his] = await Promise.all([mel.channel(path), tom.channel(path)]);
    const [here, there] = [hers.once("message"), his.once("message")];
    const data = { bytes: new Uint8Array([0, 1, 255]), number: 0.5 };
    const { id, offset, epoch } = await hers.publish(data);
    for (const message of [await here, await there]) {
      const { time, ...fields } = message;
      // The first message of a life of a channel has its epoch.
      assert.deepEqual(fields, { id, channel: path, from: mel.user, offset, epoch, data });
      assert.ok(Math.abs(time - tom.clock.now()) < 60_000);
    }
    assert.deepEqual([hers.offset, his.offset], [offset, offset]);
    const channel = `live-${randomUUID()}`;
    const [room, other] = [await mel.join(channel), await tom.join(channel)];
    const steps = [[room, 1], [other, 2]].map(([at, step]) => until(at, "action", ({ data }) => data.step === step));
    other.act({ step: 1 });
    room.act({ step: 2 });
    await Promise.all(steps);
  });
}

test("a session changes between all transports while messages are published, without a lost or repeated message", { skip, timeout: 60_000 }, async (t) => {
  const { cut, free, options } = blockable();
  const mel = user(t, { ...options, poll: { heartbeat_ms: 20 } });
  const tom = user(t);
  await Promise.all([mel.ready, tom.ready]);
  const { session } = mel;
  const path = `live/${randomUUID()}`;
  const [hers, his] = await Promise.all([mel.channel(path), tom.channel(path)]);
  const seen = [];
  hers.on("message", ({ data }) => seen.push(data));
  mel.on("reset", () => seen.push("reset"));
  let number = 0;
  const publishing = setInterval(() => his.publish((number += 1)).catch(() => {}), 3);
  t.after(() => clearInterval(publishing));
  const used = [mel.transport];
  for (const transport of ["websocket", "tunnel", "longpoll", "poll"]) {
    const resumed = mel.once("resumed");
    if (transport === "poll") free();
    cut(transport);
    await resumed;
    used.push(mel.transport);
    const target = number + 5;
    while (number < target || seen.at(-1) < target) await new Promise((resolve) => setTimeout(resolve, 5));
  }
  clearInterval(publishing);
  assert.deepEqual(used, ["websocket", "tunnel", "longpoll", "poll", "websocket"]);
  assert.equal(mel.session, session);
  while (seen.length < number) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.deepEqual(seen, Array.from({ length: number }, (_, index) => index + 1));
});

for (const [name, options] of Object.entries({ "websocket v1": CONFIGURATIONS["websocket v1"], tunnel: CONFIGURATIONS.tunnel })) {
  test(`by ${name}: a client whose session is taken over closes with 4002`, { skip, timeout: 30_000 }, async (t) => {
    const mel = user(t, options);
    await mel.ready;
    const closed = until(mel, "state", ({ state }) => state !== "online");
    const leave = new AbortController();
    t.after(() => leave.abort());
    const taken = await fetch(new URL(`/tunnel?id=${mel.session}&format=ndjson&received=0`, url), { signal: leave.signal });
    assert.equal(taken.status, 200);
    const { state, code, reason } = await closed;
    assert.deepEqual([state, code, reason], ["closed", 4002, "replaced"]);
  });
}

for (const [name, options] of Object.entries(CONFIGURATIONS)) {
  test(`by ${name}: a refused identification closes the client with its code`, { skip, timeout: 30_000 }, async (t) => {
    const tt = user(t, { ...options, user: "nonsense" });
    tt.on("error", () => {});
    await assert.rejects(tt.ready, (error) => error.code === "invalid_id");
    assert.equal(tt.state, "closed");
  });
}

for (const [name, options] of Object.entries(CONFIGURATIONS)) {
  test(`by ${name}: a refused action is reported to its room`, { skip, timeout: 30_000 }, async (t) => {
    const [mel, tom] = [user(t, options), user(t)];
    const channel = `live-${randomUUID()}`;
    const room = await mel.join(channel);
    await tom.join(channel);
    // By a raw command, so that the Room object does not know that it was left.
    await mel.request("leavegame", { channel }).catch(() => {});
    const refused = room.once("refused");
    room.act({ step: 1 });
    const { error, data } = await refused;
    assert.deepEqual([error.code, error.command, data], ["not_member", "game", [{ step: 1 }]]);
  });
}

test("a guest comes back as itself in a later page, over every transport, and nobody else does", { skip }, async (t) => {
  const map = new Map();
  const guest_storage = { getItem: (key) => map.get(key) ?? null, setItem: (key, value) => void map.set(key, value), removeItem: (key) => void map.delete(key) };
  const open = async (options = {}) => {
    const tt = connect(url, { guest: true, guest_storage, WebSocket, ...options });
    t.after(() => tt.close());
    await tt.ready;
    return tt;
  };
  const { user: first } = await open();
  for (const transport of ["websocket", "tunnel", "longpoll", "poll"]) {
    const again = await open({ transports: [transport] });
    assert.equal(again.user, first, transport);
    again.close();
  }
  assert.notEqual((await open({ guest: "another" })).user, first);
  const thief = connect(url, { user: first, WebSocket });
  thief.on("error", () => {});
  const closed = thief.once("state");
  await assert.rejects(thief.ready, { code: "unauthorized" });
  assert.deepEqual((await closed).details, { reason: "invalid" });
});

test("a datagram of no interest, and an entry that unsubscribes from nobody, count and have no effect", { skip }, async () => {
  const post = async (path, body, headers = {}) => {
    const response = await fetch(new URL(path, url), { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json", ...headers } });
    return { answer: await response.json(), session: response.headers.get("Turntable-Session") };
  };
  const begun = await post("/poll", [{ f: "$av:idme", args: `1:${randomUUID()}`, id: 1 }]);
  const { session } = begun;
  const headers = { "Turntable-Session": session };
  const accepted = async () => (await post("/tunnel/send?n=unknown", { tunnel: session, path: "/interest", data: { add: [] } })).answer.accepted;
  const before = await accepted();
  const nothing = await post("/poll?batch=1", [{ f: "$av:unsubscribe", args: [] }], headers);
  assert.deepEqual(nothing.answer, []);
  assert.equal(await accepted(), before + 1);
  const datagrams = [{ tunnel: session, path: "/interest", data: { add: [] } }, { tunnel: session, path: "/interest", data: { add: [] } }];
  for (let times = 0; times < 2; times += 1) {
    assert.deepEqual((await post(`/tunnel/send?n=${before + 2}`, datagrams)).answer, [{ ok: true }, { ok: true }]);
    assert.equal(await accepted(), before + 3);
  }
  // The same batch with another body: the one that came first counts.
  const again = await post("/poll?batch=1", [{ f: "$av:publish", args: { channel: "live", data: 1 } }], headers);
  assert.deepEqual(again.answer, []);
  assert.equal(await accepted(), before + 3);
  await post("/poll?batch=2", [{ f: "$av:bye" }], headers);
});
