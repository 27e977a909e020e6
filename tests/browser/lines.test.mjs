/** Pages on lines that are silent, slow or pass one direction only, through a proxy. */

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";

import { figure, seconds } from "../client/figure.mjs";
import { proxy } from "../client/proxy.mjs";
import { scene } from "./harness.mjs";
import { openTabs } from "./tabs.mjs";

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
      // The streams and the connections that are open for requests; new ones work. Between two long polls there may be none.
      let swallowed = 0;
      for (let tries = 0; swallowed === 0 && tries < 400; tries += 1) {
        if (tries > 0) await sleep(5);
        swallowed = network.swallow(() => true, direction);
      }
      assert.ok(swallowed > 0);
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
