/** The pages reach the server by every door, and show what travels on it. */

import assert from "node:assert/strict";

import { scene } from "./harness.mjs";

const DOORS = {
  websocket: "frame",
  "websocket-v2": "frame",
  sse: "datagram",
  longpoll: "datagram",
  poll: "entry",
};

for (const [door, kind] of Object.entries(DOORS)) {
  scene(`Playground by ${door}: a command goes out and its answer comes`, async ({ open }) => {
    const mel = await open(`/playground/?door=${door}`, { user: "1:100" });
    await mel.reads("connection-state", "online");
    await mel.see("template").selectOption("subscribe");
    await mel.see("data").fill('["1:200"]');
    await mel.see("with-id").check();
    await mel.see("send").click();
    const [out, back] = await mel.until(() => {
      const frames = window.__demo.frames();
      const found = ["out", "in"].map((way) => frames.find(({ direction, text }) => direction === way && text.includes("1:200")));
      return found.every(Boolean) && found;
    });
    assert.deepEqual([out.kind, back.kind, out.command], [kind, kind, "subscribe"]);
    assert.match(back.text, /"1:200":"offline"/);
    assert.ok(out.bytes > 0 && back.bytes > 0);
  });

  scene(`Friends by ${door}: comings and goings are seen, on a phone`, async ({ open }) => {
    const mel = await open(`/friends/?door=${door}`, { user: "1:100", viewport: { width: 360, height: 740 }, touch: true, dark: true });
    await mel.reads("connection-state", "online");
    await mel.see("add-id").fill("1:200");
    await mel.see("add").click();
    await mel.reads("friend-1:200", "offline");
    const tom = await open(`/friends/?door=${door}`, { user: "1:200" });
    await mel.reads("friend-1:200", "online");
    await tom.see("status-busy").click();
    await mel.reads("friend-1:200", "busy");
    await mel.page.locator("#travel > summary").click();
    await mel.reads("frames", "userchange");
    const frames = await mel.page.evaluate(() => window.__demo.frames());
    assert.ok(frames.every((frame) => frame.kind === kind && frame.bytes > 0));
    const [wide, shown] = await mel.page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    assert.ok(wide <= shown, `${wide} pixels of page on ${shown} of screen`);
  });
}

scene("choosing a door in Friends opens the page anew by it, and links keep it", async ({ open }) => {
  const mel = await open("/friends/", { user: "1:100" });
  await mel.reads("door-in-use", "websocket");
  await mel.see("door").selectOption("sse");
  await mel.page.waitForURL("**/friends/?*door=sse*");
  await mel.reads("door-in-use", "tunnel");
  await mel.page.locator("nav a", { hasText: "Playground" }).click();
  await mel.page.waitForURL("**/playground/?*door=sse*");
  await mel.reads("connection-state", "online");
});

scene("what only the poll has is shown with the poll alone", async ({ open }) => {
  const mel = await open("/playground/", { user: "1:100", viewport: { width: 360, height: 740 }, touch: true });
  await mel.reads("connection-state", "online");
  assert.equal(await mel.see("ask").isVisible(), false);
  await mel.see("door").selectOption("poll");
  assert.equal(await mel.see("ask").isVisible(), true);
  const [wide, shown] = await mel.page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(wide <= shown, `${wide} pixels of page on ${shown} of screen`);
});
