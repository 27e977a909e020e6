// Outages and bad networks, through a proxy, against a real server at
// TURNTABLE_URL. TURNTABLE_GOALS=full adds the long outages.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "../../static/turntable.js";
import { figure, full, seconds } from "./figure.mjs";
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
  assert.ok(online(), JSON.stringify(tabs.filter((tt) => tt.state !== "online").map(({ states }) => states.slice(-3))));
  assert.deepEqual([...new Set(tabs.map(({ transport }) => transport))], ["websocket"]);
  assert.ok(times.at(-1) <= limit_ms, `${times.at(-1)} ms`);
  // None is deaf.
  const marker = randomUUID();
  const heard = channels.map((channel) => new Promise((resolve) => channel.on("message", ({ data }) => data === marker && resolve(true))));
  await channels[0].publish(marker);
  const all = await Promise.race([Promise.all(heard), sleep(3000)]);
  assert.equal(all?.length, TABS);
  figure(t, `server ${silent ? "silent" : "away"} ${away_s} s, ${TABS} clients`, `all back in ${seconds(times.at(-1))}, half of them in ${seconds(times[TABS / 2])}`, seconds(limit_ms));
}

for (const away_s of full ? [3, 12, 25, 60] : [3, 12]) {
  for (const silent of [false, true]) {
    // A silent network is noticed after the next exchange: in a short silence no tab may notice it.
    if (silent && away_s < 25) continue;
    test(`server ${silent ? "silent" : "away"} for ${away_s} s: ${TABS} tabs are back on WebSockets within 2 s`, { skip, timeout: 200_000 }, async (t) => {
      await everyTabReturns(t, { away_s, silent, limit_ms: 2000 });
    });
  }
}

// Each waits most of its time.
describe("bad networks", { concurrency: true, skip }, () => {
  for (const cut_ms of [30, 300]) {
    test(`a proxy that cuts WebSockets after ${cut_ms} ms leads to another transport within 5 s, and presence does not flip`, { timeout: 60_000 }, async (t) => {
      const network = await proxy(t, url);
      network.faults.cut_ms = (head) => (isWebSocket(head) ? cut_ms : undefined);
      const friend = tab(t, url);
      const changes = [];
      friend.friends.on("change", ({ changes: now, snapshot }) => !snapshot && changes.push(Object.values(now)[0]));
      const started = performance.now();
      const tt = tab(t, network.url);
      await friend.friends.subscribe([tt.user]);
      const ms = await until(() => tt.state === "online" && tt.transport === "tunnel", 10_000, started);
      assert.ok(ms <= 5000, `${ms}`);
      const count = tt.states.length;
      const from = performance.now();
      await sleep(15_000); // the WebSocket is probed meanwhile
      const online = tt.state === "online" && tt.transport === "tunnel";
      assert.ok(online && tt.states.length === count, JSON.stringify(tt.states.slice(count).map(({ at, ...rest }) => ({ ...rest, at: at - from }))));
      assert.ok(changes.length <= 1, JSON.stringify(changes));
      figure(t, `WebSockets cut after ${cut_ms} ms`, `on the tunnel in ${seconds(ms)}, presence flips ${changes.length} times`, "5.0 s, at most once");
    });
  }

  test("a WebSocket that is cut each time after it worked for long leads to another transport, and back when it works", { timeout: 90_000 }, async (t) => {
    const network = await proxy(t, url);
    const tt = tab(t, network.url);
    await tt.ready;
    await sleep(5500);
    network.faults.cut_ms = (head) => (isWebSocket(head) ? 300 : undefined);
    network.cut();
    const started = performance.now();
    const ms = await until(() => tt.state === "online" && tt.transport === "tunnel", 10_000, started);
    assert.ok(ms <= 5000, `${ms}`);
    network.faults.cut_ms = undefined;
    const back = await until(() => tt.state === "online" && tt.transport === "websocket", 40_000);
    assert.ok(back < 40_000);
    figure(t, "WebSockets cut that had worked, then not", `on the tunnel in ${seconds(ms)}, back in ${seconds(back)}`, "5.0 s, 40.0 s");
  });

  for (const cut_ms of full ? [4000, 6000] : [6000]) {
    test(`WebSockets that are cut after ${cut_ms} ms each time are left, and used again when they last`, { timeout: 120_000 }, async (t) => {
      const network = await proxy(t, url);
      network.faults.cut_ms = (head) => (isWebSocket(head) ? cut_ms : undefined);
      const tt = tab(t, network.url);
      await tt.ready;
      const ms = await until(() => tt.state === "online" && tt.transport === "tunnel", 5 * cut_ms);
      const goal = 3 * cut_ms + 3000;
      assert.ok(ms <= goal, `${ms}`);
      const count = tt.states.length;
      await sleep(18_000); // the WebSocket is probed meanwhile, and the probe is cut
      assert.ok(tt.transport === "tunnel" && tt.states.length === count, JSON.stringify(tt.states.slice(count)));
      network.faults.cut_ms = undefined;
      const back = await until(() => tt.state === "online" && tt.transport === "websocket", 60_000);
      assert.ok(back < 60_000);
      figure(t, `WebSockets cut after ${seconds(cut_ms)}, later not`, `on the tunnel in ${seconds(ms)}, back in ${seconds(back)}`, `${seconds(goal)}, 60.0 s`);
    });
  }

  for (const cut_ms of full ? [10_000, 15_000, 28_000] : [10_000]) {
    test(`WebSockets that are cut after ${cut_ms} ms each time, which no probe reaches, rest after four cuts, and presence does not flip`, { timeout: 600_000 }, async (t) => {
      const network = await proxy(t, url);
      network.faults.cut_ms = (head) => (isWebSocket(head) ? cut_ms : undefined);
      const friend = tab(t, url);
      const changes = [];
      friend.friends.on("change", ({ changes: now, snapshot }) => !snapshot && changes.push(Object.values(now)[0]));
      const tt = tab(t, network.url);
      await tt.ready;
      await friend.friends.subscribe([tt.user]);
      const cuts = () => tt.states.filter(({ state }) => state === "offline").length;
      // The last one may be that of the probe to which the session has just moved.
      assert.ok((await until(() => cuts() === 4, 5 * cut_ms + 60_000)) < Infinity, JSON.stringify(tt.states));
      assert.ok((await until(() => tt.state === "online" && tt.transport === "tunnel", 5000)) < Infinity);
      const sockets = () => network.heads.filter(isWebSocket).length;
      const [used, lost] = [sockets(), cuts()];
      const rest_ms = full ? 240_000 : 25_000;
      await sleep(rest_ms);
      assert.deepEqual([tt.state, tt.transport, sockets() - used, cuts() - lost, changes], ["online", "tunnel", 0, 0, []]);
      figure(t, `WebSockets cut after ${seconds(cut_ms)}, ${seconds(rest_ms)} after the fourth cut`, "no other cut, presence unchanged", "the same");
    });
  }

  test("a network that swallows WebSockets leads to another transport within 5 s", { timeout: 30_000 }, async (t) => {
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
    assert.equal(tt.transport, "tunnel");
    assert.ok(ms <= 5000, `${ms}`);
    figure(t, "WebSockets swallowed", `on the tunnel in ${seconds(ms)}`, "5.0 s");
  });

  for (const [transport, why] of ["websocket", "tunnel", "longpoll", "poll"].flatMap((name) => [[name, "is in a room"], [name, "awaits an answer"]])) {
    test(`${transport}: a silent connection is unsteady within 5 s and left within 10 s in a page that ${why}`, { timeout: 40_000 }, async (t) => {
      const network = await proxy(t, url);
      const tt = tab(t, network.url, { transports: [transport] });
      if (why === "is in a room") await tt.join(`silent-${randomUUID()}`);
      else await tt.ready;
      await sleep(3000);
      network.silence();
      const from = performance.now();
      if (why !== "is in a room") void tt.request("lookup", []).catch(() => {});
      const after = (...wanted) => (tt.states.find(({ state, at }) => at > from && wanted.includes(state))?.at ?? Infinity) - from;
      // A request that fails before the exchange is overdue ends the connection at once.
      await until(() => after("unsteady", "offline") < Infinity, 6000, from);
      network.speak();
      // A poll is repeated over another connection, which is no loss.
      const repeats = transport === "poll";
      await until(() => after("offline") < Infinity || (repeats && tt.state === "online"), 12_000, from);
      const online = await until(() => tt.state === "online", 14_000, from);
      const [unsteady, offline] = [after("unsteady", "offline"), after("offline")];
      const history = JSON.stringify(tt.states.map(({ state, reason, at }) => [state, reason, Math.round(at - from)]));
      assert.ok(unsteady <= 5100 && (repeats || offline <= 10_000) && online <= 12_000, history);
      const left = repeats ? "repeats its request" : `left in ${seconds(offline)}`;
      figure(t, `silent connection, ${transport}, page that ${why}`, `unsteady in ${seconds(unsteady)}, ${left}, online in ${seconds(online)}`, "5.0 s, 10.0 s, 12.0 s");
    });
  }
});
