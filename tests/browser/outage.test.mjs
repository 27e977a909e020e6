/** Tabs of one browser during outages and without WebSockets, through a proxy. */

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";

import { figure, full, seconds } from "../client/figure.mjs";
import { isWebSocket, proxy } from "../client/proxy.mjs";
import { scene } from "./harness.mjs";
import { onWebSocket, openTabs, settled } from "./tabs.mjs";

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
