// When and where the client connects again.

import assert from "node:assert/strict";
import { test } from "node:test";
import { CLOSE_CODES, connect } from "../../static/turntable.js";
import { socketUrl } from "../../static/turntable/address.js";
import { ManualEnvironment, WebSocket, client, online, reconnect, serve } from "./harness.mjs";

/** Sockets that the test opens and closes by hand. */
function sockets() {
  const made = [];
  class FakeSocket {
    constructor(url) {
      this.url = url;
      this.readyState = 1;
      this.sent = [];
      made.push(this);
    }
    send(text) {
      this.sent.push(JSON.parse(text));
    }
    close(code) {
      this.closed = code ?? 1005;
      this.readyState = 2;
    }
    say(command, data) {
      this.onmessage?.({ data: JSON.stringify({ command, data }) });
    }
    admit(data) {
      this.say("idyou", {});
      this.say("welcome", { user: "1:1", session: "s", resumed: false, time: 1, heartbeat_ms: 20_000, ...data });
    }
    break(code = 1006) {
      this.onclose?.({ code, reason: "" });
    }
  }
  return { made, FakeSocket };
}

function offline(t, options = {}) {
  const { made, FakeSocket } = sockets();
  const env = new ManualEnvironment();
  const tt = connect("ws://game.test/ws", { user: "1:1", WebSocket: FakeSocket, environment: env, doors: ["websocket"], ...options });
  t.after(() => tt.close());
  const states = [];
  tt.on("state", (change) => states.push(change));
  return { made, env, tt, states };
}

test("a retry waits a random part of a doubling time, up to the bound", (t) => {
  const { made, env, states } = offline(t, { reconnect: { min_ms: 100, max_ms: 1000 } });
  const waits = [];
  for (const chance of [0.999, 0.999, 0.999, 0.999, 0.999, 0.999, 0.5, 0]) {
    env.chance = chance;
    made.at(-1).break();
    const { state, reason, code, retry_ms } = states.at(-1);
    assert.deepEqual([state, reason, code], ["offline", "lost", 1006]);
    waits.push(retry_ms);
    const tries = made.length;
    if (retry_ms > 0) env.advance(retry_ms - 1);
    assert.equal(made.length, tries);
    env.advance(1);
    assert.equal(made.length, tries + 1);
  }
  assert.deepEqual(waits, [100, 200, 400, 799, 999, 999, 500, 0]);
});

test("only a connection that lasted makes the wait short again", (t) => {
  const { made, env, states } = offline(t, { reconnect: { min_ms: 100, max_ms: 1000 } });
  env.chance = 0.999;
  for (let count = 0; count < 4; count += 1) {
    made.at(-1).admit();
    made.at(-1).break();
    env.advance(states.at(-1).retry_ms);
  }
  made.at(-1).admit();
  env.advance(500);
  made.at(-1).break();
  assert.equal(states.at(-1).retry_ms, 999);
  env.advance(999);
  made.at(-1).admit();
  env.advance(1000);
  made.at(-1).break();
  assert.equal(states.at(-1).retry_ms, 100);
});

for (const [text, row] of Object.entries(CLOSE_CODES)) {
  test(`close code ${text} ${row.name}: ${row.reconnect ? (row.resume ? "resume" : "identify again") : "stay away"}`, (t) => {
    const { made, env, tt, states } = offline(t);
    made[0].admit();
    made[0].break(Number(text));
    assert.deepEqual([states.at(-1).reason, states.at(-1).code], [row.name, Number(text)]);
    assert.equal(tt.state, row.reconnect ? "offline" : "closed");
    env.advance(states.at(-1).retry_ms ?? 60_000);
    assert.equal(made.length, row.reconnect ? 2 : 1);
    if (!row.reconnect) return;
    made[1].say("idyou", {});
    assert.equal(made[1].sent[0].command, row.resume ? "resume" : "idme");
  });
}

test("the codes that never come back are those of the protocol", () => {
  const never = Object.entries(CLOSE_CODES).filter(([, row]) => !row.reconnect).map(([code]) => Number(code));
  assert.deepEqual(never, [1000, 1002, 1003, 1007, 4002, 4005, 4006]);
});

test("after rate_limited even the first retry takes its time", (t) => {
  const { made, env, states } = offline(t);
  env.chance = 0.999;
  made[0].admit();
  made[0].break(4007);
  assert.equal(states.at(-1).retry_ms, 9990);
});

test("without reconnection a lost line closes the client", async (t) => {
  const { made, tt } = offline(t, { reconnect: false });
  made[0].break();
  assert.equal(tt.state, "closed");
  await assert.rejects(tt.ready, (error) => error.code === "unavailable" && error.details.reason === "lost");
});

test("a server that is not up yet is found later", async (t) => {
  const { port, stop } = await serve(t);
  await stop();
  const env = new ManualEnvironment();
  const tt = client(t, { url: `ws://127.0.0.1:${port}/ws` }, { environment: env });
  const { retry_ms } = await tt.once("state");
  const server = await serve(t, port);
  env.advance(retry_ms);
  await (await server.accept()).admit();
  await tt.ready;
});

test("a connection that does not become useful is given up", (t) => {
  const { made, env, tt, states } = offline(t, { timeout_ms: 4000 });
  made[0].say("idyou", {});
  env.advance(4000);
  assert.equal(made[0].closed, 4008);
  assert.deepEqual([tt.state, states[0].message], ["offline", "no welcome in time"]);
});

test("a line without a sign of life is given up and the session resumed", async (t) => {
  const { made, env, states } = offline(t);
  made[0].admit({ heartbeat_ms: 8000 });
  env.advance(4000); // asks
  assert.equal(made[0].sent.filter(({ command }) => command === "time").length, 2);
  env.advance(7000);
  made[0].say("attributes", {}); // any message is a sign of life
  env.advance(7999);
  assert.equal(made.length, 1);
  env.advance(10_000);
  assert.equal(made[0].closed, 4008);
  const { reason, code } = states.find(({ state }) => state === "offline");
  assert.deepEqual([reason, code], ["heartbeat_missed", 4008]);
  made[1].say("idyou", {});
  assert.deepEqual(made[1].sent[0], { command: "resume", data: { session: "s", received: 1 } });
});

test("a page that was frozen handles what came before it judges the line", (t) => {
  const { made, env } = offline(t);
  made[0].admit({ heartbeat_ms: 8000 });
  env.advance(4000);
  // Frozen: time passes without timers, then all of them come late at once.
  env.now += 60_000;
  env.advance(0);
  made[0].say("time", {});
  env.advance(1000);
  assert.equal(made[0].closed, undefined);
});

test("goaway: the close is followed by the wait that the server asked for", (t) => {
  const { made, env, states } = offline(t);
  made[0].admit();
  made[0].say("goaway", { reason: "restart", reconnect_ms: 2000 });
  env.advance(100);
  made[0].break(1001);
  // 2000 and half (the chance) of another 2000, of which 100 have passed.
  assert.deepEqual([states.at(-1).reason, states.at(-1).retry_ms], ["going_away", 2900]);
  env.advance(2900);
  made[1].say("idyou", {});
  assert.equal(made[1].sent[0].command, "resume");
});

test("goaway with an address: moves there by itself, and back where that fails", (t) => {
  const { made, env, states } = offline(t);
  made[0].admit();
  env.chance = 0;
  made[0].say("goaway", { reason: "drain", reconnect_ms: 1000, url: "https://other.test" });
  assert.equal(made.length, 1);
  env.advance(1000);
  assert.equal(made[0].closed, 4000); // 1000 would have ended the session
  assert.equal(states.find(({ state }) => state === "offline").reason, "moved");
  assert.equal(made[1].url, "wss://other.test/ws");
  made[1].break();
  env.advance(0);
  assert.equal(made[2].url, "ws://game.test/ws");
});

test("goaway with an address that is none: comes back to the same server", (t) => {
  const { made, env } = offline(t);
  made[0].admit();
  made[0].say("goaway", { reason: "drain", reconnect_ms: 0, url: "javascript:alert(1)" });
  env.advance(10_000);
  assert.equal(made[1].url, "ws://game.test/ws");
});

test("the network's return, or a look at the page, hurries a retry", (t) => {
  const listeners = new Map();
  globalThis.addEventListener = (event, fn) => listeners.set(event, fn);
  globalThis.removeEventListener = (event) => listeners.delete(event);
  t.after(() => {
    delete globalThis.addEventListener;
    delete globalThis.removeEventListener;
  });
  const { made, tt } = offline(t);
  made[0].break();
  listeners.get("online")();
  assert.equal(made.length, 2);
  listeners.get("online")(); // a try is on its way already
  assert.equal(made.length, 2);
  tt.close();
  assert.equal(listeners.size, 0);
});

test("4002: the connection that replaced this one is left alone, over a real socket", async (t) => {
  const { tt, peer } = await online(t);
  const closed = tt.once("state");
  peer.close(4002);
  assert.deepEqual(await closed, { state: "closed", previous: "online", reason: "replaced", code: 4002 });
});

test("comes back over a real socket after the server said 1001", async (t) => {
  const session = await online(t);
  const next = await reconnect(session, 1001);
  next.send("idyou", {});
  const resumed = session.tt.once("resumed");
  await next.next("resume");
  next.welcome({ resumed: true });
  await resumed;
  assert.equal(session.tt.state, "online");
});

test("a binary frame closes the line for good", (t) => {
  const { made, tt } = offline(t);
  made[0].onmessage({ data: new ArrayBuffer(1) });
  assert.equal(tt.state, "closed");
});

test("addresses: http becomes ws, no path becomes /ws", () => {
  assert.equal(socketUrl("http://a:8080"), "ws://a:8080/ws");
  assert.equal(socketUrl("https://a/"), "wss://a/ws");
  assert.equal(socketUrl("ws://a/other?x=1#y"), "ws://a/other?x=1");
  assert.equal(socketUrl(undefined, "https://page.test/game/index.html?room=1"), "wss://page.test/ws");
  assert.throws(() => socketUrl("ftp://a/"), TypeError);
  assert.throws(() => connect("ftp://a/", { WebSocket }), TypeError);
});
