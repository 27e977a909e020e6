// When and where the client reconnects.

import assert from "node:assert/strict";
import { test } from "node:test";
import { CLOSE_CODES, connect } from "../../static/turntable.js";
import { socketUrl } from "../../static/turntable/address.js";
import { addressed } from "../../static/turntable/options.js";
import { endpointUrl } from "../../static/turntable/transports/transport.js";
import { ManualEnvironment, WebSocket, client, online, page, reconnect, serve } from "./harness.mjs";

/** Fake WebSockets that the test opens and closes. */
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
    receive(command, data) {
      this.onmessage?.({ data: JSON.stringify({ command, data }) });
    }
    welcome(data) {
      this.receive("idyou", {});
      this.receive("welcome", { user: "1:1", session: "s", resumed: false, time: 1, heartbeat_ms: 20_000, ...data });
    }
    fail(code = 1006) {
      this.onclose?.({ code, reason: "" });
    }
  }
  return { made, FakeSocket };
}

function offline(t, options = {}) {
  const { made, FakeSocket } = sockets();
  const env = new ManualEnvironment();
  const tt = connect("ws://game.test/ws", { user: "1:1", WebSocket: FakeSocket, environment: env, transports: ["websocket"], ...options });
  t.after(() => tt.close());
  const states = [];
  tt.on("state", (change) => states.push(change));
  return { made, env, tt, states };
}

test("the reconnection delay is a random part of a doubling bound, up to max_ms", (t) => {
  const { made, env, states } = offline(t, { reconnect: { min_ms: 100, max_ms: 1000 } });
  const waits = [];
  for (const chance of [0.999, 0.999, 0.999, 0.999, 0.999, 0.999, 0.5, 0]) {
    env.chance = chance;
    made.at(-1).fail();
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

test("the delay bound is reset only after a connection that lasted max_ms", (t) => {
  const { made, env, states } = offline(t, { reconnect: { min_ms: 100, max_ms: 1000 } });
  env.chance = 0.999;
  for (let count = 0; count < 4; count += 1) {
    made.at(-1).welcome();
    made.at(-1).fail();
    env.advance(states.at(-1).retry_ms);
  }
  made.at(-1).welcome();
  env.advance(500);
  made.at(-1).fail();
  assert.equal(states.at(-1).retry_ms, 999);
  env.advance(999);
  made.at(-1).welcome();
  env.advance(1000);
  made.at(-1).fail();
  assert.equal(states.at(-1).retry_ms, 100);
});

for (const [text, row] of Object.entries(CLOSE_CODES)) {
  test(`close code ${text} ${row.name}: ${row.reconnect ? (row.resume ? "resume" : "identify again") : "do not reconnect"}`, (t) => {
    const { made, env, tt, states } = offline(t);
    made[0].welcome();
    made[0].fail(Number(text));
    assert.deepEqual([states.at(-1).reason, states.at(-1).code], [row.name, Number(text)]);
    assert.equal(tt.state, row.reconnect ? "offline" : "closed");
    env.advance(states.at(-1).retry_ms ?? 60_000);
    assert.equal(made.length, row.reconnect ? 2 : 1);
    if (!row.reconnect) return;
    made[1].receive("idyou", {});
    assert.equal(made[1].sent[0].command, row.resume ? "resume" : "idme");
  });
}

test("the close codes without reconnection are those of the protocol", () => {
  const never = Object.entries(CLOSE_CODES).filter(([, row]) => !row.reconnect).map(([code]) => Number(code));
  assert.deepEqual(never, [1000, 1002, 1003, 1007, 4002, 4005, 4006, 4009]);
});

test("after rate_limited the first delay is bounded by max_ms", (t) => {
  const { made, env, states } = offline(t);
  env.chance = 0.999;
  made[0].welcome();
  made[0].fail(4007);
  assert.equal(states.at(-1).retry_ms, 9990);
});

test("a lost connection closes the client if reconnection is off", async (t) => {
  const { made, tt } = offline(t, { reconnect: false });
  made[0].fail();
  assert.equal(tt.state, "closed");
  await assert.rejects(tt.ready, (error) => error.code === "unavailable" && error.details.reason === "lost");
});

test("the client connects to a server that starts later", async (t) => {
  const { port, stop } = await serve(t);
  await stop();
  const env = new ManualEnvironment();
  const tt = client(t, { url: `ws://127.0.0.1:${port}/ws` }, { environment: env });
  const { retry_ms } = await tt.once("state");
  const server = await serve(t, port);
  env.advance(retry_ms);
  await (await server.accept()).welcome();
  await tt.ready;
});

test("a connection without a welcome is abandoned after the timeout", (t) => {
  const { made, env, tt, states } = offline(t, { timeout_ms: 4000 });
  made[0].receive("idyou", {});
  env.advance(4000);
  assert.equal(made[0].closed, 4008);
  assert.deepEqual([tt.state, states[0].message], ["offline", "no welcome in time"]);
});

test("a network whose first response is slow has twice that time for the welcome, beyond timeout_ms", (t) => {
  const { made, env, tt, states } = offline(t, { timeout_ms: 4000 });
  env.advance(3500);
  made[0].receive("idyou", {});
  env.advance(6999);
  assert.deepEqual([made[0].closed, tt.state], [undefined, "connecting"]);
  env.advance(1);
  assert.deepEqual([made[0].closed, states[0].message], [4008, "no welcome in time"]);
});

test("the only transport has all of timeout_ms for its first response, although the server answers requests", async (t) => {
  let asked = 0;
  const fetch = async () => {
    asked += 1;
    return new Response("[]");
  };
  const { made, env, tt, states } = offline(t, { fetch });
  env.advance(2000);
  // The answer is read.
  for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
  env.advance(7999);
  assert.deepEqual([asked, made.length, made[0].closed, tt.state], [1, 1, undefined, "connecting"]);
  env.advance(1);
  assert.deepEqual([made[0].closed, states[0].message], [4008, "no response from the server in time"]);
});

test("a silent connection is unsteady, then abandoned, and the session is resumed", async (t) => {
  const { made, env, tt, states } = offline(t);
  const probes = () => made[0].sent.filter(({ command }) => command === "time").length;
  made[0].welcome({ heartbeat_ms: 8000 });
  env.advance(4000); // at least two probes per heartbeat
  assert.equal(probes(), 2);
  env.advance(2999);
  assert.equal(tt.state, "online");
  env.advance(1);
  assert.equal(tt.state, "unsteady");
  made[0].receive("attributes", {}); // another message is no answer
  assert.equal(tt.state, "unsteady");
  made[0].receive("time", {});
  assert.equal(tt.state, "online");
  env.advance(8000); // another probe, which is not answered
  env.advance(3000);
  assert.equal(made.length, 2);
  assert.equal(made[0].closed, 4008);
  const { reason, code, previous } = states.find(({ state }) => state === "offline");
  assert.deepEqual([reason, code, previous], ["heartbeat_missed", 4008, "unsteady"]);
  made[1].receive("idyou", {});
  assert.deepEqual(made[1].sent[0], { command: "resume", data: { session: "s", received: 2, attempt: 2 } });
});

test("a page in a room probes after 2 s of silence, is unsteady after 5 s and reconnects within 10 s", (t) => {
  const { made, env, tt, states } = offline(t);
  made[0].welcome();
  void tt.join("C").catch(() => {});
  made[0].receive("joined", { channel: "C", self: "1:1", members: {} });
  const at = env.now;
  env.advance(5000);
  assert.equal(tt.state, "unsteady");
  env.advance(4000);
  assert.equal(made[0].closed, 4008);
  const { retry_ms } = states.find(({ state }) => state === "offline");
  env.advance(retry_ms);
  assert.equal(made.length, 2);
  assert.ok(env.now - at <= 10_000, `${env.now - at}`);
});

test("a request without an answer probes sooner, an idle page does not", (t) => {
  const { made, env, tt } = offline(t);
  const probes = () => made[0].sent.filter(({ command }) => command === "time").length;
  made[0].welcome({ heartbeat_ms: 60_000 });
  env.advance(14_999);
  assert.equal(probes(), 1);
  tt.request("lookup", []).catch(() => {});
  env.advance(1);
  assert.equal(probes(), 2);
});

test("exchanges of a page in a room stay far below the server's rate", (t) => {
  const { made, env, tt } = offline(t);
  const probes = () => made[0].sent.filter(({ command }) => command === "time");
  made[0].welcome();
  void tt.join("C").catch(() => {});
  made[0].receive("joined", { channel: "C", self: "1:1", members: {} });
  for (let second = 0; second < 120; second += 0.5) {
    const before = probes().length;
    env.advance(500);
    if (probes().length > before) made[0].receive("time", { t0: probes().at(-1).data.t0, t1: 1, t2: 1 });
  }
  assert.equal(tt.state, "online");
  assert.ok(probes().length <= 64, `${probes().length} in 120 s`);
});

test("a page that was frozen processes received messages before it abandons the connection", (t) => {
  const { made, env } = offline(t);
  made[0].welcome({ heartbeat_ms: 8000 });
  env.advance(4000);
  // While frozen no timer runs; afterwards all due timers run at once.
  env.now += 60_000;
  env.advance(0);
  made[0].receive("time", {});
  env.advance(1000);
  assert.equal(made[0].closed, undefined);
});

test("goaway: the client reconnects after the delay requested by the server", (t) => {
  const { made, env, states } = offline(t);
  made[0].welcome();
  made[0].receive("goaway", { reason: "restart", reconnect_ms: 2000 });
  env.advance(100);
  made[0].fail(1001);
  // 2000 plus half (the random number) of another 2000, of which 100 have passed.
  assert.deepEqual([states.at(-1).reason, states.at(-1).retry_ms], ["going_away", 2900]);
  env.advance(2900);
  made[1].receive("idyou", {});
  assert.equal(made[1].sent[0].command, "resume");
});

test("goaway with an address: the client moves there, and returns if that fails", (t) => {
  const { made, env, states } = offline(t);
  made[0].welcome();
  env.chance = 0;
  made[0].receive("goaway", { reason: "drain", reconnect_ms: 1000, url: "https://other.test" });
  assert.equal(made.length, 1);
  env.advance(1000);
  assert.equal(made[0].closed, 4000); // 1000 would have ended the session
  assert.equal(states.find(({ state }) => state === "offline").reason, "moved");
  assert.equal(made[1].url, "wss://other.test/ws");
  made[1].fail();
  env.advance(0);
  assert.equal(made[2].url, "ws://game.test/ws");
});

test("goaway with an invalid address: the client reconnects to the same server", (t) => {
  const { made, env } = offline(t);
  made[0].welcome();
  made[0].receive("goaway", { reason: "drain", reconnect_ms: 0, url: "javascript:alert(1)" });
  env.advance(10_000);
  assert.equal(made[1].url, "ws://game.test/ws");
});

test("the online event triggers an immediate attempt", (t) => {
  const listeners = new Map();
  globalThis.addEventListener = (event, fn) => listeners.set(event, fn);
  globalThis.removeEventListener = (event) => listeners.delete(event);
  t.after(() => {
    delete globalThis.addEventListener;
    delete globalThis.removeEventListener;
  });
  const { made, tt } = offline(t);
  made[0].fail();
  listeners.get("online")();
  assert.equal(made.length, 2);
  listeners.get("online")(); // an attempt is already in progress
  assert.equal(made.length, 2);
  tt.close();
  assert.equal(listeners.size, 0);
});

test("retry_in_ms counts down to the next attempt, and retryNow makes it at once", (t) => {
  const { made, env, tt, states } = offline(t);
  assert.equal(tt.retry_in_ms, undefined);
  env.chance = 0.8;
  made[0].fail();
  const { retry_ms } = states.at(-1);
  assert.equal(tt.retry_in_ms, retry_ms);
  env.advance(50);
  assert.equal(tt.retry_in_ms, retry_ms - 50);
  tt.retryNow();
  assert.deepEqual([made.length, tt.state, tt.retry_in_ms], [2, "connecting", undefined]);
  tt.retryNow(); // an attempt is in progress
  assert.equal(made.length, 2);
  env.advance(1500);
  tt.retryNow(); // without a response so far: another one
  assert.deepEqual([made.length, tt.state], [3, "connecting"]);
  made[2].welcome();
  const probes = made[2].sent.length;
  env.advance(1000);
  tt.retryNow(); // online: asks whether the server is there
  assert.equal(made[2].sent.length, probes + 1);
});

test("the first attempts are at most 2 s apart, later ones up to max_ms", (t) => {
  const { made, env, states } = offline(t);
  env.chance = 0.9999;
  const waits = [];
  for (let count = 0; count < 10; count += 1) {
    made.at(-1).fail();
    waits.push(states.at(-1).retry_ms);
    env.advance(states.at(-1).retry_ms);
  }
  assert.deepEqual(waits.map((ms) => Math.round(ms / 50) * 50), [250, 500, 1000, 2000, 2000, 2000, 2000, 4000, 8000, 10_000]);
});

test("after a goaway the attempts are spread over the time that the server named", (t) => {
  const { made, env, states } = offline(t);
  made[0].welcome();
  env.chance = 0.9999;
  made[0].receive("goaway", { reason: "restart", reconnect_ms: 30_000 });
  made[0].fail(1001);
  env.advance(states.at(-1).retry_ms);
  made[1].fail();
  assert.ok(states.at(-1).retry_ms > 29_000, `${states.at(-1).retry_ms}`);
});

test("after a cut the attempts are spread over the time that the welcome named, until the next welcome", (t) => {
  const { made, env, states } = offline(t);
  const lost = (code) => {
    made.at(-1).fail(code);
    const { retry_ms } = states.at(-1);
    env.advance(retry_ms);
    return retry_ms;
  };
  env.chance = 0.9999;
  made[0].welcome({ reconnect_ms: 20_000 });
  assert.ok(lost() > 19_000, "the server may have crashed");
  assert.ok(lost() > 19_000, "and is not back");
  made.at(-1).welcome({ resumed: true, reconnect_ms: 20_000 });
  assert.ok(lost(4003) <= 2000, "the server has closed the connection, so it is there");
  made.at(-1).welcome({ resumed: true });
  assert.ok(lost() <= 2000, "it has few clients now");
});

test("a connection that is silent is no crash of the server: its client returns at once", (t) => {
  const { made, env, states } = offline(t);
  made[0].welcome({ reconnect_ms: 20_000 });
  env.chance = 0.9999;
  env.advance(30_000);
  assert.equal(made[0].closed, 4008);
  assert.ok(states.find(({ state }) => state === "offline").retry_ms <= 2000);
});

for (const [name, reach] of [["offline", "is silent"], ["online", "works"]]) {
  test(`the ${name} event probes a connection that looks alive, and that ${reach}`, (t) => {
    const listeners = new Map();
    globalThis.addEventListener = (event, fn) => listeners.set(event, fn);
    globalThis.removeEventListener = (event) => listeners.delete(event);
    t.after(() => {
      delete globalThis.addEventListener;
      delete globalThis.removeEventListener;
    });
    const { made, env, tt } = offline(t);
    made[0].welcome();
    env.advance(1000);
    const count = made[0].sent.length;
    listeners.get(name)();
    assert.equal(made[0].sent.length, count + 1);
    listeners.get(name)(); // at once again: the exchange is under way
    assert.equal(made[0].sent.length, count + 1);
    if (reach === "works") made[0].receive("time", { t0: made[0].sent.at(-1).data.t0, t1: 1, t2: 1 });
    env.advance(3000);
    assert.equal(tt.state, reach === "works" ? "online" : "unsteady");
    env.advance(4000);
    assert.equal(made[0].closed, reach === "works" ? undefined : 4008);
    tt.close();
  });
}

const CHANGES = {
  "a page that becomes visible": ({ document }) => document.dispatchEvent(new Event("visibilitychange")),
  "a page that was frozen and runs again": ({ document }) => document.dispatchEvent(new Event("resume")),
  "another network": ({ network }) => network.dispatchEvent(new Event("change")),
};
for (const [name, change] of Object.entries(CHANGES)) {
  test(`${name} probes a connection that looks alive, and tries at once where there is none`, (t) => {
    const around = page(t);
    const { made, env, tt } = offline(t, { reconnect: { min_ms: 60_000, max_ms: 60_000 } });
    made[0].welcome();
    env.advance(1000);
    const count = made[0].sent.length;
    change(around);
    assert.deepEqual(made[0].sent.slice(count).map(({ command }) => command), ["time"]);
    env.chance = 0.9999;
    made[0].fail();
    assert.deepEqual([tt.state, made.length], ["offline", 1]);
    change(around);
    assert.equal(made.length, 2);
    tt.close();
  });
}

test("a hidden page in a room does not probe after 2 s of silence, and does once it is visible", (t) => {
  const { document } = page(t);
  document.visibilityState = "hidden";
  const { made, env, tt } = offline(t);
  made[0].welcome({ heartbeat_ms: 60_000 });
  void tt.join("C").catch(() => {});
  made[0].receive("joined", { channel: "C", self: "1:1", members: {} });
  const exchanges = () => made[0].sent.filter(({ command }) => command === "time");
  const answer = () => made[0].receive("time", { t0: exchanges().at(-1).data.t0, t1: 1, t2: 1 });
  // The exchanges behind the welcome.
  for (let step = 0, seen = 0; step < 80; step += 1) {
    env.advance(50);
    if (exchanges().length > seen) answer();
    seen = exchanges().length;
  }
  const count = exchanges().length;
  env.advance(10_000);
  assert.equal(exchanges().length, count);
  document.visibilityState = "visible";
  document.dispatchEvent(new Event("visibilitychange"));
  answer();
  const seen = exchanges().length;
  assert.equal(seen, count + 1);
  env.advance(2000);
  assert.equal(exchanges().length, seen + 1);
  tt.close();
});

test("4002 over a real socket: the client closes and does not reconnect", async (t) => {
  const { tt, peer } = await online(t);
  const closed = tt.once("state");
  peer.close(4002);
  assert.deepEqual(await closed, { state: "closed", previous: "online", reason: "replaced", code: 4002 });
});

test("1001 over a real socket: the client reconnects and resumes", async (t) => {
  const session = await online(t);
  const next = await reconnect(session, 1001);
  next.send("idyou", {});
  const resumed = session.tt.once("resumed");
  await next.next("resume");
  next.welcome({ resumed: true });
  await resumed;
  assert.equal(session.tt.state, "online");
});

test("a binary frame closes the client", (t) => {
  const { made, tt } = offline(t);
  made[0].onmessage({ data: new ArrayBuffer(1) });
  assert.equal(tt.state, "closed");
});

test("addresses: http becomes ws, an empty path becomes /ws", () => {
  assert.equal(socketUrl("http://a:8080"), "ws://a:8080/ws");
  assert.equal(socketUrl("https://a/"), "wss://a/ws");
  assert.equal(socketUrl("ws://a/other?x=1#y"), "ws://a/other?x=1");
  assert.equal(socketUrl("https://a/prefix/?key=1"), "wss://a/prefix/ws?key=1");
  // The query stays as it was written: it may be signed.
  assert.equal(endpointUrl("wss://a/prefix/ws?key=a%20b", "tunnel", { id: 7 }), "https://a/prefix/tunnel?key=a%20b&id=7");
  for (const name of ["id", "session", "batch", "after", "n", "d", "new"]) {
    assert.throws(() => connect(`ws://a/?${name}=1`, { WebSocket }), new RegExp(`has ${name}; the protocol uses`));
  }
  assert.equal(socketUrl(undefined, "https://page.test/game/index.html?room=1"), "wss://page.test/ws");
  assert.throws(() => socketUrl("ftp://a/"), TypeError);
  assert.deepEqual(addressed({ user: "1:1" }, undefined), [undefined, { user: "1:1" }]);
  assert.deepEqual(addressed(undefined, { user: "1:1" }), [undefined, { user: "1:1" }]);
  assert.deepEqual(addressed("/", undefined), ["/", {}]);
  assert.throws(() => connect("ftp://a/", { WebSocket }), TypeError);
});
