// The avatar object: services in both directions, attributes, authentication.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ClientAvatar, TurntableError } from "../../static/turntable.js";
import { fake } from "./fake_server.mjs";
import { ManualEnvironment, WebSocket, reconnect, serve } from "./harness.mjs";

const forum = { forum: { state: "enabled", functions: ["createPost"] } };

/** An avatar of a scripted server, which is disconnected after the test. */
async function begin(t, options = {}) {
  const server = await serve(t);
  const env = new ManualEnvironment();
  const av = ClientAvatar(server.url, { WebSocket, transports: ["websocket"], environment: env, ...options });
  t.after(() => av.disconnect());
  return { server, env, av };
}

/** A connected avatar with its peer. */
async function connected(t, welcome = {}) {
  const session = await begin(t, { user: "1:1" });
  const { server, av } = session;
  const met = called(av, "onConnect");
  av.connect();
  const peer = await server.accept();
  await peer.admit(welcome);
  await met;
  return { ...session, peer };
}

/** Resolves with what the listener gets that is added by `method`. */
function called(of, method) {
  return new Promise((resolve) => {
    const stop = of[method]((detail) => {
      stop();
      resolve(detail);
    });
  });
}

/** Sends `idyou` and refuses the identification; resolves with its data. */
async function refuse(peer, error = { code: "unauthorized", message: "credentials are wanted", details: { reason: "invalid" } }) {
  peer.send("idyou", {});
  const { data } = await peer.next("idme");
  peer.send("error", { ...error, command: "idme" });
  return data;
}

test("a function of a service calls back with its result or its error, or returns a promise", async (t) => {
  const { av, peer } = await connected(t, { services: forum });
  const posted = new Promise((resolve) => av.forum.createPost({ title: "test post" }, (...all) => resolve(all)));
  const first = await peer.next("call");
  assert.deepEqual(first.data, { f: "forum:createPost", args: { title: "test post" } });
  peer.send("reply", { post: 7 }, first.id);
  assert.deepEqual(await posted, [{ post: 7 }]);
  const failed = new Promise((resolve) => av.forum.createPost((...all) => resolve(all)));
  const second = await peer.next("call");
  assert.deepEqual(second.data, { f: "forum:createPost", args: null });
  peer.send("error", { code: "refused", message: "no title" }, second.id);
  const [result, error] = await failed;
  assert.ok(error instanceof TurntableError && result === error);
  assert.deepEqual([error.code, error.message], ["refused", "no title"]);
  const promise = av.forum.createPost(1);
  peer.send("reply", 2, (await peer.next("call")).id);
  assert.equal(await promise, 2);
  const rejected = assert.rejects(av.service("set").x(), { code: "not_found" });
  const third = await peer.next("call");
  assert.equal(third.data.f, "set:x");
  peer.send("error", { code: "not_found", message: "no such service" }, third.id);
  await rejected;
});

test("services that are added before and after the connection are announced, and called", async (t) => {
  const { server, av } = await begin(t, { user: "1:1" });
  assert.equal(av.addService("friends", { newFriend: (name) => `hello ${name}` }), av);
  assert.equal(av.connect(), av);
  const peer = await server.accept();
  await peer.admit();
  const announced = await peer.next("provide");
  assert.deepEqual(announced.data, { services: { friends: ["newFriend"] } });
  peer.send("reply", {}, announced.id);
  av.addService("chat", { sendMessage: () => 1 });
  const more = await peer.next("provide");
  assert.deepEqual(more.data, { services: { friends: ["newFriend"], chat: ["sendMessage"] } });
  peer.send("reply", {}, more.id);
  peer.send("call", { f: "friends:newFriend", args: "Mel" }, 1);
  assert.deepEqual(await peer.next("reply"), { command: "reply", data: "hello Mel", id: 1 });
});

test("an avatar offers functions under the name of a service of the server without an error", async (t) => {
  const { av, peer } = await connected(t, { services: { chat: { state: "enabled", functions: ["say"] } } });
  const errors = [];
  av.onError((error) => errors.push(error));
  av.addService("chat", { sendMessage: () => 1 });
  const { id } = await peer.next("provide");
  peer.send("reply", { services: [], own: ["chat"] }, id);
  await peer.settle(av.client);
  assert.deepEqual([errors, av.chat.functions], [[], ["say"]]);
});

test("onDisable and onEnable of a service are called when its state changes, and no others", async (t) => {
  const session = await connected(t, { services: { ...forum, chat: { state: "enabled", functions: ["send"] } } });
  const { av, peer } = session;
  const seen = [];
  av.chat.onDisable((avatar) => seen.push(["disable", avatar === av, av.chat.enabled]));
  const stop = av.chat.onEnable(() => seen.push(["enable", av.chat.enabled, [...av.chat.functions]]));
  av.forum.onDisable(() => seen.push("forum"));
  assert.equal(av.chat.enabled, true);
  peer.send("service", { chat: { state: "disabled", functions: ["send"] } });
  peer.send("service", { chat: { state: "disabled", functions: [] } });
  peer.send("service", { chat: { state: "enabled", functions: ["send", "leave"] } });
  await peer.settle(av.client);
  assert.deepEqual(seen.splice(0), [["disable", true, false], ["enable", true, ["send", "leave"]]]);
  stop();
  // What changed while the avatar was offline is reported after it.
  const lost = called(av, "onDisconnect");
  peer.terminate();
  assert.equal(await lost, av);
  assert.equal(av.authenticated, true);
  const back = called(av, "onConnect");
  session.env.advance(10_000);
  const next = await session.server.accept();
  next.send("idyou", {});
  await next.next("resume");
  next.welcome({ resumed: true, services: forum });
  assert.equal(await back, av);
  assert.deepEqual([seen.splice(0), av.chat.enabled], [[["disable", true, false]], false]);
});

test("an avatar without credentials is connected and not authenticated, until authenticate succeeds", async (t) => {
  const { server, av } = await begin(t);
  av.addService("friends", { newFriend: () => 1 });
  const watched = [];
  av.watch("email", (value) => watched.push(value));
  const connects = [];
  av.onConnect((avatar) => connects.push(avatar.authenticated));
  const met = called(av, "onConnect");
  av.connect();
  assert.equal(av.authenticated, false);
  assert.deepEqual(await refuse(await server.accept()), {});
  assert.equal(await met, av);
  assert.deepEqual([av.authenticated, av.connected, connects], [false, true, [false]]);
  await assert.rejects(av.forum.createPost(), { code: "not_identified" });
  // A failure calls back too.
  const failed = new Promise((resolve) => av.authenticate({ user: "1:7", password: "wrong" }, (...all) => resolve(all)));
  assert.deepEqual(await refuse(await server.accept()), { user: "1:7", credentials: { password: "wrong" } });
  const [same, error] = await failed;
  assert.deepEqual([same === av, error.code, av.authenticated], [true, "unauthorized", false]);
  const done = av.authenticate({ user: "1:7", password: "right" });
  const peer = await server.accept();
  const { data } = await peer.admit({ user: "1:7", attributes: { email: "a@b" } });
  assert.deepEqual(data, { user: "1:7", credentials: { password: "right" } });
  assert.equal(await done, av);
  assert.deepEqual([av.authenticated, av.user, connects], [true, "1:7", [false]]);
  assert.deepEqual((await peer.next("provide")).data, { services: { friends: ["newFriend"] } });
  peer.send("attributes", { email: "c@d" });
  await peer.settle(av.client);
  assert.deepEqual([watched, av.get("email")], [["a@b", "c@d"], "c@d"]);
});

test("onConnect is called too where authenticate brought the connection", async (t) => {
  const { server, av } = await begin(t);
  const connects = [];
  av.onConnect((avatar) => connects.push(avatar.user));
  av.connect();
  // Before the first answer, and after an end.
  for (const user of ["1:7", "1:8"]) {
    const done = av.authenticate({ user, password: "right" });
    let peer = await server.accept();
    // The client that authenticate replaced may have connected before.
    const identified = async () => (peer.send("idyou", {}), Promise.race([peer.next("idme"), peer.closed]));
    while ((await identified())?.data?.user !== user) peer = await server.accept();
    peer.welcome({ user });
    await done;
    av.disconnect();
  }
  assert.deepEqual(connects, ["1:7", "1:8"]);
});

test("onConnect is called with the first success after an authenticate that was refused", async (t) => {
  for (const then of ["authenticate", "connect"]) {
    const { server, av } = await begin(t);
    const connects = [];
    av.onConnect((avatar) => connects.push([avatar.authenticated, avatar.user]));
    const refused = assert.rejects(av.authenticate({ user: "1:7", password: "wrong" }), { code: "unauthorized" });
    await refuse(await server.accept());
    await refused;
    assert.deepEqual([connects, av.connected], [[], false], then);
    const met = called(av, "onConnect");
    if (then === "authenticate") av.authenticate({ user: "1:7", password: "right" });
    // With the credentials of before.
    else av.connect();
    await (await server.accept()).admit({ user: "1:7" });
    await met;
    assert.deepEqual([connects, av.connected], [[[true, "1:7"]], true], then);
  }
});

test("authenticate reports a temporary error at once, and onConnect the success of a later attempt", async (t) => {
  const { server, av, env } = await begin(t);
  const [calls, errors] = [[], []];
  av.onConnect((avatar) => calls.push([avatar.authenticated, avatar.user]));
  av.onDisconnect(() => calls.push("disconnect"));
  av.onError((error) => errors.push(error.code));
  const refused = called(av, "onConnect");
  av.connect();
  await refuse(await server.accept());
  await refused;
  // Refuses for a moment; resolves with the next attempt.
  const again = async (peer) => {
    const offline = new Promise((resolve) => av.client.on("state", ({ state, retry_ms }) => state === "offline" && resolve(retry_ms)));
    assert.deepEqual(await refuse(peer, { code: "unavailable", message: "not now" }), { user: "1:7", credentials: { password: "right" } });
    env.advance(await offline);
    return server.accept();
  };
  const outcomes = [];
  av.authenticate({ user: "1:7", password: "right" }, (same, error) => outcomes.push([same === av, error?.code]));
  const second = await again(await server.accept());
  assert.deepEqual([outcomes, av.authenticated, av.connected], [[[true, "unavailable"]], false, false]);
  const third = await again(second);
  const met = called(av, "onConnect");
  await third.admit({ user: "1:7" });
  await met;
  assert.deepEqual([calls, outcomes.length, errors], [[[false, undefined], [true, "1:7"]], 1, ["unavailable"]]);
});

test("an authenticate that the server ends without a refusal disconnects a connected avatar", async (t) => {
  const { server, av } = await connected(t);
  const lost = called(av, "onDisconnect");
  const failed = assert.rejects(av.authenticate({ user: "1:7", password: "right" }), { code: "unavailable" });
  const next = await server.accept();
  next.send("idyou", {});
  await next.next("idme");
  next.close(4005);
  await failed;
  assert.equal(await lost, av);
  assert.equal(av.connected, false);
});

test("an identified session gains another identity without a reconnection", async (t) => {
  const { av, peer } = await connected(t, { user: "guest:x" });
  const done = av.authenticate({ token: "T" });
  const { data, id } = await peer.next("authenticate");
  assert.deepEqual(data, { credentials: { token: "T" } });
  peer.send("welcome", { user: "1:5", session: "secret-1", resumed: false, time: 1, attributes: {}, services: forum, limits: {} }, id);
  assert.equal(await done, av);
  assert.deepEqual([av.user, av.forum.enabled], ["1:5", true]);
});

test("an avatar that changed its password begins its next session with the new one", async (t) => {
  const session = await begin(t, { user: "1:1", credentials: { password: "old" } });
  const { server, av } = session;
  av.connect();
  const first = await server.accept();
  await first.admit();
  await av.client.ready;
  const next = async (peer, secret) => {
    const to = await reconnect({ ...session, tt: av.client, peer }, 4004);
    const { data } = await to.admit({ session: secret });
    await to.settle(av.client);
    return [to, data.credentials];
  };
  const refused = assert.rejects(av.authenticate({ password: "wrong", new_password: "new" }), { code: "unauthorized" });
  first.send("error", { code: "unauthorized", message: "no" }, (await first.next("authenticate")).id);
  await refused;
  const [second, of_before] = await next(first, "secret-2");
  assert.deepEqual(of_before, { password: "old" });
  const done = av.authenticate({ password: "old", new_password: "new" });
  const { data, id } = await second.next("authenticate");
  assert.deepEqual(data, { credentials: { password: "old", new_password: "new" } });
  second.send("welcome", { user: "1:1", session: "secret-2", resumed: false, time: 1, attributes: {}, services: {}, limits: {} }, id);
  await done;
  assert.deepEqual((await next(second, "secret-3"))[1], { password: "new" });
});

test("set calls back when the server has applied it, or with its refusal", async (t) => {
  const { av, peer } = await connected(t);
  const set = new Promise((resolve) => av.set({ username: "Pomke" }, (...all) => resolve(all)));
  const first = await peer.next("set");
  assert.equal(av.get("username"), undefined);
  peer.send("reply", {}, first.id);
  assert.equal((await set)[1], undefined);
  assert.equal(av.get("username"), "Pomke");
  const refused = new Promise((resolve) => av.set({ username: 5 }, resolve));
  peer.send("error", { code: "refused", message: "a name is a string" }, (await peer.next("set")).id);
  assert.equal((await refused).message, "a name is a string");
  const seen = [];
  const end = av.watch((value, key) => seen.push([key, value]));
  peer.send("attributes", { username: "Melanie" });
  await peer.settle(av.client);
  end();
  av.watch("username", (value) => seen.push(value));
  av.unwatch("username");
  peer.send("attributes", { username: "Mel" });
  await peer.settle(av.client);
  assert.deepEqual(seen, [["username", "Melanie"]]);
});

test("credentials that are withdrawn disconnect the avatar, which can authenticate again", async (t) => {
  const { server, av, peer } = await connected(t);
  const lost = called(av, "onDisconnect");
  peer.close(4009);
  assert.equal((await lost).authenticated, false);
  const done = av.authenticate({ token: "new" });
  const next = await server.accept();
  assert.deepEqual((await next.admit()).data, { user: "1:1", credentials: { token: "new" } });
  assert.equal((await done).authenticated, true);
});

test("an avatar can be awaited and inspected without a call, before it is connected too", async (t) => {
  const { av } = await begin(t);
  assert.equal(await av, av);
  assert.equal(await av.forum, av.forum);
  assert.deepEqual([av.authenticated, av.connected, av.user, av.client, [...av.services]], [false, false, undefined, undefined, []]);
  await assert.rejects(av.forum.createPost(), { code: "unavailable", message: /connect\(\)/ });
});

for (const [what, poll, requests] of [["sends no requests by itself", undefined, 0], ["polls if the program wants it", { heartbeat_ms: 20_000 }, 1]]) {
  test(`over poll an avatar ${what}`, async (t) => {
    const server = await fake(t, { transports: ["poll"] });
    const env = new ManualEnvironment();
    const av = ClientAvatar(server.url, { user: "1:1", transports: ["poll"], environment: env, ...(poll && { poll }) });
    t.after(() => av.disconnect());
    const met = called(av, "onConnect");
    av.connect();
    await met;
    await av.client.request("lookup", []);
    await new Promise(setImmediate);
    const count = server.requests.length;
    env.advance(20_000);
    await av.client.request("lookup", []);
    assert.equal(server.requests.length, count + requests + 1);
  });
}

test("connect behind disconnect is the user of the last authenticate, with its credentials", async (t) => {
  const { server, av } = await begin(t);
  av.connect();
  await refuse(await server.accept());
  const authenticated = av.authenticate({ user: "1:2", password: "open sesame" });
  const peer = await server.accept();
  const claim = { user: "1:2", credentials: { password: "open sesame" } };
  assert.deepEqual((await peer.admit({ user: "1:2" })).data, claim);
  await authenticated;
  av.disconnect();
  const met = called(av, "onConnect");
  av.connect();
  const next = await server.accept();
  assert.deepEqual((await next.admit({ user: "1:2", session: "secret-2" })).data, claim);
  assert.equal((await met).authenticated, true);
});
