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

/** Connects with `keep` in a page; tells what became of the session. */
async function kept(page, door) {
  return page.evaluate(async (door) => {
    const { connect } = await import("/turntable.js");
    const tt = connect(undefined, { user: "1:900", keep: true, doors: [door] });
    const how = [];
    for (const event of ["resumed", "reset"]) tt.on(event, () => how.push(event));
    await tt.ready;
    await tt.request("lookup", []);
    window.kept = tt;
    return { how, session: tt.session };
  }, door);
}

for (const door of ["websocket", "tunnel", "longpoll", "poll"]) {
  scene(`a kept session goes on after a reload by ${door}, and a duplicated tab begins its own`, async ({ open }) => {
    const mel = await open("/", { user: "1:100" });
    const first = await kept(mel.page, door);
    assert.deepEqual(first.how, []);
    await mel.page.reload();
    const second = await kept(mel.page, door);
    assert.deepEqual(second, { how: ["resumed"], session: first.session });
    await mel.page.waitForTimeout(300);
    const [copy] = await Promise.all([mel.page.waitForEvent("popup"), mel.page.evaluate(() => void window.open(location.href))]);
    await copy.waitForLoadState();
    assert.ok(await copy.evaluate(() => Object.keys(sessionStorage).some((key) => key.startsWith("turntable "))));
    const other = await kept(copy, door);
    assert.notEqual(other.session, first.session);
    const still = await mel.page.evaluate(async () => {
      await window.kept.request("lookup", []);
      return [window.kept.state, window.kept.session];
    });
    assert.deepEqual(still, ["online", first.session]);
  });
}
