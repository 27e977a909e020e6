// Calls in both directions, services, attributes, events.

import assert from "node:assert/strict";
import { test } from "node:test";
import { TurntableError } from "../../static/turntable.js";
import { client, online, reconnect, serve } from "./harness.mjs";

test("a call resolves with its result or rejects with its error", async (t) => {
  const { tt, peer } = await online(t, {}, { services: { forum: { state: "enabled", functions: ["createPost"] } } });
  const result = tt.call("forum:createPost", { title: "Hi" });
  const { data, id } = await peer.next("call");
  assert.deepEqual(data, { f: "forum:createPost", args: { title: "Hi" } });
  peer.send("reply", { post: 7 }, id);
  assert.deepEqual(await result, { post: 7 });
  const failing = tt.service("forum").createPost();
  const second = await peer.next("call");
  assert.deepEqual(second.data, { f: "forum:createPost", args: null });
  const refused = assert.rejects(failing, (error) => error instanceof TurntableError && error.code === "service_down");
  peer.send("error", { code: "service_down", message: "off" }, second.id);
  await refused;
});

test("a direct connection is requested with a call, and the service's entry has its address", async (t) => {
  const files = { state: "enabled", functions: [], url: "wss://files.example/ws", protocol: "websocket" };
  const { tt, peer } = await online(t, {}, { services: { files } });
  assert.deepEqual(tt.services.get("files"), files);
  const asked = tt.direct("files");
  const { data, id } = await peer.next("call");
  assert.deepEqual(data, { f: "$av:direct", args: { service: "files" } });
  const answer = { url: files.url, protocol: files.protocol, token: "a.b.c", expires_in: 60 };
  peer.send("reply", answer, id);
  assert.deepEqual(await asked, answer);
  const refused = assert.rejects(tt.direct("forum"), { code: "not_found" });
  peer.send("error", { code: "not_found", message: "no" }, (await peer.next("call")).id);
  await refused;
});

test("a service object can be awaited and inspected without a call", async (t) => {
  const { tt, peer } = await online(t);
  const forum = await tt.service("forum");
  assert.equal(forum[Symbol.toPrimitive], undefined);
  await peer.settle(tt);
  assert.deepEqual(peer.unread, []);
});

test("services are set by the welcome and changed by `service`", async (t) => {
  const { tt, peer } = await online(t, {}, { services: { chat: { state: "enabled", functions: ["send"] } } });
  assert.deepEqual(tt.services.get("chat"), { state: "enabled", functions: ["send"] });
  const change = tt.once("service");
  peer.send("service", { chat: { state: "disabled" } });
  assert.deepEqual(await change, { chat: { state: "disabled" } });
  assert.deepEqual(tt.services.get("chat"), { state: "disabled", functions: ["send"] });
});

test("functions provided before the connection are announced after the welcome, later ones at once", async (t) => {
  const server = await serve(t);
  const tt = client(t, server);
  const first = tt.provide("chat", { send: () => 1, version: 3 });
  const peer = await server.accept();
  await peer.admit();
  const announced = await peer.next("provide");
  assert.deepEqual(announced.data, { services: { chat: ["send"] } });
  peer.send("reply", {}, announced.id);
  await first;
  const second = tt.provide("friends", { newFriend: () => 2 });
  const more = await peer.next("provide");
  assert.deepEqual(more.data, { services: { chat: ["send"], friends: ["newFriend"] } });
  peer.send("reply", {}, more.id);
  await second;
});

test("provide resolves with what the server made of it, and a service of others that became the user's own is reported", async (t) => {
  const { tt, peer } = await online(t, {}, { services: { forum: { state: "enabled", functions: ["read"] } } });
  const errors = [];
  tt.on("error", ({ code, command, details }) => errors.push([code, command, details]));
  const functions = { read: () => 1 };
  const typo = tt.provide("forum", functions);
  peer.send("reply", { services: [], own: ["forum"] }, (await peer.next("provide")).id);
  assert.deepEqual(await typo, { services: [], own: ["forum"] });
  assert.deepEqual(errors.splice(0), [["forbidden", "provide", { own: "forum" }]]);
  const own = tt.provide("mine", functions);
  peer.send("reply", { services: [], own: ["forum", "mine"] }, (await peer.next("provide")).id);
  assert.deepEqual(await own, { services: [], own: ["forum", "mine"] });
  const instance = tt.provide("forum", functions);
  peer.send("reply", { services: ["forum"], own: ["mine"] }, (await peer.next("provide")).id);
  assert.deepEqual(await instance, { services: ["forum"], own: ["mine"] });
  assert.deepEqual(errors, []);
});

test("provide without a name or a function is refused, and announces nothing", async (t) => {
  const { tt, peer } = await online(t);
  for (const [name, functions] of [["s"], ["s", null], ["s", {}], ["s", { f: 1 }], [undefined, { f: () => 1 }], ["", { f: () => 1 }]]) {
    await assert.rejects(tt.provide(name, functions), (error) => error instanceof TurntableError && error.code === "bad_message" && error.command === "provide");
  }
  await peer.settle(tt);
  assert.deepEqual(peer.unread, []);
});

test("calls of the server are answered with the result, also of a promise, or with the error", async (t) => {
  const { tt, peer } = await online(t);
  const received = [];
  const provided = tt.provide("friends", {
    newFriend: async ({ name }) => `hello ${name}`,
    fail: () => {
      throw new Error("not today");
    },
    note: (args) => {
      received.push(args);
    },
  });
  peer.send("reply", {}, (await peer.next("provide")).id);
  await provided;
  peer.send("call", { f: "friends:newFriend", args: { name: "Mel" } }, 1);
  assert.deepEqual(await peer.next("reply"), { command: "reply", data: "hello Mel", id: 1 });
  peer.send("call", { f: "friends:fail", args: {} }, "b");
  assert.deepEqual(await peer.next("reply"), { command: "reply", data: { error: { code: "internal", message: "the function failed" } }, id: "b" });
  for (const f of ["friends:constructor", "nosuch:x", "friends", "__proto__:toString"]) {
    peer.send("call", { f, args: null }, f);
    const { id, data: { error } } = await peer.next("reply");
    assert.deepEqual([id, error.code], [f, "not_found"]);
  }
  // A call without an id expects no answer.
  peer.send("call", { f: "friends:note", args: 5 });
  await peer.settle(tt);
  assert.deepEqual([received, peer.unread], [[5], []]);
});

test("the id of a server's call does not answer a request", async (t) => {
  const { tt, peer } = await online(t);
  const request = tt.request("lookup", []);
  const { id } = await peer.next("lookup");
  peer.send("call", { f: "no:such", args: null }, id);
  await peer.next("reply");
  peer.send("reply", "mine", id);
  assert.equal(await request, "mine");
});

test("attributes are set by the welcome, by the server and by the client", async (t) => {
  const session = await online(t, {}, { attributes: { username: "Mel", rank: { level: 1 } } });
  const { tt, peer } = session;
  assert.deepEqual([...tt.attributes.all], [["username", "Mel"], ["rank", { level: 1 }]]);
  const changes = [];
  tt.attributes.on("change", (event) => changes.push(event.changes));
  const set = tt.attributes.set({ username: "Pomke", rank: null });
  const { data, id } = await peer.next("set");
  assert.deepEqual(data, { username: "Pomke", rank: null });
  assert.equal(tt.attributes.get("username"), "Mel");
  peer.send("reply", {}, id);
  await set;
  assert.deepEqual([...tt.attributes.all], [["username", "Pomke"]]);
  peer.send("attributes", { email: "a@b", username: "Pomke" });
  peer.send("attributes", { email: null });
  await peer.settle(tt);
  assert.deepEqual(changes, [{ email: "a@b" }, { email: null }]);
  const refused = assert.rejects(tt.attributes.set({ username: 5 }), (error) => error.code === "forbidden");
  peer.send("error", { code: "forbidden", message: "no" }, (await peer.next("set")).id);
  await refused;
  assert.equal(tt.attributes.get("username"), "Pomke");
  const next = await reconnect(session);
  next.send("idyou", {});
  await next.next("resume");
  next.welcome({ resumed: true, attributes: { city: "Melbourne" } });
  await next.settle(tt);
  assert.deepEqual(changes.at(-1), { city: "Melbourne", username: null });
});

test("attributes that are set are a copy, as other sessions get them", async (t) => {
  const { tt, peer } = await online(t, {}, { attributes: { none: 1, number: 1 } });
  const object = { x: 1, when: new Date(0) };
  const set = tt.attributes.set({ none: undefined, number: NaN, text: "\ud800", bytes: Uint8Array.of(1), object });
  object.x = 2;
  const { data, id } = await peer.next("set");
  assert.deepEqual(data, { number: null, text: "\ufffd", bytes: { $bin: "AQ==" }, object: { x: 1, when: "1970-01-01T00:00:00.000Z" } });
  peer.send("reply", {}, id);
  await set;
  object.x = 3;
  assert.deepEqual(Object.fromEntries(tt.attributes.all), { none: 1, text: "\ufffd", bytes: Uint8Array.of(1), object: { x: 1, when: "1970-01-01T00:00:00.000Z" } });
  const circle = {};
  circle.circle = circle;
  for (const value of [circle, 1n, () => {}]) await assert.rejects(tt.attributes.set({ value }), { code: "bad_message" });
});

test("watchers of one attribute and of any are called once per change, and not after unwatch", async (t) => {
  const { tt, peer } = await online(t, {}, { attributes: { email: "a@b" } });
  const seen = [];
  const any = (value, key) => seen.push(["any", key, value]);
  const email = (value) => seen.push(["email", value]);
  const end = tt.attributes.watch("email", email);
  tt.attributes.watch(any);
  peer.send("attributes", { email: "c@d", rank: 1 });
  peer.send("attributes", { email: "c@d" });
  peer.send("attributes", { email: null });
  await peer.settle(tt);
  const all = [["email", "c@d"], ["any", "email", "c@d"], ["any", "rank", 1], ["email", null], ["any", "email", null]];
  assert.deepEqual(seen.splice(0), all);
  end();
  tt.attributes.watch("rank", email);
  tt.attributes.unwatch(any);
  peer.send("attributes", { email: "e@f", rank: 2 });
  await peer.settle(tt);
  assert.deepEqual(seen.splice(0), [["email", 2]]);
  tt.attributes.unwatch("rank");
  peer.send("attributes", { rank: 3 });
  await peer.settle(tt);
  assert.deepEqual(seen, []);
  // Two components that watch with one function: each ends its own watch, once.
  const ends = [tt.attributes.watch("rank", email), tt.attributes.watch("rank", email)];
  for (let times = 0; times < 2; times += 1) ends[0]();
  peer.send("attributes", { rank: 4 });
  await peer.settle(tt);
  assert.deepEqual(seen, [["email", 4]]);
});

test("a set takes its place in the order of the server, also where messages come at once", async (t) => {
  const { tt, peer } = await online(t);
  const set = tt.attributes.set({ rank: 1 });
  const { id } = await peer.next("set");
  peer.send("reply", {}, id);
  peer.send("attributes", { rank: 2 });
  await set;
  await peer.settle(tt);
  assert.equal(tt.attributes.get("rank"), 2);
});

test("profiles of watched users are merged, and end with the watch", async (t) => {
  const session = await online(t);
  const { tt, peer } = session;
  const changes = [];
  tt.friends.on("profile", (event) => changes.push(event.changes));
  const watching = tt.friends.subscribe(["1:2", "1:3"]);
  await peer.next("subscribe");
  peer.send("userchange", { "1:2": "online", "1:3": "offline" });
  peer.send("profiles", { "1:2": { name: "Mel", score: 1 }, "1:9": { name: "no friend" } });
  await watching;
  peer.send("profiles", { "1:2": { name: null, score: 1, colour: "red" } });
  await peer.settle(tt);
  assert.deepEqual(changes, [{ "1:2": { name: "Mel", score: 1 } }, { "1:2": { name: null, colour: "red" } }]);
  assert.deepEqual(tt.friends.profile("1:2"), { score: 1, colour: "red" });
  assert.deepEqual(tt.friends.profile("1:9"), {});
  void tt.friends.unsubscribe(["1:2"]).catch(() => {});
  assert.deepEqual(tt.friends.profile("1:2"), {});
});

test("profiles of a new session replace those of before when they are there, and only differences are emitted", async (t) => {
  const session = await online(t);
  const { env, tt, peer } = session;
  const changes = [];
  tt.friends.on("profile", (event) => changes.push(event.changes));
  const watching = tt.friends.subscribe(["1:2", "1:3", "1:4"]);
  await peer.next("subscribe");
  const states = { "1:2": "online", "1:3": "offline", "1:4": "offline" };
  peer.send("userchange", states);
  peer.send("profiles", { "1:2": { name: "Mel", score: 1 }, "1:3": { name: "Tom" }, "1:4": { name: "Zoe" } });
  await watching;
  await peer.settle(tt);
  changes.length = 0;
  let next = await reconnect(session, 4004);
  await next.admit({ session: "secret-2" });
  await next.next("subscribe");
  await next.settle(tt);
  assert.deepEqual([changes, tt.friends.profile("1:2")], [[], { name: "Mel", score: 1 }]);
  next.send("userchange", states);
  next.send("profiles", { "1:2": { name: "Mel", colour: "red" }, "1:3": { name: "Tom" } });
  await next.settle(tt);
  assert.deepEqual(changes.splice(0), [{ "1:2": { score: null, colour: "red" } }]);
  // A connection that is lost meanwhile says nothing about the rest.
  const lost = tt.once("state");
  next.terminate();
  env.advance((await lost).retry_ms);
  next = await session.server.accept();
  env.advance(3000);
  next.send("idyou", {});
  await next.next("resume");
  next.welcome({ resumed: true, session: "secret-2" });
  await next.settle(tt);
  env.advance(1999);
  assert.deepEqual([changes, tt.friends.profile("1:4")], [[], { name: "Zoe" }]);
  env.advance(1);
  assert.deepEqual([changes, tt.friends.profile("1:4")], [[{ "1:4": { name: null } }], {}]);
});

test("an exception in a listener does not affect others, and a removed listener is not called", async (t) => {
  const { tt, peer } = await online(t);
  const uncaught = new Promise((resolve) => {
    const others = process.listeners("uncaughtException");
    process.removeAllListeners("uncaughtException");
    process.once("uncaughtException", (error) => {
      for (const listener of others) process.on("uncaughtException", listener);
      resolve(error);
    });
  });
  const received = [];
  tt.on("invite", () => {
    throw new Error("mine");
  });
  const stop = tt.on("invite", () => received.push("stopped"));
  tt.on("invite", () => received.push("second"));
  stop();
  peer.send("invite", { channel: "C", from: "1:2" });
  await peer.settle(tt);
  assert.equal((await uncaught).message, "mine");
  assert.deepEqual(received, ["second"]);
});

test("the message event reports every message, also of unknown commands", async (t) => {
  const { tt, peer } = await online(t);
  const message = tt.once("message");
  peer.send("weather", { rain: true });
  assert.deepEqual(await message, { command: "weather", data: { rain: true } });
});

test("a provided function gets the caller, and a signal that is aborted at the deadline; its late answer is not sent", async (t) => {
  const { tt, peer } = await online(t);
  const calls = [];
  const provided = tt.provide("forum", {
    slow: (args, { user, signal }) => new Promise((resolve) => {
      calls.push([args, user, signal]);
      signal.addEventListener("abort", () => resolve("late"));
    }),
    refuse: () => {
      throw new TurntableError("refused", "no title");
    },
  });
  peer.send("reply", {}, (await peer.next("provide")).id);
  await provided;
  peer.send("call", { f: "forum:slow", args: 1, user: "1:7" }, 5);
  peer.send("call", { f: "$av:cancel", args: { id: 5 } });
  peer.send("call", { f: "forum:refuse", args: 1 }, 6);
  assert.deepEqual(await peer.next("reply"), { command: "reply", data: { error: { code: "refused", message: "no title" } }, id: 6 });
  await peer.settle(tt);
  const [[args, user, signal]] = calls;
  assert.deepEqual([args, user, signal.aborted, peer.unread], [1, "1:7", true, []]);
});

test("withdraw resolves when the calls that the client has are answered", async (t) => {
  const { tt, peer } = await online(t);
  let finish;
  const provided = tt.provide("forum", { read: () => new Promise((resolve) => (finish = resolve)) });
  peer.send("reply", {}, (await peer.next("provide")).id);
  await provided;
  peer.send("call", { f: "forum:read", args: 1 }, 1);
  let is_drained = false;
  const drained = tt.withdraw("forum").then(() => (is_drained = true));
  const withdrawal = await peer.next("provide");
  assert.deepEqual(withdrawal.data, { services: { forum: [] } });
  peer.send("reply", {}, withdrawal.id);
  await peer.settle(tt);
  assert.equal(is_drained, false);
  finish("done");
  assert.deepEqual(await peer.next("reply"), { command: "reply", data: "done", id: 1 });
  await drained;
  peer.send("call", { f: "forum:read", args: 1 }, 2);
  assert.equal((await peer.next("reply")).data.error.code, "not_found");
});

test("an answer of a lost session is not sent in the next one, whose calls have the same ids", async (t) => {
  const session = await online(t);
  const { tt, peer } = session;
  let finish;
  const provided = tt.provide("forum", { read: (args) => (args === "old" ? new Promise((resolve) => (finish = resolve)) : args) });
  peer.send("reply", {}, (await peer.next("provide")).id);
  await provided;
  peer.send("call", { f: "forum:read", args: "old" }, 1);
  await peer.settle(tt);
  const next = await reconnect(session, 4004);
  await next.admit();
  next.send("reply", {}, (await next.next("provide")).id);
  finish("old");
  next.send("call", { f: "forum:read", args: "new" }, 1);
  assert.deepEqual(await next.next("reply"), { command: "reply", data: "new", id: 1 });
  await next.settle(tt);
  assert.deepEqual(next.unread, []);
});

/** A client that answers calls of `s:f` with `result`, of so many characters. */
async function provider(t, welcome) {
  const session = await online(t, {}, welcome);
  const provided = session.tt.provide("s", { f: (length) => "x".repeat(length) });
  session.peer.send("reply", {}, (await session.peer.next("provide")).id);
  await provided;
  return session;
}

test("a result over the server's limit is answered as an error, and reported", async (t) => {
  const { tt, peer } = await provider(t, { limits: { max_message_bytes: 500 } });
  const reported = tt.once("error");
  peer.send("call", { f: "s:f", args: 600 }, 1);
  const { id, data } = await peer.next("reply");
  assert.deepEqual([id, data.error.code], [1, "too_large"]);
  assert.equal((await reported).code, "too_large");
});

const circle = {};
circle.self = circle;
/** What JSON does not have. */
const UNSENDABLE = { bigint: 1n, circle, function: () => {}, symbol: Symbol("s"), toJSON: { toJSON: () => undefined } };

test("a result that JSON does not have is answered `internal` at once, and reported", async (t) => {
  const { tt, peer } = await online(t);
  const provided = tt.provide("s", { f: (name) => UNSENDABLE[name] });
  peer.send("reply", {}, (await peer.next("provide")).id);
  await provided;
  for (const name of Object.keys(UNSENDABLE)) {
    const reported = tt.once("error");
    peer.send("call", { f: "s:f", args: name }, name);
    assert.deepEqual(await peer.next("reply"), { command: "reply", data: { error: { code: "internal", message: "the function failed" } }, id: name });
    const { code, message, details } = await reported;
    assert.deepEqual([code, details], ["bad_message", { f: "s:f" }]);
    assert.match(message, /^the result of s:f: the data cannot be written as JSON: [^\n]+$/);
  }
  await peer.settle(tt);
  assert.deepEqual(peer.unread, []);
});

test("a function that fails is reported where it is provided, with what it threw", async (t) => {
  const { tt, peer } = await online(t);
  const fault = new RangeError("not today");
  const provided = tt.provide("s", {
    f: () => {
      throw fault;
    },
  });
  peer.send("reply", {}, (await peer.next("provide")).id);
  await provided;
  const reported = tt.once("error");
  peer.send("call", { f: "s:f", args: 1 }, 1);
  assert.equal((await peer.next("reply")).data.error.code, "internal");
  const { code, message, cause, details } = await reported;
  assert.deepEqual([code, message, cause, details], ["internal", "the provided function s:f failed: RangeError: not today", fault, { f: "s:f" }]);
});

test("data that JSON does not have is refused where it is given", async (t) => {
  const { tt, peer } = await online(t);
  const joining = tt.channel("chat");
  peer.send("joined", { channel: "chat", epoch: "e", offset: 0 }, (await peer.next("joinchannel")).id);
  const channel = await joining;
  const entering = tt.join("C");
  peer.send("joined", { channel: "C", members: {} }, (await peer.next("joingame")).id);
  const room = await entering;
  const errors = [];
  tt.on("error", ({ code, command }) => errors.push([code, command]));
  const { toJSON: _, ...unsendable } = UNSENDABLE;
  for (const value of Object.values(unsendable)) {
    const sent = { call: tt.call("s:f", value), publish: channel.publish(value), set: tt.attributes.set({ key: value }) };
    for (const [command, answer] of Object.entries(sent)) {
      await assert.rejects(answer, (error) => error instanceof TurntableError && error.code === "bad_message" && error.command === command);
    }
    assert.equal(room.act(value), false);
  }
  assert.deepEqual(errors, Array(4).fill(["bad_message", "game"]));
  await peer.settle(tt);
  assert.deepEqual(peer.unread, []);
});

test("results are paced as commands are", async (t) => {
  const { env, peer } = await provider(t, { limits: { rates: { bytes: { per_second: 1000, burst: 1500 } } } });
  peer.confirm();
  for (const id of [1, 2, 3]) peer.send("call", { f: "s:f", args: 900 }, id);
  assert.equal((await peer.next("reply")).id, 1);
  for (const id of [2, 3]) {
    const next = peer.next("reply");
    let come = false;
    void next.then(() => (come = true));
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(come, false);
    env.advance(1100);
    assert.equal((await next).id, id);
  }
});

test("a result that is known during an outage is sent in the same session, and in no other", async (t) => {
  for (const resumed of [true, false]) {
    const session = await online(t);
    const { tt, peer } = session;
    /** @type {(value: string) => void} */
    let done = () => {};
    const provided = tt.provide("s", { f: () => new Promise((resolve) => (done = resolve)) });
    peer.send("reply", {}, (await peer.next("provide")).id);
    await provided;
    peer.send("call", { f: "s:f", args: null }, 1);
    await peer.settle(tt);
    const lost = tt.once("state");
    peer.terminate();
    const { retry_ms } = await lost;
    done("result");
    await new Promise(setImmediate);
    session.env.advance(retry_ms);
    const next = await session.server.accept();
    next.send("idyou", {});
    await next.next("resume");
    next.welcome(resumed ? { resumed, accepted: 2 } : { session: "secret-2" });
    if (resumed) assert.deepEqual((await next.next("reply")).data, "result");
    else next.send("reply", {}, (await next.next("provide")).id);
    await next.settle(tt);
    assert.deepEqual(next.unread, []);
  }
});

test("what the operator publishes to the user is an event, with and without a function for it", async (t) => {
  const { tt, peer } = await online(t);
  const first = tt.once("usermessage");
  peer.send("call", { f: "user:message", args: { news: 1 } });
  assert.deepEqual(await first, { news: 1 });
  const seen = [];
  tt.provide("user", { message: (data) => seen.push(data) }).catch(() => {});
  const second = tt.once("usermessage");
  peer.send("call", { f: "user:message", args: { news: 2 } });
  assert.deepEqual(await second, { news: 2 });
  await peer.settle(tt);
  assert.deepEqual(seen, [{ news: 2 }]);
});
