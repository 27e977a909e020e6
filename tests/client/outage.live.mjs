// Outages and bad networks, through a proxy, against a real server at
// TURNTABLE_URL. OUTAGE_LONG=1 adds the long outages.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "../../static/turntable.js";
import { WebSocket } from "./harness.mjs";
import { isWebSocket, proxy } from "./proxy.mjs";

const url = process.env.TURNTABLE_URL;
const skip = url ? false : "TURNTABLE_URL is not set";
const TABS = 40;

/** A client through the proxy, with the times at which its state changed. */
function tab(t, address, options = {}) {
  const tt = connect(address, { user: `1:${randomUUID()}`, WebSocket, EventSource: null, ...options });
  tt.on("error", () => {});
  t.after(() => tt.close());
  const states = [];
  tt.on("state", ({ state, reason }) => states.push({ state, reason, at: performance.now() }));
  return Object.assign(tt, { states });
}

/** Waits until `condition` holds; resolves with the ms since `from`. */
async function until(condition, limit_ms, from = performance.now()) {
  while (!condition()) {
    if (performance.now() - from > limit_ms) return Infinity;
    await sleep(10);
  }
  return performance.now() - from;
}

async function everyTabReturns(t, { away_s, silent, limit_ms }) {
  const network = await proxy(t, url);
  const tabs = Array.from({ length: TABS }, () => tab(t, network.url));
  await Promise.all(tabs.map((tt) => tt.ready));
  const channels = await Promise.all(tabs.map((tt) => tt.channel("outage")));
  await sleep(6000); // WebSockets prove themselves
  if (silent) network.silence();
  else await network.leave();
  await sleep(away_s * 1000);
  if (silent) network.speak();
  else await network.back();
  const back = performance.now();
  const online = () => tabs.every((tt) => tt.state === "online");
  await until(online, 30_000);
  const times = tabs.map(({ states }) => Math.round(Math.max(0, states.findLast(({ state }) => state === "online").at - back))).sort((a, b) => a - b);
  t.diagnostic(`${silent ? "silent" : "away"} ${away_s} s: back after ${times[0]} to ${times.at(-1)} ms, median ${times[TABS / 2]} ms`);
  assert.ok(online(), JSON.stringify(tabs.filter((tt) => tt.state !== "online").map(({ states }) => states.slice(-3))));
  assert.deepEqual([...new Set(tabs.map(({ transport }) => transport))], ["websocket"]);
  assert.ok(times.at(-1) <= limit_ms, `${times.at(-1)} ms`);
  // None is deaf.
  const marker = randomUUID();
  const heard = channels.map((channel) => new Promise((resolve) => channel.on("message", ({ data }) => data === marker && resolve(true))));
  await channels[0].publish(marker);
  const all = await Promise.race([Promise.all(heard), sleep(3000)]);
  assert.equal(all?.length, TABS);
}

for (const away_s of process.env.OUTAGE_LONG ? [3, 12, 25, 60] : [3]) {
  for (const silent of [false, true]) {
    // A silent network is noticed after the next exchange: in a short silence no tab may notice it.
    if (silent && away_s < 25) continue;
    test(`server ${silent ? "silent" : "away"} for ${away_s} s: ${TABS} tabs are back on WebSockets within 2 s`, { skip, timeout: 200_000 }, async (t) => {
      await everyTabReturns(t, { away_s, silent, limit_ms: 2000 });
    });
  }
}

for (const cut_ms of [30, 300]) {
  test(`a proxy that cuts WebSockets after ${cut_ms} ms leads to another transport within 5 s, and presence does not flip`, { skip, timeout: 60_000 }, async (t) => {
    const network = await proxy(t, url);
    network.faults.cut_ms = (head) => (isWebSocket(head) ? cut_ms : undefined);
    const friend = tab(t, url);
    const changes = [];
    friend.friends.on("change", ({ changes: now, snapshot }) => !snapshot && changes.push(Object.values(now)[0]));
    const started = performance.now();
    const tt = tab(t, network.url);
    await friend.friends.subscribe([tt.user]);
    const ms = await until(() => tt.state === "online" && tt.transport === "tunnel", 10_000, started);
    t.diagnostic(`on the tunnel after ${Math.round(ms)} ms`);
    assert.ok(ms <= 5000, `${ms}`);
    const count = tt.states.length;
    const from = performance.now();
    await sleep(15_000); // the WebSocket is probed meanwhile
    const online = tt.state === "online" && tt.transport === "tunnel";
    assert.ok(online && tt.states.length === count, JSON.stringify(tt.states.slice(count).map(({ at, ...rest }) => ({ ...rest, at: at - from }))));
    assert.ok(changes.length <= 1, JSON.stringify(changes));
  });
}

test("a WebSocket that is cut each time after it worked for long leads to another transport, and back when it works", { skip, timeout: 90_000 }, async (t) => {
  const network = await proxy(t, url);
  const tt = tab(t, network.url);
  await tt.ready;
  await sleep(5500);
  network.faults.cut_ms = (head) => (isWebSocket(head) ? 300 : undefined);
  network.cut();
  const started = performance.now();
  const ms = await until(() => tt.state === "online" && tt.transport === "tunnel", 10_000, started);
  t.diagnostic(`on the tunnel after ${Math.round(ms)} ms`);
  assert.ok(ms <= 5000, `${ms}`);
  network.faults.cut_ms = undefined;
  const back = await until(() => tt.state === "online" && tt.transport === "websocket", 40_000);
  t.diagnostic(`on the WebSocket after ${Math.round(back)} ms`);
  assert.ok(back < 40_000);
});

test("a network that swallows WebSockets leads to another transport within 5 s", { skip, timeout: 30_000 }, async (t) => {
  const network = await proxy(t, url);
  const swallow = await proxy(t, network.url);
  swallow.silence();
  class Silent extends WebSocket {
    constructor(address, protocols) {
      super(address.replace(new URL(network.url).host, new URL(swallow.url).host), protocols);
    }
  }
  const started = performance.now();
  const tt = tab(t, network.url, { WebSocket: Silent });
  const ms = await until(() => tt.state === "online", 15_000, started);
  t.diagnostic(`on ${tt.transport} after ${Math.round(ms)} ms`);
  assert.equal(tt.transport, "tunnel");
  assert.ok(ms <= 5000, `${ms}`);
});

for (const transports of [["websocket"], ["tunnel"], ["longpoll"]]) {
  test(`${transports}: a silent line is unsteady within 5 s and left within 10 s in a page that is in a room`, { skip, timeout: 40_000 }, async (t) => {
    const network = await proxy(t, url);
    const tt = tab(t, network.url, { transports });
    await tt.join(`silent-${randomUUID()}`);
    await sleep(3000);
    network.silence();
    const from = performance.now();
    const after = (...wanted) => (tt.states.find(({ state, at }) => at > from && wanted.includes(state))?.at ?? Infinity) - from;
    // A request that fails before the exchange is overdue ends the connection at once.
    await until(() => after("unsteady", "offline") < Infinity, 6000, from);
    network.speak();
    await until(() => after("offline") < Infinity, 12_000, from);
    const online = await until(() => tt.state === "online", 14_000, from);
    const [unsteady, offline] = [after("unsteady", "offline"), after("offline")];
    t.diagnostic(`unsteady after ${Math.round(unsteady)} ms, left after ${Math.round(offline)} ms, online again after ${Math.round(online)} ms`);
    const history = JSON.stringify(tt.states.map(({ state, reason, at }) => [state, reason, Math.round(at - from)]));
    assert.ok(unsteady <= 5100 && offline <= 10_000 && online <= 12_000, history);
  });
}
