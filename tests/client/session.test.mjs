// Identification, resume, the offline queue, answers and errors.

import assert from "node:assert/strict";
import { test } from "node:test";
import { TurntableError } from "../../static/turntable.js";
import { ManualEnvironment, WebSocket, client, online, reconnect, serve } from "./harness.mjs";

const code = (expected) => (error) => error instanceof TurntableError && error.code === expected;

test("identifies with the user id alone, and only after idyou", async (t) => {
  const server = await serve(t);
  const tt = client(t, server, { user: "1:12345" });
  assert.equal(tt.state, "connecting");
  const peer = await server.accept();
  const ping = new Promise((resolve) => peer.socket.once("pong", resolve));
  peer.socket.ping();
  await ping;
  assert.deepEqual(peer.unread, []);
  assert.deepEqual(await peer.admit({ user: "1:12345" }), { command: "idme", data: "1:12345" });
  const welcome = await tt.ready;
  assert.equal(welcome.session, "secret-1");
  assert.deepEqual([tt.state, tt.user, tt.session, tt.server, tt.heartbeat_ms, tt.authenticated], ["online", "1:12345", "secret-1", "fake/1", 30_000, true]);
});

test("identifies with credentials and attributes, and calls the credentials function each time", async (t) => {
  let calls = 0;
  const credentials = async () => ({ token: (calls += 1) });
  const { env, server, tt, peer } = await (async () => {
    const server = await serve(t);
    const env = new ManualEnvironment();
    const tt = client(t, server, { environment: env, credentials, attributes: { username: "Mel" } });
    const peer = await server.accept();
    const identification = await peer.admit();
    assert.deepEqual(identification.data, { user: "1:1", credentials: { token: 1 }, attributes: { username: "Mel" } });
    await tt.ready;
    return { env, server, tt, peer };
  })();
  const next = await reconnect({ env, server, tt, peer }, 4004);
  assert.deepEqual((await next.admit()).data.credentials, { token: 2 });
});

test("a refused identification closes the client", async (t) => {
  const server = await serve(t);
  const tt = client(t, server);
  const errors = [];
  tt.on("error", (error) => errors.push(error.code));
  const join = assert.rejects(tt.join("C"), code("unauthorized"));
  const lookup = assert.rejects(tt.friends.lookup(["1:2"]), code("unavailable"));
  const closed = tt.once("state");
  const peer = await server.accept();
  peer.send("idyou", {});
  await peer.next("idme");
  peer.send("error", { code: "unauthorized", message: "who?", command: "idme" });
  await assert.rejects(tt.ready, code("unauthorized"));
  assert.deepEqual(await closed, { state: "closed", previous: "connecting", reason: "unauthorized", code: 4009, message: "who?" });
  await Promise.all([join, lookup, peer.closed]);
  assert.deepEqual(errors, ["unauthorized"]);
});

test("the code of a refused identification is that of the reason", async (t) => {
  const cases = [
    [{ code: "forbidden", message: "no fair play", details: { reason: "banned", retry_ms: 5 } }, "kicked", 4005],
    [{ code: "unauthorized", message: "who?" }, "unauthorized", 4009],
    [{ code: "invalid_id", message: "what?" }, "invalid_id", 1000],
    [{ code: "forbidden", message: "not you" }, "forbidden", 1000],
  ];
  for (const [error, reason, number] of cases) {
    const server = await serve(t);
    const tt = client(t, server);
    tt.on("error", () => {});
    const closed = tt.once("state");
    const peer = await server.accept();
    peer.send("idyou", {});
    await peer.next("idme");
    peer.send("error", error);
    await assert.rejects(tt.ready, code(error.code));
    const { message, details } = error;
    assert.deepEqual(await closed, { state: "closed", previous: "connecting", reason, code: number, message, ...(details && { details }) });
  }
});

test("without a reconnection even a temporary refusal is the end, and `ready` has its reason", async (t) => {
  const server = await serve(t);
  const tt = client(t, server, { reconnect: false });
  const errors = [];
  tt.on("error", (error) => errors.push(error.code));
  const closed = tt.once("state");
  const peer = await server.accept();
  peer.send("idyou", {});
  await peer.next("idme");
  peer.send("error", { code: "rate_limited", message: "too many passwords", details: { retry_ms: 700 } });
  await assert.rejects(tt.ready, (error) => error.code === "rate_limited" && error.details.retry_ms === 700);
  const { reason, code: number, details } = await closed;
  assert.deepEqual([reason, number, details, errors], ["rate_limited", 4007, { retry_ms: 700 }, ["rate_limited"]]);
  const other = client(t, server, { reconnect: false, credentials: () => Promise.reject(new Error("no login")) });
  other.on("error", () => {});
  (await server.accept()).send("idyou", {});
  await assert.rejects(other.ready, (error) => error.code === "unavailable" && /no login/.test(error.message));
});

test("a temporarily failed identification is repeated", async (t) => {
  const server = await serve(t);
  const env = new ManualEnvironment();
  const tt = client(t, server, { environment: env });
  tt.on("error", () => {});
  const offline = tt.once("state");
  const peer = await server.accept();
  peer.send("idyou", {});
  await peer.next("idme");
  peer.send("error", { code: "unavailable", message: "starting" });
  env.advance((await offline).retry_ms);
  await (await server.accept()).admit();
  await tt.ready;
});

test("resume contains the number of received messages over several connections", async (t) => {
  const session = await online(t);
  const { tt, peer } = session;
  peer.send("userchange", { "1:2": "online" });
  peer.send("idyou", {});
  peer.send("attributes", { a: 1 });
  await peer.settle(tt); // one more: its reply
  const second = await reconnect(session);
  second.send("idyou", {});
  assert.deepEqual(await second.next(), { command: "resume", data: { session: "secret-1", received: 3, attempt: 2 } });
  const resumed = tt.once("resumed");
  second.welcome({ resumed: true });
  second.send("attributes", { a: 2 });
  await resumed;
  await second.settle(tt);
  const third = await reconnect({ ...session, peer: second }, 1001);
  third.send("idyou", {});
  assert.equal((await third.next("resume")).data.received, 5);
});

test("every clock exchange contains `received`", async (t) => {
  const { env, tt, peer } = await online(t);
  assert.equal((await peer.next("time")).data.received, 0);
  peer.send("attributes", { a: 1 });
  await peer.settle(tt);
  env.advance(15_000);
  assert.equal((await peer.next("time")).data.received, 2);
});

test("after an expired session the client emits reset and restores status, subscriptions, rooms and channels", async (t) => {
  const session = await online(t);
  const { tt, peer } = session;
  const joined = tt.join("C", { team: "red", invite: ["1:2"] });
  const { id } = await peer.next("joingame");
  peer.send("joined", { channel: "C", self: "1:1", team: "red", members: {} }, id);
  const room = await joined;
  const subscribed = tt.friends.subscribe(["1:2"]);
  peer.send("userchange", { "1:2": "online" }, (await peer.next("subscribe")).id);
  assert.deepEqual(await subscribed, { "1:2": "online" });
  const channel = tt.channel("chat", { subpaths: true, history: 5 });
  peer.send("joined", { channel: "chat", epoch: "e1", offset: 7, recovered: false }, (await peer.next("joinchannel")).id);
  const chat = await channel;
  peer.send("message", { channel: "chat", id: "m", offset: 8, from: "1:2", time: 1, data: "hi" });
  const busy = tt.friends.status("busy", "away from keyboard");
  peer.send("reply", {}, (await peer.next("status")).id);
  await busy;

  const events = [];
  tt.on("reset", () => events.push("reset"));
  tt.on("resumed", () => events.push("resumed"));
  room.on("joined", () => events.push("room joined"));
  chat.on("gap", ({ offset }) => events.push(`gap ${offset}`));
  tt.friends.on("change", ({ changes, snapshot }) => events.push({ ...changes, snapshot }));
  const next = await reconnect(session);
  next.send("idyou", {});
  await next.next("resume");
  next.send("error", { code: "session_expired", message: "gone", command: "resume" });
  assert.deepEqual(await next.next(), { command: "idme", data: { user: "1:1", status: "busy" } });
  next.welcome({ session: "secret-2" });
  const status = await next.next("status");
  assert.deepEqual(status.data, { state: "busy", note: "away from keyboard" });
  const again = await next.next("joingame");
  // The invitation is not repeated.
  assert.deepEqual(again.data, { channel: "C", self: "1:1", team: "red" });
  const rejoined = await next.next("joinchannel");
  assert.deepEqual(rejoined.data, { channel: "chat", subpaths: true, since: { epoch: "e1", offset: 8 }, history: 5 });
  assert.deepEqual((await next.next("subscribe")).data, ["1:2"]);
  next.send("joined", { channel: "C", self: "1:1", team: "red", members: { "1:9": { state: "joined" } } }, again.id);
  next.send("joined", { channel: "chat", epoch: "e2", offset: 20, recovered: false }, rejoined.id);
  next.send("userchange", { "1:2": "busy" });
  await next.settle(tt);
  assert.deepEqual(events, ["reset", "room joined", "gap 20", { "1:2": "busy", snapshot: true }]);
  assert.equal(tt.session, "secret-2");
  assert.deepEqual([...room.members.keys()], ["1:9"]);
  assert.deepEqual(next.unread, []);
  const third = await reconnect({ ...session, peer: next });
  third.send("idyou", {});
  // Two joined, userchange and the reply of settle(), counted from the new welcome.
  assert.deepEqual((await third.next("resume")).data, { session: "secret-2", received: 4, attempt: 3 });
});

test("a welcome with resumed: false causes a reset", async (t) => {
  const session = await online(t);
  const subscribed = session.tt.friends.subscribe(["1:2"]);
  session.peer.send("userchange", { "1:2": "online" });
  await subscribed;
  const next = await reconnect(session);
  next.send("idyou", {});
  await next.next("resume");
  const reset = session.tt.once("reset");
  next.welcome({ session: "secret-2", resumed: false });
  assert.deepEqual((await next.next("subscribe")).data, ["1:2"]);
  await reset;
});

test("commands queued while offline are sent in order after the welcome; desired state is sent first and once", async (t) => {
  const session = await online(t);
  const { tt, peer, server, env } = session;
  const joined = tt.join("C");
  peer.send("joined", { channel: "C", self: "1:1", members: {} }, (await peer.next("joingame")).id);
  const room = await joined;
  const offline = tt.once("state");
  peer.terminate();
  const { retry_ms } = await offline;
  tt.send("publish", { channel: "chat", data: 1 });
  const lookup = tt.friends.lookup(["1:2"]);
  room.act({ step: 1 });
  assert.equal(room.act({ step: 2 }, { queue: false }), false);
  const statuses = [tt.friends.status("busy"), tt.friends.status("idle")];
  const first = tt.friends.subscribe(["1:2", "1:3"]);
  const second = tt.friends.subscribe(["1:3", "1:4"]);
  await tt.friends.unsubscribe(["1:2"]);
  env.advance(retry_ms);
  const next = await server.accept();
  next.send("idyou", {});
  await next.next("resume");
  next.welcome({ resumed: true });
  const sent = [];
  for (let count = 0; count < 5; count += 1) sent.push(await next.next());
  assert.deepEqual(
    sent.map(({ command, data }) => [command, data.data ?? data.actions?.[0].data ?? data]),
    [
      ["status", "idle"],
      ["subscribe", ["1:3", "1:4"]],
      ["publish", 1],
      ["lookup", ["1:2"]],
      ["game", { step: 1 }],
    ],
  );
  next.send("reply", {}, sent[0].id);
  next.send("userchange", { "1:3": "online", "1:4": "offline" });
  next.send("reply", { "1:2": { state: "offline" } }, sent[3].id);
  await Promise.all(statuses);
  assert.deepEqual(await first, { "1:3": "online" });
  assert.deepEqual(await second, { "1:3": "online", "1:4": "offline" });
  assert.deepEqual(await lookup, { "1:2": { state: "offline" } });
  await next.settle(tt);
  assert.deepEqual(next.unread, []);
});

test("the offline queue is limited by queue_max", async (t) => {
  const server = await serve(t);
  const tt = client(t, server, { queue_max: 2 });
  tt.send("publish", { channel: "a", data: 1 });
  const second = tt.request("lookup", []);
  assert.throws(() => tt.send("publish", { channel: "a", data: 3 }), code("too_many"));
  await assert.rejects(tt.request("lookup", []), (error) => error.code === "too_many" && error.details.max === 2);
  // Desired state does not count.
  const status = tt.friends.status("busy");
  const peer = await server.accept();
  await peer.admit();
  peer.send("reply", {}, (await peer.next("status")).id);
  assert.equal((await peer.next("publish")).data.data, 1);
  peer.send("reply", { fine: true }, (await peer.next("lookup")).id);
  await status;
  assert.deepEqual(await second, { fine: true });
});

test("a room's actions beyond queue_max are refused without an exception", async (t) => {
  const session = await online(t, { queue_max: 1 });
  const { tt, peer } = session;
  const joined = tt.join("C");
  peer.send("joined", { channel: "C", self: "1:1", members: {} }, (await peer.next("joingame")).id);
  const room = await joined;
  const offline = tt.once("state");
  peer.terminate();
  await offline;
  const errors = [];
  tt.on("error", (error) => errors.push(error.code));
  room.on("refused", ({ error, data }) => errors.push([error.code, data]));
  assert.equal(room.act("a"), true);
  assert.equal(room.act("b"), false);
  assert.deepEqual(errors, [["too_many", ["b"]], "too_many"]);
});

test("a request without an answer times out, and a late answer is ignored", async (t) => {
  const { env, tt, peer } = await online(t, { timeout_ms: 3000 });
  const request = tt.request("lookup", ["1:2"]);
  const { id } = await peer.next("lookup");
  env.advance(2999);
  env.advance(1);
  await assert.rejects(request, (error) => error.code === "timeout" && error.command === "lookup");
  peer.send("reply", {}, id);
  await peer.settle(tt);
});

test("an error rejects its request; an error without a request is emitted by the client", async (t) => {
  const { tt, peer } = await online(t);
  const first = tt.request("publish", { channel: "a", data: 1 });
  const second = tt.request("publish", { channel: "b", data: 2 });
  const one = await peer.next("publish");
  const two = await peer.next("publish");
  assert.notEqual(one.id, two.id);
  const loose = tt.once("error");
  peer.send("error", { code: "forbidden", message: "not b", command: "publish", details: { max: 1 } }, two.id);
  peer.send("reply", { id: "m", offset: 1, epoch: "e" }, one.id);
  peer.send("error", { code: "rate_limited", message: "slow down", command: "game" });
  await assert.rejects(second, (error) => {
    assert.deepEqual([error.code, error.message, error.command, error.details], ["forbidden", "not b", "publish", { max: 1 }]);
    return error instanceof TurntableError;
  });
  assert.deepEqual(await first, { id: "m", offset: 1, epoch: "e" });
  assert.equal((await loose).code, "rate_limited");
});

test("a pending request is answered after a resume and rejected by a new session", async (t) => {
  const session = await online(t);
  const { tt, peer } = session;
  const pending = tt.request("lookup", ["1:2"]);
  const { id } = await peer.next("lookup");
  const second = await reconnect(session);
  second.send("idyou", {});
  await second.next("resume");
  second.welcome({ resumed: true });
  second.send("reply", "replayed", id);
  assert.equal(await pending, "replayed");
  const lost = assert.rejects(tt.request("lookup", ["1:3"]), code("unavailable"));
  await second.next("lookup");
  const third = await reconnect({ ...session, peer: second });
  third.send("idyou", {});
  await third.next("resume");
  third.send("error", { code: "session_expired", message: "gone" });
  await third.next("idme");
  third.welcome();
  await lost;
});

test("an unconfirmed join is sent again on the resumed session, even after the request timeout", async (t) => {
  // Half a minute offline exceeds timeout_ms.
  const session = await online(t, { reconnect: { min_ms: 60_000, max_ms: 60_000 } });
  const { tt, peer } = session;
  const joined = tt.join("C");
  await peer.next("joingame");
  const next = await reconnect(session);
  next.send("idyou", {});
  await next.next("resume");
  next.welcome({ resumed: true });
  const { id } = await next.next("joingame");
  next.send("joined", { channel: "C", self: "1:1", members: {} }, id);
  assert.equal((await joined).channel, "C");
});

test("a message beyond the server's size limit is refused locally, and the connection remains", async (t) => {
  const { tt, peer } = await online(t, {}, { limits: { max_message_bytes: 100 } });
  await assert.rejects(tt.request("publish", { channel: "a", data: "ä".repeat(60) }), code("too_large"));
  await peer.settle(tt);
});

test("close sends bye, rejects pending requests, and later commands fail", async (t) => {
  const { tt, peer } = await online(t);
  const waiting = assert.rejects(tt.request("lookup", []), code("unavailable"));
  await peer.next("lookup");
  tt.close();
  assert.equal(tt.state, "closed");
  assert.deepEqual(await peer.next("bye"), { command: "bye", data: {} });
  assert.equal(await peer.closed, 1000);
  await waiting;
  assert.throws(() => tt.send("status", "busy"), code("unavailable"));
  await assert.rejects(tt.request("lookup", []), code("unavailable"));
  await assert.rejects(tt.friends.subscribe(["1:2"]), code("unavailable"));
  await assert.rejects(tt.join("C"), code("unavailable"));
});

test("an invalid message is reported as an error and counted", async (t) => {
  const session = await online(t);
  const error = session.tt.once("error");
  session.peer.socket.send("{nonsense");
  assert.equal((await error).code, "bad_json");
  const next = await reconnect(session);
  next.send("idyou", {});
  assert.equal((await next.next("resume")).data.received, 1);
});

test("the frame event reports every frame in both directions", async (t) => {
  const server = await serve(t);
  const tt = client(t, server, { environment: new ManualEnvironment() });
  const frames = [];
  tt.on("frame", ({ direction, text }) => frames.push([direction, JSON.parse(text).command]));
  await (await server.accept()).admit();
  await tt.ready;
  assert.deepEqual(frames, [["in", "idyou"], ["out", "idme"], ["in", "welcome"], ["out", "time"]]);
});

test("authenticate identifies an anonymous session", async (t) => {
  const session = await online(t, { user: undefined }, { user: "" });
  const { tt, peer } = session;
  assert.equal(tt.authenticated, false);
  const known = tt.authenticate({ password: "x" });
  assert.deepEqual((await peer.next("authenticate")).data, { credentials: { password: "x" } });
  peer.welcome({ user: "1:7" });
  assert.equal((await known).user, "1:7");
  assert.deepEqual([tt.authenticated, tt.user], [true, "1:7"]);
  const next = await reconnect(session);
  next.send("idyou", {});
  assert.equal((await next.next("resume")).data.received, 1); // a connection's first welcome is not counted, a later one is
});

test("a guest that becomes another user joins and provides again", { timeout: 10_000 }, async (t) => {
  const { tt, peer } = await online(t, { user: undefined }, { user: "guest:x" });
  const calls = [tt.join("C"), tt.channel("chat"), tt.provide("dice", { roll: () => 6 }), tt.friends.subscribe(["1:2"])];
  const joined = async (channel) => {
    const { data, id } = await peer.next(channel ? "joinchannel" : "joingame");
    peer.send("joined", { channel: data.channel, ...(channel ? { epoch: "e", offset: 4, recovered: false } : { self: tt.user, members: {} }) }, id);
    return data;
  };
  const provided = async () => {
    const { data, id } = await peer.next("provide");
    peer.send("reply", {}, id);
    return data;
  };
  assert.equal((await joined(false)).self, "guest:x");
  await joined(true);
  await provided();
  peer.send("userchange", { "1:2": "online" }, (await peer.next("subscribe")).id);
  const [room, channel] = await Promise.all(calls);
  const heard = [];
  room.on("joined", () => heard.push("room"));
  channel.on("joined", () => heard.push("channel"));
  for (const user of ["1:7", "1:7"]) {
    const known = tt.authenticate({ token: "T" });
    const { id } = await peer.next("authenticate");
    peer.send("welcome", { user, session: "secret-1", resumed: false, time: 1, attributes: {}, services: {}, limits: {} }, id);
    await known;
    if (heard.length > 0) continue; // the same user for longer
    assert.deepEqual(await provided(), { services: { dice: ["roll"] } });
    assert.deepEqual(await joined(false), { channel: "C", self: "1:7" });
    assert.deepEqual(await joined(true), { channel: "chat", since: { epoch: "e", offset: 4 } });
    await peer.settle(tt);
    assert.deepEqual(heard, ["room", "channel"]);
  }
  await peer.settle(tt);
  assert.deepEqual(peer.unread, []);
});

test("commands sent while the connection is closing are queued for the next one", { timeout: 10_000 }, async (t) => {
  let closing = false;
  class Closing extends WebSocket {
    get readyState() {
      return closing ? Closing.CLOSING : super.readyState;
    }
  }
  const { env, server, tt, peer } = await online(t, { WebSocket: Closing });
  closing = true;
  const answer = tt.request("lookup", ["1:2"]);
  const status = tt.friends.status("busy");
  closing = false;
  const next = await reconnect({ env, server, tt, peer }, 1001);
  next.send("idyou", {});
  await next.next("resume");
  next.welcome({ resumed: true });
  const lookup = await next.next("lookup");
  assert.deepEqual(lookup.data, ["1:2"]);
  next.send("reply", { "1:2": { state: "offline" } }, lookup.id);
  next.send("reply", {}, (await next.next("status")).id);
  assert.deepEqual(await answer, { "1:2": { state: "offline" } });
  await status;
  assert.deepEqual(next.unread, []);
});

test("the chosen status travels with each identification, its note behind it", async (t) => {
  const session = await (async () => {
    const server = await serve(t);
    const env = new ManualEnvironment();
    const tt = client(t, server, { environment: env });
    const status = tt.friends.status("invisible", "away");
    const peer = await server.accept();
    const { data } = await peer.admit();
    assert.deepEqual(data, { user: "1:1", status: "invisible" });
    const sent = await peer.next("status");
    assert.deepEqual(sent.data, { state: "invisible", note: "away" });
    peer.send("reply", {}, sent.id);
    await status;
    return { server, env, tt, peer };
  })();
  const { tt } = session;
  const next = await reconnect(session, 4004);
  assert.deepEqual((await next.admit({ session: "secret-2" })).data, { user: "1:1", status: "invisible" });
  next.send("reply", {}, (await next.next("status")).id);
  // One that the server refuses is not that of the next identification.
  const refused = assert.rejects(tt.friends.status("busy", "x".repeat(9999)), { code: "too_large" });
  next.send("error", { code: "too_large", message: "a note is at most 512 bytes" }, (await next.next("status")).id);
  await refused;
  const back = tt.friends.status("online");
  next.send("reply", {}, (await next.next("status")).id);
  await back;
  const last = await reconnect({ ...session, peer: next }, 4004);
  assert.deepEqual((await last.admit({ session: "secret-3" })).data, "1:1");
});

test("block lists are changed and read", async (t) => {
  const { tt, peer } = await online(t);
  for (const [call, data, blocked] of [
    [() => tt.friends.block(["1:2"]), { add: ["1:2"] }, ["1:2"]],
    [() => tt.friends.unblock(["1:2"]), { remove: ["1:2"] }, []],
    [() => tt.friends.blocked(), {}, []],
  ]) {
    const list = call();
    const sent = await peer.next("block");
    assert.deepEqual(sent.data, data);
    peer.send("reply", { blocked }, sent.id);
    assert.deepEqual(await list, blocked);
  }
});
