// Connections that die silently, one direction or one connection alone, through a
// proxy; and that the library notices it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { connect } from "../../static/turntable.js";
import { closeDeadConnections } from "../../static/turntable/idle_connections.js";
import { fake } from "./fake_server.mjs";
import { ManualEnvironment, WebSocket } from "./harness.mjs";
import { isWebSocket, proxy } from "./proxy.mjs";

const isStream = (head) => /^GET \/tunnel\?/.test(head);
const isPost = (head) => head.startsWith("POST ");

/** A client behind a proxy in a room, with the time in the test's hands. */
async function inRoom(t, transport, options = {}) {
  const server = await fake(t);
  const network = await proxy(t, server.url);
  const env = new ManualEnvironment();
  /** Requests under way or over. */
  const requests = [];
  const counted = (url, init) => {
    const response = fetch(url, init);
    if (init?.method === "POST") requests.push(response.then((one) => one.clone().text()).catch(() => {}));
    return response;
  };
  const tt = connect(network.url, { user: "1:1", WebSocket, EventSource: null, fetch: counted, transports: [transport], environment: env, reconnect: { min_ms: 1, max_ms: 5 }, ...options });
  t.after(() => tt.close());
  tt.on("error", () => {});
  const states = [];
  tt.on("state", ({ state, reason }) => states.push({ state, reason, at: env.now }));
  await tt.ready;
  const room = await tt.join("C");
  await Promise.all(requests);
  return { server, network, env, tt, room, states, requests };
}

/** The client's timers run for `ms`; after each part what was sent arrives, unless it hangs. */
async function pass({ env }, ms, arrived) {
  for (let part = 0; part < ms; part += 250) {
    env.advance(250);
    await arrived();
  }
}

for (const transport of ["tunnel", "longpoll"]) {
  test(`${transport}: answers to requests do not hide that the stream has died`, async (t) => {
    const session = await inRoom(t, transport);
    const { network, env, states, requests } = session;
    // A long poll may be between two requests.
    network.faults.dead = isStream;
    network.swallow(isStream);
    const from = env.now;
    const count = requests.length;
    // The server has taken every exchange before the time goes on.
    await pass(session, 9500, () => Promise.all(requests));
    assert.ok(requests.length > count, "the exchanges were sent, and answered");
    const after = (wanted) => states.find(({ state, at }) => state === wanted && at > from)?.at - from;
    assert.ok(after("unsteady") <= 5000, JSON.stringify(states));
    assert.ok(after("offline") <= 10_000, JSON.stringify(states));
    assert.equal(states.find(({ state }) => state === "offline").reason, "heartbeat_missed");
  });

  test(`${transport}: a request that hangs is repeated over another connection, and executed once`, async (t) => {
    const session = await inRoom(t, transport);
    const { network, env, tt, room, server, states } = session;
    const publish = (data) => tt.request("publish", { channel: "chat", data });
    await publish(0);
    let hung = 0;
    network.faults.dead = (head) => isPost(head) && hung < 2 && (hung += 1) > 0;
    const answers = [publish(1), publish(2)];
    room.act("mine");
    const taken = () => server.session.commands.some(({ command, data }) => command === "game" && data.actions[0].data === "mine");
    const from = env.now;
    // Messages of others arrive all the time.
    while (!taken() && env.now - from < 9000) {
      server.session.send("attributes", {});
      await tt.once("message");
      env.advance(50);
    }
    await Promise.all(answers);
    assert.equal(hung, 2);
    assert.deepEqual(states.filter(({ state, at }) => state === "offline" && at > from), []);
    const commands = server.session.commands.filter(({ command }) => command === "publish" || command === "game");
    assert.deepEqual(commands.map(({ command, data }) => (command === "game" ? data.actions[0].data : data.data)), [0, 1, 2, "mine"]);
  });
}

test("a WebSocket whose way to the server is dead is left, although messages of others arrive", async (t) => {
  const session = await inRoom(t, "websocket");
  const { network, env, tt, server, states } = session;
  assert.equal(network.swallow(isWebSocket, "up"), 1);
  const call = tt.request("lookup", []).catch(() => {});
  const from = env.now;
  const before = server.session;
  const lostSince = () => states.find(({ state, at }) => state === "offline" && at > from);
  while (!lostSince() && env.now - from < 30_000) {
    before.send("attributes", {});
    await tt.once("message");
    env.advance(500);
  }
  const lost = lostSince();
  assert.equal(lost?.reason, "heartbeat_missed");
  assert.ok(lost.at - from <= 13_000, `${lost.at - from} ms`);
  const resumed = tt.once("resumed");
  env.advance(10);
  await resumed;
  await call;
});

// At 1.7 s a later probe is without an activity when the first one has had no answer for 3 s.
for (const [transport, interval_ms] of ["websocket", "tunnel"].flatMap((name) => [[name, 500], [name, 1700]])) {
  test(`${transport}: a player whose actions do not arrive is unsteady within 5 s and left within 10 s, although others play each ${interval_ms} ms`, async (t) => {
    const session = await inRoom(t, transport);
    const { network, env, tt, room, server, states } = session;
    const before = server.session;
    /** Everybody plays once in an interval. */
    const play = async () => {
      room.act("mine");
      before.send("game", { channel: "C", actions: [{ timestamp: 1, from: "1:2", data: "theirs" }] });
      await room.once("action");
      env.advance(interval_ms);
    };
    const way = transport === "websocket" ? isWebSocket : isPost;
    network.faults.dead = (head) => isPost(head);
    assert.ok(network.swallow(way, "up") > 0);
    const from = env.now;
    while (!states.some(({ state, at }) => state === "offline" && at > from) && env.now - from < 20_000) await play();
    const after = (wanted) => states.find(({ state, at }) => state === wanted && at > from)?.at - from;
    assert.ok(after("unsteady") <= 5000 && after("offline") <= 10_000, JSON.stringify(states));
    assert.deepEqual(states.filter(({ at }) => at > from).slice(0, 2).map(({ state }) => state), ["unsteady", "offline"]);
    assert.equal(tt.transport, transport);
  });
}

for (const transport of ["websocket", "tunnel", "longpoll", "poll"]) {
  test(`${transport}: close() over a connection that has died says goodbye over another one`, async (t) => {
    const server = await fake(t);
    const network = await proxy(t, server.url);
    const tt = connect(network.url, { user: "1:1", WebSocket, EventSource: null, transports: [transport] });
    t.after(() => tt.close());
    await tt.ready;
    await tt.request("lookup", []);
    const { session } = server;
    network.swallow();
    const ended = new Promise((resolve) => (server.ended = resolve));
    tt.close();
    await ended;
    assert.equal(server.sessions.has(session.secret), false);
    assert.equal(session.commands.filter(({ command }) => command === "bye").length, 1);
  });
}

test("poll: a silent connection is unsteady within 5 s and left within 10 s in a page that is in a room", async (t) => {
  const session = await inRoom(t, "poll", { poll: { heartbeat_ms: 4000 } });
  const { network, env, tt, states, requests } = session;
  const before = requests.length;
  await pass(session, 9000, () => Promise.all(requests));
  assert.equal(tt.state, "online");
  assert.ok(requests.length - before <= 5, `${requests.length - before} requests in 9 s`);
  network.silence();
  const from = env.now;
  env.advance(9500);
  const after = (wanted) => states.find(({ state, at }) => state === wanted && at > from)?.at - from;
  assert.ok(after("unsteady") <= 5000 && after("offline") <= 10_000, JSON.stringify(states));
});

test("poll: a page that sends nothing by itself is unsteady only while a request has no answer", async (t) => {
  const session = await inRoom(t, "poll", { poll: { heartbeat_ms: 0 } });
  const { network, env, tt, requests, states } = session;
  network.silence();
  const count = requests.length;
  env.advance(60_000);
  assert.deepEqual([tt.state, requests.length], ["online", count]);
  const from = env.now;
  void tt.request("lookup", []).catch(() => {});
  // The request is sent in a microtask.
  await null;
  await null;
  env.advance(5000);
  assert.equal(tt.state, "unsteady");
  env.advance(4500);
  assert.ok(states.some(({ state, at }) => state === "offline" && at - from <= 10_000), JSON.stringify(states));
});

test("six small requests take the connections that a browser keeps; those without an answer end within 1 s", async () => {
  const env = new ManualEnvironment();
  const ended = [];
  let begun = 0;
  const request = (url, { signal }) => {
    begun += 1;
    assert.equal(url, "http://game.test/tunnel/send?d=%5B%5D");
    if (begun > 3) return Promise.resolve(new Response("[]"));
    return new Promise((_, reject) => signal.addEventListener("abort", () => {
      ended.push(env.now);
      reject(signal.reason);
    }));
  };
  const from = env.now;
  const closed = closeDeadConnections({ url: "ws://game.test/ws", environment: env, fetch: request });
  env.advance(1000);
  await closed;
  assert.deepEqual([begun, ended, env.timers], [6, [1000, 1000, 1000].map((ms) => from + ms), []]);
  // Where all work nothing waits.
  await closeDeadConnections({ url: "ws://game.test/ws", environment: env, fetch: request });
  assert.deepEqual([begun, env.timers], [12, []]);
});

for (const transport of ["websocket", "tunnel"]) {
  test(`${transport}: a connection that is given up ${transport === "tunnel" ? "takes those that the browser keeps with it" : "has nothing in common with them"}`, async (t) => {
    const asked = [];
    const counted = (url, init) => {
      if (String(url).includes("d=%5B%5D") && init.credentials === undefined) asked.push(url);
      return fetch(url, init);
    };
    const session = await inRoom(t, transport, { fetch: counted });
    const { network, env, tt } = session;
    network.swallow();
    const resumed = tt.once("resumed");
    env.advance(9500);
    await new Promise((resolve) => setTimeout(resolve, 20));
    env.advance(1000);
    let over = false;
    void resumed.then(() => (over = true));
    while (!over) {
      await new Promise((resolve) => setTimeout(resolve, 2));
      env.advance(20);
    }
    assert.equal(asked.length, transport === "tunnel" ? 6 : 0);
  });
}
