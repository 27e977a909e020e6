// A leave among other commands: behind queued actions, beside joins, during an outage, and
// after a new session.

import assert from "node:assert/strict";
import { test } from "node:test";
import { online } from "./harness.mjs";

const MEMBERS = { "1:1": { state: "joined" } };
const KINDS = [
  { join: "joingame", leave: "leavegame", open: (tt) => tt.join("C"), joined: { channel: "C", self: "1:1", members: MEMBERS } },
  { join: "joinchannel", leave: "leavechannel", open: (tt) => tt.channel("C"), joined: { channel: "C", epoch: "e", offset: 0 } },
];

/** A client that holds a place. */
async function holder(t, { join, open, joined }, welcome = {}) {
  const session = await online(t, {}, welcome);
  session.tt.on("error", () => {});
  const opening = open(session.tt);
  session.peer.send("joined", joined, (await session.peer.next(join)).id);
  return { ...session, place: await opening };
}

/** Loses the connection; resolves with how to come back, with the session or with a new one. */
async function offline({ server, env, tt, peer }) {
  const lost = tt.once("state");
  peer.terminate();
  const { retry_ms } = await lost;
  return async (welcome) => {
    env.advance(retry_ms);
    const next = await server.accept();
    next.send("idyou", {});
    await next.next("resume");
    next.welcome(welcome);
    return next;
  };
}

/** Checks that nobody has left yet, and that the last holder's leave is sent. */
async function leavesOnce(peer, { leave }, place) {
  assert.deepEqual(peer.unread, [], leave);
  const left = place.leave();
  peer.send("reply", {}, (await peer.next(leave)).id);
  await left;
}

test("a leave and a join during an outage keep the place", async (t) => {
  for (const kind of KINDS) {
    const session = await holder(t, kind);
    const back = await offline(session);
    const left = session.place.leave();
    const opening = kind.open(session.tt);
    const peer = await back({ resumed: true, accepted: 1 });
    peer.send("joined", kind.joined, (await peer.next(kind.join)).id);
    const second = await opening;
    await left;
    await peer.settle(session.tt);
    assert.notEqual(second, session.place);
    await leavesOnce(peer, kind, second);
  }
});

test("a leave and a join while a new session joins again keep the place", async (t) => {
  for (const kind of KINDS) {
    const session = await holder(t, kind);
    const back = await offline(session);
    const peer = await back({ session: "secret-2" });
    const { id } = await peer.next(kind.join);
    const left = session.place.leave();
    const opening = kind.open(session.tt);
    const second = await peer.next(kind.join);
    peer.send("joined", kind.joined, id);
    peer.send("joined", kind.joined, second.id);
    const again = await opening;
    await left;
    await peer.settle(session.tt);
    await leavesOnce(peer, kind, again);
  }
});

test("a leave while a new session joins again is sent when the join is answered", async (t) => {
  for (const kind of KINDS) {
    const session = await holder(t, kind);
    const back = await offline(session);
    const peer = await back({ session: "secret-2" });
    const { id } = await peer.next(kind.join);
    const left = session.place.leave();
    await peer.settle(session.tt);
    assert.deepEqual(peer.unread, []);
    peer.send("joined", kind.joined, id);
    peer.send("reply", {}, (await peer.next(kind.leave)).id);
    await left;
  }
});

test("a leave is sent behind the actions that are queued, and a join takes it back", async (t) => {
  const { env, tt, peer, place: room } = await holder(t, KINDS[0], { limits: { rates: { game: { per_second: 10, burst: 10 } } } });
  const order = [];
  peer.confirm();
  void (async () => {
    for (;;) {
      const { command, data, id } = await peer.next();
      order.push(command === "game" ? data.actions[0].data : command);
      if (command === "leavegame") peer.send("reply", {}, id);
      if (command === "joingame") peer.send("joined", KINDS[0].joined, id);
    }
  })();
  for (let n = 0; n < 20; n += 1) room.act(n);
  const left = room.leave();
  const again = tt.join("C");
  await left;
  const second = await again;
  for (let n = 20; n < 30; n += 1) second.act(n);
  const end = second.leave();
  for (let ms = 0; ms < 4000; ms += 50) {
    env.advance(50);
    await new Promise(setImmediate);
  }
  await end;
  assert.deepEqual(order.filter((one) => typeof one === "number"), Array.from({ length: 30 }, (_, n) => n));
  assert.deepEqual(order.filter((one) => typeof one === "string"), ["joingame", "leavegame"]);
  assert.equal(order.at(-1), "leavegame");
});

test("what was queued for a room that was left during an outage is dropped with its session", async (t) => {
  const session = await holder(t, KINDS[0]);
  const { tt, place: room } = session;
  const errors = [];
  tt.on("error", ({ code }) => errors.push(code));
  const back = await offline(session);
  for (let n = 0; n < 3; n += 1) room.act(n);
  const left = room.leave();
  const peer = await back({ session: "secret-2" });
  await left;
  await peer.settle(tt);
  assert.deepEqual(peer.unread, []);
  assert.deepEqual(errors, ["not_member", "not_member", "not_member"]);
});

test("a join whose answer comes over a transport of nameless answers has its members", async (t) => {
  const { tt, peer } = await online(t);
  const joining = [tt.join("C"), tt.channel("D")];
  peer.send("reply", KINDS[0].joined, (await peer.next("joingame")).id);
  peer.send("reply", { channel: "D", epoch: "e", offset: 3 }, (await peer.next("joinchannel")).id);
  const [room, channel] = await Promise.all(joining);
  assert.deepEqual([...room.members.keys()], ["1:1"]);
  assert.equal(channel.epoch, "e");
});
