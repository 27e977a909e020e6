/** The pages connect over every transport and show their messages. */

import assert from "node:assert/strict";

import { scene } from "./harness.mjs";

const TRANSPORTS = {
  websocket: "frame",
  "websocket-v2": "frame",
  sse: "datagram",
  longpoll: "datagram",
  poll: "entry",
};

for (const [transport, kind] of Object.entries(TRANSPORTS)) {
  scene(`Playground over ${transport}: a command is sent and answered`, async ({ open }) => {
    const mel = await open(`/playground/?transport=${transport}`, { user: "1:100" });
    await mel.reads("connection-state", "online");
    await mel.see("template").selectOption("subscribe");
    await mel.see("data").fill('["1:200"]');
    await mel.see("with-id").check();
    await mel.see("send").click();
    const [out, back] = await mel.until(() => {
      const frames = window.__demo.frames();
      const found = ["out", "in"].map((wanted) => frames.find(({ direction, text }) => direction === wanted && text.includes("1:200")));
      return found.every(Boolean) && found;
    });
    assert.deepEqual([out.kind, back.kind, out.command], [kind, kind, "subscribe"]);
    assert.match(back.text, /"1:200":"offline"/);
    assert.ok(out.bytes > 0 && back.bytes > 0);
  });

  scene(`Friends over ${transport}: presence changes are shown, on a phone`, async ({ open }) => {
    const mel = await open(`/friends/?transport=${transport}`, { user: "1:100", viewport: { width: 360, height: 740 }, touch: true, dark: true });
    await mel.reads("connection-state", "online");
    await mel.see("add-id").fill("1:200");
    await mel.see("add").click();
    await mel.reads("friend-1:200", "offline");
    const tom = await open(`/friends/?transport=${transport}`, { user: "1:200" });
    await mel.reads("friend-1:200", "online");
    await tom.see("status-busy").click();
    await mel.reads("friend-1:200", "busy");
    await mel.page.locator("#traffic > summary").click();
    await mel.reads("frames", "userchange");
    const frames = await mel.page.evaluate(() => window.__demo.frames());
    assert.ok(frames.every((frame) => frame.kind === kind && frame.bytes > 0));
    const [wide, shown] = await mel.page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    assert.ok(wide <= shown, `${wide} pixels of page on ${shown} of screen`);
  });
}

scene("choosing a transport in Friends reloads the page with it, and links keep it", async ({ open }) => {
  const mel = await open("/friends/", { user: "1:100" });
  await mel.reads("transport-in-use", "websocket");
  await mel.see("transport").selectOption("sse");
  await mel.page.waitForURL("**/friends/?*transport=sse*");
  await mel.reads("transport-in-use", "tunnel");
  await mel.page.locator("nav a", { hasText: "Playground" }).click();
  await mel.page.waitForURL("**/playground/?*transport=sse*");
  await mel.reads("connection-state", "online");
});

scene("the polling controls are shown with the transport poll only", async ({ open }) => {
  const mel = await open("/playground/", { user: "1:100", viewport: { width: 360, height: 740 }, touch: true });
  await mel.reads("connection-state", "online");
  assert.equal(await mel.see("poll-now").isVisible(), false);
  await mel.see("transport").selectOption("poll");
  assert.equal(await mel.see("poll-now").isVisible(), true);
  const [wide, shown] = await mel.page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(wide <= shown, `${wide} pixels of page on ${shown} of screen`);
});

/** Connects with `persist` in a page; returns the session and its events. */
async function connectPersistent(page, transport) {
  return page.evaluate(async (transport) => {
    const { connect } = await import("/turntable.js");
    const tt = connect(undefined, { user: "1:900", persist: true, transports: [transport] });
    const how = [];
    for (const event of ["resumed", "reset"]) tt.on(event, () => how.push(event));
    await tt.ready;
    await tt.request("lookup", []);
    window.client = tt;
    return { how, session: tt.session };
  }, transport);
}

for (const transport of ["websocket", "tunnel", "longpoll", "poll"]) {
  scene(`a persistent session is resumed after a reload over ${transport}, and a duplicated tab starts its own`, async ({ open }) => {
    const mel = await open("/", { user: "1:100" });
    const first = await connectPersistent(mel.page, transport);
    assert.deepEqual(first.how, []);
    await mel.page.reload();
    const second = await connectPersistent(mel.page, transport);
    assert.deepEqual(second, { how: ["resumed"], session: first.session });
    await mel.page.waitForTimeout(300);
    const [copy] = await Promise.all([mel.page.waitForEvent("popup"), mel.page.evaluate(() => void window.open(location.href))]);
    await copy.waitForLoadState();
    assert.ok(await copy.evaluate(() => Object.keys(sessionStorage).some((key) => key.startsWith("turntable "))));
    const other = await connectPersistent(copy, transport);
    assert.notEqual(other.session, first.session);
    const still = await mel.page.evaluate(async () => {
      await window.client.request("lookup", []);
      return [window.client.state, window.client.session];
    });
    assert.deepEqual(still, ["online", first.session]);
  });
}
