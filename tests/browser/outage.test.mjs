/** Tabs of one browser during outages and on bad networks, through a proxy. */

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";

import { figure, full, seconds } from "../client/figure.mjs";
import { isWebSocket, proxy } from "../client/proxy.mjs";
import { scene } from "./harness.mjs";

/** Errors that the browser logs for failed requests. */
const NETWORK = [/^console: /, /^request: /, /^response: .*\/tunnel/];

/**
 * Opens tabs of one browser that connect through the proxy.
 * @returns {Promise<import("playwright-core").Page[]>}
 */
async function openTabs(open, address, count, options = {}) {
  // A document without a client of its own.
  const blank = `${address}/tunnel/send?d=[]`;
  const first = await open(blank);
  for (const pattern of NETWORK) first.allow(pattern);
  const pages = [first.page];
  while (pages.length < count) {
    const page = await first.page.context().newPage();
    await page.goto(blank);
    pages.push(page);
  }
  for (const [index, page] of pages.entries()) {
    await page.evaluate(
      async ({ user, options }) => {
        const { connect } = await import("/turntable.js");
        window.begun = Date.now();
        const tt = connect(undefined, { user, ...options });
        tt.on("error", () => {});
        window.tt = tt;
        window.times = [];
        tt.on("state", ({ state }) => window.times.push({ state, at: Date.now() }));
      },
      { user: `1:tab-${index}`, options },
    );
  }
  return pages;
}

/** What each tab says, once `wanted` holds for all, or after `limit_ms`. */
async function settled(pages, wanted, limit_ms) {
  for (const end = Date.now() + limit_ms; ; await sleep(50)) {
    const found = await Promise.all(pages.map((page) => page.evaluate(() => ({ state: window.tt.state, transport: window.tt.transport }))));
    if (found.every(wanted) || Date.now() > end) return found;
  }
}

const onWebSocket = ({ state, transport }) => state === "online" && transport === "websocket";

const OUTAGES = full ? [["away", 3], ["away", 12], ["away", 25], ["away", 60], ["silent", 20]] : [["away", 12], ["silent", 20]];

for (const [name, away_s] of OUTAGES) {
  scene(`the server is ${name} for ${away_s} s: all tabs are back on WebSockets within 2 s`, async ({ server, open, t }) => {
    const network = await proxy(t, server.url);
    const pages = await openTabs(open, network.url, full ? 40 : 8);
    const before = await settled(pages, onWebSocket, 10_000);
    assert.ok(before.every(onWebSocket), JSON.stringify(before));
    await sleep(5500);
    if (name === "away") await network.leave();
    else network.silence();
    await sleep(away_s * 1000);
    if (name === "away") await network.back();
    else network.speak();
    const back = Date.now();
    const found = await settled(pages, onWebSocket, 20_000);
    assert.ok(found.every(onWebSocket), JSON.stringify(found));
    const times = await Promise.all(pages.map((page) => page.evaluate(() => window.times.filter(({ state }) => state === "online").at(-1).at)));
    const took = times.map((at) => Math.max(0, at - back)).sort((a, b) => a - b);
    assert.ok(took.at(-1) <= 2000, took.join(", "));
    figure(t, `server ${name} ${away_s} s, ${pages.length} tabs of Chromium`, `all back on WebSockets in ${seconds(took.at(-1))}`, "2.0 s");
    // None is deaf.
    const heard = pages.map((page) => page.evaluate(async () => (await (await window.tt.channel("outage")).once("message")).data));
    await sleep(1000);
    await pages[0].evaluate(async () => (await window.tt.channel("outage")).publish("all"));
    assert.deepEqual(await Promise.all(heard), pages.map(() => "all"));
  }, { timeout_ms: 300_000 });
}

scene("eight tabs without WebSockets: at most three read streams, the others poll, and none blocks the site", async ({ server, open, t }) => {
  const network = await proxy(t, server.url);
  network.faults.cut_ms = (head) => (isWebSocket(head) ? 0 : undefined);
  const pages = await openTabs(open, network.url, 8);
  const found = await settled(pages, ({ state }) => state === "online", 20_000);
  const count = (transport) => found.filter((tab) => tab.transport === transport).length;
  t.diagnostic(`${count("tunnel")} on tunnels, ${count("poll")} polling`);
  assert.ok(found.every(({ state }) => state === "online"), JSON.stringify(found));
  assert.ok(count("tunnel") > 0 && count("tunnel") <= 3 && count("tunnel") + count("poll") === 8, JSON.stringify(found));
  const started = Date.now();
  await pages[0].evaluate(() => fetch("/turntable.js", { cache: "no-store" }).then((response) => response.text()));
  assert.ok(Date.now() - started < 2000);
  // A tab that polls receives what another publishes.
  const poller = pages[found.findIndex(({ transport }) => transport === "poll")];
  const heard = poller.evaluate(async () => {
    const channel = await window.tt.channel("lobby-of-tabs");
    return (await channel.once("message")).data;
  });
  await sleep(1000);
  await pages[found.findIndex(({ transport }) => transport === "tunnel")].evaluate(async () => (await window.tt.channel("lobby-of-tabs")).publish("hi"));
  assert.equal(await heard, "hi");
});

for (const [name, faults, transports] of [
  ["streams buffered", {}, ["tunnel", "longpoll", "poll"]],
  ["WebSockets blocked and streams buffered", { cut_ms: (head) => (isWebSocket(head) ? 0 : undefined) }, undefined],
]) {
  scene(`a network with ${name}: the page is online by long polling within 5 s`, async ({ server, open, t }) => {
    const network = await proxy(t, server.url);
    Object.assign(network.faults, faults, { holds: (head) => (/format=sse/.test(head) ? "body" : undefined) });
    const [page] = await openTabs(open, network.url, 1, transports && { transports });
    const [found] = await settled([page], ({ state }) => state === "online", 15_000);
    const ms = await page.evaluate(() => window.times.at(-1).at - window.begun);
    assert.deepEqual(found, { state: "online", transport: "longpoll" });
    assert.ok(ms <= 5000, `${ms}`);
    assert.equal(await page.evaluate(async () => (await window.tt.join("buffered")).channel), "buffered");
    figure(t, `${name}, Chromium`, `online by long polling in ${seconds(ms)}`, "5.0 s");
  });
}

scene("a visible page in a room notices a silent line within 5 s and leaves it within 10 s", async ({ server, open, t }) => {
  const network = await proxy(t, server.url);
  const [page] = await openTabs(open, network.url, 1);
  await page.evaluate(() => window.tt.join("silent-line"));
  await sleep(3000);
  network.silence();
  const from = Date.now();
  await page.waitForFunction(() => window.tt.state === "unsteady", undefined, { timeout: 10_000, polling: 50 });
  const unsteady = Date.now() - from;
  network.speak();
  await page.waitForFunction(() => window.times.some(({ state }) => state === "offline"), undefined, { timeout: 10_000, polling: 50 });
  const left = Date.now() - from;
  await page.waitForFunction(() => window.tt.state === "online", undefined, { timeout: 10_000, polling: 50 });
  assert.ok(unsteady <= 5200 && left <= 10_000);
  figure(t, "silent line, Chromium, page in a room", `unsteady in ${seconds(unsteady)}, left in ${seconds(left)}`, "5.0 s, 10.0 s");
});

scene("the events of the network probe a line that still looks alive", async ({ server, open, t }) => {
  const network = await proxy(t, server.url);
  const [page] = await openTabs(open, network.url, 1);
  await page.evaluate(() => window.tt.ready);
  await sleep(1500);
  network.silence();
  const from = Date.now();
  await page.evaluate(() => window.dispatchEvent(new Event("offline")));
  await page.waitForFunction(() => window.tt.state === "unsteady", undefined, { timeout: 10_000, polling: 50 });
  assert.ok(Date.now() - from < 3600, `${Date.now() - from}`);
  network.speak();
  await page.waitForFunction(() => window.times.some(({ state }) => state === "offline") && window.tt.state === "online", undefined, { timeout: 10_000, polling: 50 });
});

for (const transport of ["websocket", "tunnel", "longpoll"]) {
  scene(`${transport}: a line that passes one direction only is left, and nothing is lost`, async ({ server, open, t }) => {
    const network = await proxy(t, server.url);
    const [page] = await openTabs(open, network.url, 1, { transports: [transport] });
    await page.evaluate(async () => {
      window.room = await window.tt.join("one-way");
      window.heard = [];
      window.room.on("action", ({ data }) => window.heard.push(data));
    });
    // The browser keeps several connections for requests, all dead now: they are closed before the next stream.
    const limit_ms = 12_000;
    for (const direction of ["down", "up"]) {
      // The streams and the connections that are open for requests; new ones work.
      assert.ok(network.swallow(() => true, direction) > 0);
      const from = Date.now();
      await page.evaluate((data) => void window.room.act(data), direction);
      await page.waitForFunction((data) => window.heard.includes(data), direction, { timeout: 30_000, polling: 50 });
      const ms = Date.now() - from;
      assert.ok(ms <= limit_ms, `${ms}`);
      figure(t, `nothing passes ${direction}, Chromium, ${transport}, page in a room`, `an action came back in ${seconds(ms)}`, seconds(limit_ms));
    }
    assert.deepEqual(await page.evaluate(() => window.heard), ["down", "up"]);
  });

  scene(`${transport}: a line that delays by 300 ms each way is steady, and what is sent arrives once and in order`, async ({ server, open, t }) => {
    const network = await proxy(t, server.url);
    network.faults.delay_ms = 300;
    const [page] = await openTabs(open, network.url, 1, { transports: [transport] });
    const seen = await page.evaluate(async () => {
      const room = await window.tt.join("slow");
      const heard = [];
      room.on("action", ({ data }) => heard.push(data));
      for (let number = 0; number < 100; number += 1) {
        room.act(number);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      for (let tries = 0; heard.length < 100 && tries < 100; tries += 1) await new Promise((resolve) => setTimeout(resolve, 50));
      return { heard, states: window.times.map(({ state }) => state) };
    });
    assert.deepEqual(seen.heard, Array.from({ length: 100 }, (_, number) => number));
    assert.deepEqual(seen.states, ["online"]);
  });
}
