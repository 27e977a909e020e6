// Desired state (provided services, the status) that a new session is refused.

import assert from "node:assert/strict";
import { test } from "node:test";
import { online, reconnect } from "./harness.mjs";

/** A client that provides a service, in a new session that has not answered the provide. */
async function again(t) {
  const session = await online(t);
  const { tt, peer } = session;
  const errors = [];
  tt.on("error", ({ code, command }) => errors.push([code, command]));
  const provided = tt.provide("friends", { hello: () => 1 });
  peer.send("reply", {}, (await peer.next("provide")).id);
  await provided;
  const next = await renewed(session);
  return { ...session, peer: next, errors };
}

/** Another connection, with a new session. */
async function renewed(session) {
  const peer = await reconnect(session);
  peer.send("idyou", {});
  await peer.next("resume");
  peer.welcome({ session: `secret-${session.env.now}`, resumed: false });
  return peer;
}

const PROVIDED = { services: { friends: ["hello"] } };

test("a provided service that a new session is refused for the moment is provided a little later", async (t) => {
  const session = await again(t);
  const { env, tt, peer, errors } = session;
  for (const [code, details, ms] of [["rate_limited", { retry_ms: 700 }, 700], ["unavailable", undefined, 2000], ["internal", undefined, 2000]]) {
    const { data, id } = await peer.next("provide");
    assert.deepEqual(data, PROVIDED);
    peer.send("error", { code, message: code, command: "provide", details }, id);
    await peer.settle(tt);
    env.advance(ms - 1);
    await peer.settle(tt);
    assert.deepEqual(peer.unread, []);
    env.advance(1);
  }
  peer.send("reply", {}, (await peer.next("provide")).id);
  await peer.settle(tt);
  env.advance(5000);
  await peer.settle(tt);
  assert.deepEqual([peer.unread, errors], [[], []]);
  // A later session has it as well.
  assert.deepEqual((await (await renewed(session)).next("provide")).data, PROVIDED);
});

test("a provided service that a new session is refused for good is reported", async (t) => {
  const { env, tt, peer, errors } = await again(t);
  peer.send("error", { code: "forbidden", message: "no", command: "provide" }, (await peer.next("provide")).id);
  await peer.settle(tt);
  env.advance(5000);
  await peer.settle(tt);
  assert.deepEqual([peer.unread, errors], [[], [["forbidden", "provide"]]]);
});

test("functions that are provided stay so if the server refuses others, also in a new session", async (t) => {
  const session = await online(t);
  const { tt, peer } = session;
  const provided = tt.provide("friends", { hello: () => 1 });
  peer.send("reply", {}, (await peer.next("provide")).id);
  await provided;
  const refused = tt.provide("chat", { send: () => 1 });
  const { data, id } = await peer.next("provide");
  assert.deepEqual(data.services, { friends: ["hello"], chat: ["send"] });
  peer.send("error", { code: "unavailable", message: "full", command: "provide" }, id);
  await assert.rejects(refused, (error) => error.code === "unavailable");
  const next = await renewed(session);
  assert.deepEqual((await next.next("provide")).data, PROVIDED);
});

test("a value that is refused after a new session has begun gives way to the one before", async (t) => {
  const session = await online(t);
  const { tt, peer } = session;
  const provided = tt.provide("friends", { hello: () => 1 });
  peer.send("reply", {}, (await peer.next("provide")).id);
  await provided;
  const refused = tt.provide("chat", { send: () => 1 });
  await peer.next("provide");
  const next = await renewed(session);
  next.send("error", { code: "forbidden", message: "no", command: "provide" }, (await next.next("provide")).id);
  await assert.rejects(refused, (error) => error.code === "forbidden");
  assert.deepEqual((await next.next("provide")).data, PROVIDED);
});

test("a caller that waits is refused, and nothing is sent again", async (t) => {
  const { env, tt, peer } = await online(t);
  const status = tt.friends.status("busy");
  peer.send("error", { code: "unavailable", message: "no", command: "status" }, (await peer.next("status")).id);
  await assert.rejects(status, (error) => error.code === "unavailable");
  env.advance(5000);
  await peer.settle(tt);
  assert.deepEqual(peer.unread, []);
});

/** Two services that are provided at once, before either is answered. */
async function two(t, first, second) {
  const session = await online(t);
  const { tt, peer } = session;
  const provided = [first, second].map((name) => tt.provide(name, { f: () => 1 }));
  const outcomes = Promise.all(provided.map((one) => one.then(() => "provided", ({ code }) => code)));
  const ids = [(await peer.next("provide")).id, (await peer.next("provide")).id];
  return { session, outcomes, ids, peer };
}

const refusal = { code: "unavailable", message: "full", command: "provide" };

test("a service that is provided while another is refused right behind it is provided again in a new session", async (t) => {
  const { session, outcomes, ids, peer } = await two(t, "good", "bad");
  peer.send("reply", {}, ids[0]);
  peer.send("error", refusal, ids[1]);
  assert.deepEqual(await outcomes, ["provided", "unavailable"]);
  assert.deepEqual((await (await renewed(session)).next("provide")).data, { services: { good: ["f"] } });
});

test("a service that is refused while another is provided right behind it is not provided again", async (t) => {
  const { session, outcomes, ids, peer } = await two(t, "bad", "good");
  peer.send("error", refusal, ids[0]);
  peer.send("reply", {}, ids[1]);
  assert.deepEqual(await outcomes, ["unavailable", "provided"]);
  assert.deepEqual((await (await renewed(session)).next("provide")).data, { services: { good: ["f"] } });
});
