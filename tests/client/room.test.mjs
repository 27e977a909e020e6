// Friends, invitations, rooms and channels.

import assert from "node:assert/strict";
import { test } from "node:test";
import { TurntableError, connect } from "../../static/turntable.js";
import { online, reconnect } from "./harness.mjs";

/** A room that has been joined. */
async function joined(t, data = {}, options = {}) {
  const session = await online(t);
  const promise = session.tt.join("CStrike", options);
  const { id } = await session.peer.next("joingame");
  session.peer.send("joined", { channel: "CStrike", self: "1:1", members: { "1:1": { state: "joined" } }, time: 1, ...data }, id);
  return { ...session, room: await promise };
}

test("a subscription is answered with a snapshot; changes follow", async (t) => {
  const { tt, peer } = await online(t);
  const events = [];
  tt.friends.on("change", (event) => events.push(event));
  const states = tt.friends.subscribe(["1:2345", "1:3456"]);
  const { data, id } = await peer.next("subscribe");
  assert.deepEqual(data, ["1:2345", "1:3456"]);
  peer.send("userchange", { "1:2345": "online", "1:3456": "offline" }, id);
  assert.deepEqual(await states, { "1:2345": "online", "1:3456": "offline" });
  peer.send("userchange", { "1:3456": "busy" });
  await peer.settle(tt);
  assert.deepEqual(events, [
    { changes: { "1:2345": "online", "1:3456": "offline" }, snapshot: true },
    { changes: { "1:3456": "busy" }, snapshot: false },
  ]);
  assert.equal(tt.friends.get("1:3456"), "busy");
  assert.deepEqual([...tt.friends.all], [["1:2345", "online"], ["1:3456", "busy"]]);
});

test("a snapshot may arrive in parts and without an id; known ids are not requested again", async (t) => {
  const { env, tt, peer } = await online(t);
  const states = tt.friends.subscribe(["1:2", "1:3"]);
  await peer.next("subscribe");
  peer.send("userchange", { "1:2": "online" });
  peer.send("userchange", { "1:3": "idle" });
  assert.deepEqual(await states, { "1:2": "online", "1:3": "idle" });
  assert.deepEqual(await tt.friends.subscribe(["1:3"]), { "1:3": "idle" });
  assert.deepEqual(await tt.friends.subscribe([]), {});
  env.advance(60); // the answered request must not time out
  await peer.settle(tt);
  assert.deepEqual(peer.unread, []);
});

test("a list of users is an array: a string is not taken character by character", async (t) => {
  const { tt, peer } = await online(t);
  const wrong = { name: "TypeError", message: /^users must be an array of ids/ };
  const calls = ["subscribe", "unsubscribe", "lookup", "block", "unblock"].map((name) => tt.friends[name]("1:2"));
  for (const call of [...calls, tt.join("R", { invite: "1:2" })]) await assert.rejects(call, wrong);
  await peer.settle(tt);
  assert.deepEqual(peer.unread, []);
});

test("an id with a lone surrogate is refused at once, wherever it is given", async (t) => {
  const { tt, peer } = await online(t);
  const lists = ["subscribe", "unsubscribe", "lookup", "block", "unblock"].map((name) => tt.friends[name](["1:2", "1:\ud800x"]));
  const invited = tt.join("R", { invite: ["1:\udc00"] });
  for (const call of [...lists, invited, tt.call("f", {}, { user: "1:\ud800" })]) {
    await assert.rejects(call, { name: "TypeError", message: /^the id of a user has a lone surrogate: "1:\\ud/ });
  }
  for (const place of [tt.join("s\ud800"), tt.channel("s/\udc00")]) await assert.rejects(place, { code: "invalid_id" });
  assert.equal(tt.room("s\ud800"), undefined);
  assert.throws(() => connect("http://a", { user: "1:\ud800" }), TypeError);
  // A pair is a character.
  const joined = tt.join("\ud83d\ude00");
  peer.send("joined", { channel: "\ud83d\ude00", self: "1:1", members: {} }, (await peer.next("joingame")).id);
  assert.equal((await joined).channel, "\u{1f600}");
  assert.deepEqual(peer.unread, []);
});

test("a long subscription is split into several messages", async (t) => {
  const { tt, peer } = await online(t);
  const ids = Array.from({ length: 600 }, (_, index) => `1:${index}`);
  const states = tt.friends.subscribe(ids);
  const pieces = [await peer.next("subscribe"), await peer.next("subscribe"), await peer.next("subscribe")];
  assert.deepEqual(pieces.flatMap(({ data }) => data), ids);
  for (const { data, id } of pieces) peer.send("userchange", Object.fromEntries(data.map((one) => [one, "offline"])), id);
  assert.equal(Object.keys(await states).length, 600);
});

test("a refused subscription rejects and is not repeated", async (t) => {
  const session = await online(t);
  const { tt, peer } = session;
  const refused = assert.rejects(tt.friends.subscribe(["nonsense"]), (error) => error.code === "invalid_id");
  peer.send("error", { code: "invalid_id", message: "no" }, (await peer.next("subscribe")).id);
  await refused;
  const next = await reconnect(session);
  next.send("idyou", {});
  await next.next("resume");
  next.welcome({ session: "secret-2" });
  await next.settle(tt);
  assert.deepEqual(next.unread, []);
});

test("after unsubscribe no changes are emitted, and the server receives it even after a reconnection", async (t) => {
  const session = await online(t);
  const { tt, peer, env, server } = session;
  const states = tt.friends.subscribe(["1:2", "1:3"]);
  peer.send("userchange", { "1:2": "online", "1:3": "online" }, (await peer.next("subscribe")).id);
  await states;
  const unsubscribed = tt.friends.unsubscribe(["1:2"]);
  const changes = [];
  tt.friends.on("change", (event) => changes.push(event.changes));
  peer.send("userchange", { "1:2": "offline" }); // sent before the server received the unsubscription
  const { data, id } = await peer.next("unsubscribe");
  assert.deepEqual(data, ["1:2"]);
  peer.send("reply", {}, id);
  await unsubscribed;
  assert.deepEqual(changes, []);
  assert.equal(tt.friends.get("1:2"), undefined);
  const offline = tt.once("state");
  peer.terminate();
  const { retry_ms } = await offline;
  await tt.friends.unsubscribe(["1:3"]);
  env.advance(retry_ms);
  const next = await server.accept();
  next.send("idyou", {});
  await next.next("resume");
  next.welcome({ resumed: true });
  assert.deepEqual((await next.next("unsubscribe")).data, ["1:3"]);
});

test("a subscription that ended offline ends on the server, also if another one began and ended meanwhile", async (t) => {
  const session = await online(t);
  const { tt, peer, env, server } = session;
  const subscribed = tt.friends.subscribe(["1:2", "1:3"]);
  peer.send("userchange", { "1:2": "online", "1:3": "online" }, (await peer.next("subscribe")).id);
  const states = await subscribed;
  const offline = tt.once("state");
  peer.terminate();
  const { retry_ms } = await offline;
  await tt.friends.unsubscribe(states);
  const controller = new AbortController();
  const again = assert.rejects(tt.friends.subscribe(["1:2"], { signal: controller.signal }), { name: "AbortError" });
  controller.abort();
  await again;
  const other = tt.friends.subscribe(["1:3"]);
  env.advance(retry_ms);
  const next = await server.accept();
  next.send("idyou", {});
  await next.next("resume");
  next.welcome({ resumed: true });
  const one = await next.next();
  assert.deepEqual([one.command, one.data], ["unsubscribe", ["1:2"]]);
  next.send("reply", {}, one.id);
  const { command, data, id } = await next.next();
  assert.deepEqual([command, data], ["subscribe", ["1:3"]]);
  next.send("userchange", { "1:3": "busy" }, id);
  assert.deepEqual(await other, { "1:3": "busy" });
  const ended = tt.friends.unsubscribe(["1:3"]);
  next.send("reply", {}, (await next.next("unsubscribe")).id);
  await ended;
});

test("lookup queries once without a subscription", async (t) => {
  const { tt, peer } = await online(t);
  const answer = tt.friends.lookup(["1:2"]);
  const { data, id } = await peer.next("lookup");
  assert.deepEqual(data, ["1:2"]);
  peer.send("reply", { "1:2": { state: "offline", last_seen: 5, devices: 0 } }, id);
  assert.deepEqual(await answer, { "1:2": { state: "offline", last_seen: 5, devices: 0 } });
});

test("join returns the members and the stored state", async (t) => {
  const { tt, peer } = await online(t);
  const promise = tt.join("/CStrike", { team: "red", invite: ["1:2"], game: "strike" });
  assert.equal(tt.room("CStrike"), undefined);
  const { data, id } = await peer.next("joingame");
  assert.deepEqual(data, { channel: "CStrike", self: "1:1", team: "red", invite: ["1:2"], game: "strike" });
  const members = { "1:1": { team: "red", state: "joined" }, "1:9": { team: "blue", state: "away" } };
  peer.send("joined", { channel: "CStrike", self: "1:1", team: "red", members, state: { board: [1] }, time: 5 }, id);
  const room = await promise;
  assert.equal(tt.room("/CStrike"), room);
  assert.deepEqual([room.channel, room.self, room.team, room.game, room.state], ["CStrike", "1:1", "red", "strike", { board: [1] }]);
  assert.deepEqual([...room.members], Object.entries(members));
  const again = tt.join("CStrike");
  peer.send("joined", { channel: "CStrike", self: "1:1", team: "red", members }); // without an id
  assert.deepEqual([...(await again).members.keys()], ["1:1", "1:9"]);
});

test("messages for a room before its `joined` are ignored", async (t) => {
  const { tt, peer } = await online(t);
  const promise = tt.join("CStrike");
  const { id } = await peer.next("joingame");
  const action = { timestamp: 1, from: "1:1", data: 1 };
  // From an earlier membership, in flight when the room was left.
  peer.send("game", { channel: "CStrike", actions: [action] });
  peer.send("memberchange", { channel: "CStrike", members: { "1:1": "left" } });
  peer.send("joined", { channel: "CStrike", self: "1:1", members: {} }, id);
  const room = await promise;
  const received = [];
  room.on("action", ({ data }) => received.push(data));
  peer.send("game", { channel: "CStrike", actions: [{ ...action, data: 2 }] });
  await peer.settle(tt);
  assert.deepEqual(received, [2]);
  assert.equal(tt.room("CStrike"), room);
});

test("a refused join rejects and leaves no room", async (t) => {
  const { tt, peer } = await online(t);
  const refused = assert.rejects(tt.join("CStrike"), (error) => error.code === "room_full" && error.command === "joingame");
  peer.send("error", { code: "room_full", message: "8 of 8" }, (await peer.next("joingame")).id);
  await refused;
  assert.equal(tt.room("CStrike"), undefined);
});

test("actions have timestamps of the local clock and arrive in order", async (t) => {
  const { env, tt, peer, room } = await joined(t, { team: "red" });
  const received = [];
  room.on("actions", (actions) => received.push(actions.length));
  room.on("action", (action) => received.push(action));
  env.now = 7123.45678;
  assert.equal(room.act([{ move: 1 }, { move: 2 }]), true);
  room.act(null, { timestamp: 7000 });
  const { data } = await peer.next("game");
  const stamp = { timestamp: 7123.457, from: "1:1", team: "red" };
  assert.deepEqual(data, { channel: "CStrike", actions: [{ ...stamp, data: { move: 1 } }, { ...stamp, data: { move: 2 } }] });
  assert.equal(tt.clock.local(), 7123.457);
  assert.deepEqual((await peer.next("game")).data.actions, [{ timestamp: 7000, from: "1:1", data: null, team: "red" }]);
  const actions = [{ timestamp: 1_700_000_000_001, from: "1:2", data: "x" }, { timestamp: 1_700_000_000_002, from: "1:1", data: { move: 1 }, team: "red" }];
  peer.send("game", { channel: "CStrike", actions });
  peer.send("game", { channel: "Other", actions });
  await peer.settle(tt);
  assert.deepEqual(received, [2, ...actions]);
});

test("a refused action is reported by the room and by the client", async (t) => {
  const { tt, peer, room } = await joined(t);
  room.act("a");
  room.act("cheat");
  await peer.next("game");
  const { id } = await peer.next("game");
  const error = tt.once("error");
  const refused = room.once("refused");
  peer.send("error", { code: "invalid_action", message: "no", command: "game", details: { index: 0 } }, id);
  assert.deepEqual([(await refused).data, (await refused).error.details], [["cheat"], { index: 0 }]);
  assert.equal((await error).code, "invalid_action");
});

test("join and channel reject what is no id", async (t) => {
  const { tt, peer } = await online(t);
  for (const id of [5, undefined, null, {}]) {
    for (const [joining, command] of [[tt.join(id), "joingame"], [tt.channel(id), "joinchannel"]]) {
      await assert.rejects(joining, (error) => error instanceof TurntableError && error.code === "invalid_id" && error.command === command);
    }
    assert.equal(tt.room(id), undefined);
  }
  const joining = tt.join("C", null);
  peer.send("joined", { channel: "C", members: {} }, (await peer.next("joingame")).id);
  assert.equal((await joining).channel, "C");
});

test("act returns false where nothing is sent: without actions, and behind leave", async (t) => {
  const { tt, peer, room } = await joined(t);
  const errors = [];
  tt.on("error", ({ code, command }) => errors.push([code, command]));
  room.on("refused", () => errors.push("muted"));
  assert.equal(room.act([]), false);
  assert.deepEqual(errors, []);
  const left = room.leave();
  assert.equal(room.act("late"), false);
  peer.send("reply", {}, (await peer.next("leavegame")).id);
  await left;
  assert.equal(room.act("later"), false);
  assert.deepEqual(errors, Array(2).fill(["not_member", "game"]));
  await peer.settle(tt);
  assert.deepEqual(peer.unread, []);
});

test("members join, disconnect, return and leave", async (t) => {
  const { tt, peer, room } = await joined(t);
  const seen = [];
  room.on("members", ({ changes }) => seen.push(changes));
  const step = async (change) => {
    peer.send("memberchange", { channel: "CStrike", members: { "1:2": change } });
    await peer.settle(tt);
    return room.members.get("1:2");
  };
  assert.deepEqual(await step("joined"), { team: undefined, state: "joined" });
  peer.send("game", { channel: "CStrike", actions: [{ timestamp: 1, from: "1:2", data: 1, team: "blue" }] });
  assert.deepEqual(await step("away"), { team: "blue", state: "away" });
  assert.deepEqual(await step("back"), { team: "blue", state: "joined" });
  assert.equal(await step("left"), undefined);
  assert.deepEqual(seen.map((changes) => changes["1:2"]), ["joined", "away", "back", "left"]);
});

test("leave sends leavegame; a removed member gets `left` and does not join again after a reconnection", async (t) => {
  const session = await joined(t);
  const { tt, peer, room } = session;
  const left = room.once("left");
  peer.send("memberchange", { channel: "CStrike", members: { "1:1": "left" } });
  assert.deepEqual(await left, { reason: "removed" });
  assert.equal(tt.room("CStrike"), undefined);
  const again = tt.join("CStrike");
  peer.send("joined", { channel: "CStrike", self: "1:1", members: {} }, (await peer.next("joingame")).id);
  const second = await again;
  second.on("left", () => assert.fail("leave() must not emit left"));
  const leaving = second.leave();
  const { data, id } = await peer.next("leavegame");
  assert.deepEqual(data, { channel: "CStrike" });
  peer.send("memberchange", { channel: "CStrike", members: { "1:1": "left" } });
  peer.send("reply", {}, id);
  await leaving;
  const next = await reconnect(session);
  next.send("idyou", {});
  await next.next("resume");
  next.welcome({ session: "secret-2" });
  await next.settle(tt);
  assert.deepEqual(next.unread, []);
});

test("leave while offline is sent on the resumed session", async (t) => {
  const { tt, peer, room, env, server } = await joined(t);
  const offline = tt.once("state");
  peer.terminate();
  const { retry_ms } = await offline;
  const leaving = room.leave();
  env.advance(retry_ms);
  const next = await server.accept();
  next.send("idyou", {});
  await next.next("resume");
  next.welcome({ resumed: true });
  next.send("reply", {}, (await next.next("leavegame")).id);
  await leaving;
});

test("a room that refuses to be joined again emits `left`", async (t) => {
  const session = await joined(t);
  const next = await reconnect(session);
  next.send("idyou", {});
  await next.next("resume");
  next.welcome({ session: "secret-2" });
  const left = session.room.once("left");
  next.send("error", { code: "room_full", message: "8 of 8" }, (await next.next("joingame")).id);
  const { reason, error } = await left;
  assert.deepEqual([reason, error.code], ["refused", "room_full"]);
});

test("invite sends joingame with the invited users", async (t) => {
  const { tt, peer, room } = await joined(t, { team: "red" });
  room.on("joined", () => assert.fail("joined is emitted only after a reconnection"));
  const invited = room.invite(["1:2"]);
  const { data, id } = await peer.next("joingame");
  assert.deepEqual(data, { channel: "CStrike", self: "1:1", team: "red", invite: ["1:2"] });
  peer.send("joined", { channel: "CStrike", self: "1:1", team: "red", members: {} }, id);
  await invited;
  const reply = room.once("invitereply");
  const event = tt.once("invitereply");
  peer.send("invitereply", { channel: "CStrike", user: "1:2", accepted: false });
  assert.deepEqual(await reply, { user: "1:2", accepted: false });
  assert.deepEqual(await event, { channel: "CStrike", user: "1:2", accepted: false });
});

test("accept joins the room of an invitation", async (t) => {
  const { tt, peer } = await online(t);
  const invite = tt.once("invite");
  peer.send("invite", { channel: "CStrike", from: "1:2" });
  const { channel, from, accept } = await invite;
  assert.deepEqual([channel, from], ["CStrike", "1:2"]);
  const joined = accept({ team: "blue" });
  const { data, id } = await peer.next("joingame");
  assert.deepEqual(data, { channel: "CStrike", self: "1:1", team: "blue" });
  peer.send("joined", { channel: "CStrike", self: "1:1", team: "blue", members: {} }, id);
  assert.equal(await joined, tt.room("CStrike"));
});

test("decline sends declineinvite", async (t) => {
  const { tt, peer } = await online(t);
  const invite = tt.once("invite");
  peer.send("invite", { channel: "CStrike", from: "1:2" });
  (await invite).decline();
  assert.deepEqual((await peer.next("declineinvite")).data, { channel: "CStrike" });
  assert.deepEqual(peer.unread, []);
});

/** A channel that has been joined. */
async function joinedChannel(t, data = {}, options = {}, path = "chat/lobby") {
  const session = await online(t);
  const promise = session.tt.channel(path, options);
  const request = await session.peer.next("joinchannel");
  session.peer.send("joined", { channel: path, epoch: "e1", offset: 3, recovered: false, ...data }, request.id);
  return { ...session, request, channel: await promise };
}

test("a channel is joined, publishes, receives and is left", async (t) => {
  const { tt, peer, request, channel } = await joinedChannel(t, {}, { history: 2 });
  assert.deepEqual(request.data, { channel: "chat/lobby", history: 2 });
  assert.deepEqual([channel.path, channel.epoch, channel.offset, channel.recovered], ["chat/lobby", "e1", 3, false]);
  const received = [];
  channel.on("message", ({ data, offset }) => received.push([offset, data]));
  // History has offsets up to that of the join.
  for (const offset of [2, 3, 4]) peer.send("message", { channel: "chat/lobby", id: `m${offset}`, offset, from: "1:2", time: 1, data: `d${offset}` });
  const published = channel.publish({ text: "hi" });
  const { data, id } = await peer.next("publish");
  assert.deepEqual(data, { channel: "chat/lobby", data: { text: "hi" } });
  peer.send("reply", { id: "m5", offset: 5, epoch: "e1" }, id);
  assert.deepEqual(await published, { id: "m5", offset: 5, epoch: "e1" });
  assert.deepEqual(received, [[2, "d2"], [3, "d3"], [4, "d4"]]);
  assert.equal(channel.offset, 4);
  const left = channel.leave();
  peer.send("reply", {}, (await peer.next("leavechannel")).id);
  await left;
  peer.send("message", { channel: "chat/lobby", id: "m6", offset: 6, from: "1:2", time: 1, data: "late" });
  await peer.settle(tt);
  assert.equal(received.length, 3);
});

test("messages of paths below are received with subpaths: true only", async (t) => {
  const { tt, peer, channel } = await joinedChannel(t, {}, { subpaths: true }, "chat");
  const received = [];
  channel.on("message", (message) => received.push(message.channel));
  for (const path of ["chat/eu/1", "chat", "chatter", "other/chat"]) {
    peer.send("message", { channel: path, id: path, offset: 4, from: "1:2", time: 1, data: 1 });
  }
  await peer.settle(tt);
  assert.deepEqual(received, ["chat/eu/1", "chat"]);
  assert.equal(channel.offset, 4);
});

test("a position of the caller is continued from the last message that arrived", async (t) => {
  const since = { epoch: "e1", offset: 2 };
  const session = await joinedChannel(t, { offset: 5, recovered: true }, { since, history: 2 });
  const { tt, peer, channel } = session;
  assert.equal(channel.offset, 2);
  const message = (offset) => ({ channel: "chat/lobby", id: `m${offset}`, offset, from: "1:2", time: 1, data: 1 });
  peer.send("message", message(3));
  await peer.settle(tt);
  const next = await reconnect(session);
  next.send("idyou", {});
  await next.next("resume");
  next.send("error", { code: "session_expired", message: "gone" });
  await next.next("idme");
  next.welcome();
  // Without the position the last messages are better than none.
  assert.deepEqual((await next.next("joinchannel")).data, { channel: "chat/lobby", since: { epoch: "e1", offset: 3 }, history: 2 });
});

/** The data of the `joinchannel` that follows when the session is lost with its connection. */
async function rejoined(session, answer) {
  const next = await reconnect(session);
  next.send("idyou", {});
  await next.next("resume");
  next.send("error", { code: "session_expired", message: "gone" });
  await next.next("idme");
  next.welcome();
  const request = await next.next("joinchannel");
  next.send("joined", { channel: "chat/lobby", epoch: "e1", ...answer }, request.id);
  await next.settle(session.tt);
  return [{ ...session, peer: next }, request.data];
}

test("past messages that were requested and did not arrive are requested again", async (t) => {
  const session = await joinedChannel(t, { offset: 9 }, { history: 5 });
  const { channel } = session;
  assert.equal(channel.offset, 9);
  // Nothing arrived: the last five of nine are still to come, and what was published since.
  const [second, data] = await rejoined(session, { offset: 11, recovered: true });
  assert.deepEqual(data, { channel: "chat/lobby", since: { epoch: "e1", offset: 4 }, history: 5 });
  const [third, again] = await rejoined(second, { offset: 90, recovered: false });
  assert.deepEqual(again.since, { epoch: "e1", offset: 4 });
  // Those that are retained instead did not arrive either.
  const [fourth, later] = await rejoined(third, { offset: 90, recovered: true });
  assert.deepEqual(later.since, { epoch: "e1", offset: 85 });
  fourth.peer.send("message", { channel: "chat/lobby", id: "m86", offset: 86, from: "1:2", time: 1, data: 1 });
  await fourth.peer.settle(session.tt);
  const [, last] = await rejoined(fourth, { offset: 90, recovered: true });
  assert.deepEqual(last.since, { epoch: "e1", offset: 86 });
});

test("a channel that was empty at its first join continues from there", async (t) => {
  const session = await joinedChannel(t, { offset: 0 }, { history: 5 });
  const [, data] = await rejoined(session, { offset: 2, recovered: true });
  assert.deepEqual(data.since, { epoch: "e1", offset: 0 });
});

test("past messages of a path below are no messages of a channel with subpaths", async (t) => {
  const { tt, peer, channel } = await joinedChannel(t, {}, { subpaths: true }, "chat");
  const received = [];
  channel.on("message", ({ offset }) => received.push(offset));
  const message = (offset) => ({ channel: "chat/eu", id: `m${offset}`, offset, from: "1:2", time: 1, data: 1 });
  for (const offset of [1, 2]) peer.send("message", message(offset));
  const joining = tt.channel("chat/eu", { history: 5 });
  const { id } = await peer.next("joinchannel");
  peer.send("joined", { channel: "chat/eu", epoch: "e2", offset: 2, recovered: false }, id);
  const below = await joining;
  const past = [];
  below.on("message", ({ offset }) => past.push(offset));
  for (const offset of [1, 2, 3]) peer.send("message", message(offset));
  await peer.settle(tt);
  assert.deepEqual(past, [1, 2, 3]);
  assert.deepEqual(received, [1, 2, 3]);
});

test("a new life of a channel is a gap, and another holder's join is none", async (t) => {
  const { tt, peer, channel } = await joinedChannel(t);
  const events = [];
  channel.on("joined", ({ recovered }) => events.push(recovered));
  channel.on("gap", (position) => events.push(position));
  channel.on("message", ({ offset }) => events.push(offset));
  const message = (offset) => ({ channel: "chat/lobby", id: `m${offset}`, offset, from: "1:2", time: 1, data: 1 });
  peer.send("message", message(4));
  const other = tt.channel("chat/lobby");
  peer.send("joined", { channel: "chat/lobby", epoch: "e1", offset: 4, recovered: false }, (await peer.next("joinchannel")).id);
  assert.equal((await other).offset, 4);
  assert.deepEqual(events, [4]);
  peer.send("joined", { channel: "chat/lobby", epoch: "e2", offset: 0, recovered: false });
  peer.send("message", message(1));
  await peer.settle(tt);
  assert.deepEqual(events, [4, false, { epoch: "e2", offset: 0 }, 1]);
});

test("a recovered channel continues after the last emitted message, without duplicates", async (t) => {
  const session = await joinedChannel(t);
  const { tt, peer, channel } = session;
  const received = [];
  channel.on("message", ({ offset }) => received.push(offset));
  channel.on("gap", () => assert.fail("no message was missed"));
  channel.on("joined", ({ recovered }) => received.push({ recovered }));
  const message = (offset) => ({ channel: "chat/lobby", id: `m${offset}`, offset, from: "1:2", time: 1, data: 1 });
  peer.send("message", message(4));
  await peer.settle(tt);
  const rejoin = async (from) => {
    const next = await reconnect({ ...session, peer: from });
    next.send("idyou", {});
    await next.next("resume");
    next.send("error", { code: "session_expired", message: "gone" });
    await next.next("idme");
    next.welcome();
    const request = await next.next("joinchannel");
    next.send("joined", { channel: "chat/lobby", epoch: "e1", offset: 6, recovered: true }, request.id);
    return [next, request.data.since];
  };
  const [second, since] = await rejoin(peer);
  assert.deepEqual(since, { epoch: "e1", offset: 4 });
  // Only one of the two missed messages arrives before the connection is lost again.
  for (const offset of [4, 5]) second.send("message", message(offset));
  await second.settle(tt);
  const [, later] = await rejoin(second);
  assert.deepEqual(later, { epoch: "e1", offset: 5 });
  assert.deepEqual(received.slice(0, 3), [4, { recovered: true }, 5]);
});

test("a refused action is written to the console only where nobody listens", async (t) => {
  const lines = [];
  t.mock.method(console, "warn", (line) => lines.push(line));
  const { tt, peer, room } = await joined(t);
  const refuse = async () => {
    room.act("x");
    const { id } = await peer.next("game");
    peer.send("error", { code: "invalid_action", message: "no", command: "game" }, id);
    await peer.settle(tt);
    return lines.splice(0).length;
  };
  assert.equal(await refuse(), 1);
  const heard = [];
  const stop = room.on("refused", ({ error }) => heard.push(error.code));
  assert.equal(await refuse(), 0);
  const end = tt.on("error", ({ code }) => heard.push(`client ${code}`));
  assert.equal(await refuse(), 0);
  stop();
  assert.equal(await refuse(), 0);
  end();
  assert.equal(await refuse(), 1);
  assert.deepEqual(heard, ["invalid_action", "invalid_action", "client invalid_action", "client invalid_action"]);
});
