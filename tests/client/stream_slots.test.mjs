// How many pages of one origin read streams at a time.

import assert from "node:assert/strict";
import { test } from "node:test";
import { connect } from "../../static/turntable.js";
import { streamSlots } from "../../static/turntable/stream_slots.js";
import { environment } from "../../static/turntable/environment.js";

const SLOTS = 3;

/** Web Locks of one browser. */
function locks() {
  const locked = new Set();
  return {
    async request(name, { ifAvailable }, callback) {
      assert.ok(ifAvailable);
      if (locked.has(name)) return callback(null);
      locked.add(name);
      try {
        return await callback({ name });
      } finally {
        locked.delete(name);
      }
    },
  };
}

const PLATFORMS = {
  "Web Locks": () => ({ locks: locks(), BroadcastChannel: undefined }),
  BroadcastChannel: () => ({ locks: undefined, BroadcastChannel }),
};

for (const [name, platform] of Object.entries(PLATFORMS)) {
  const pages = (count) => {
    const shared = platform();
    // Each test has a host of its own: channels are shared by the whole process.
    const url = `ws://${name.replace(" ", "-")}-${count}.test/ws`;
    return Array.from({ length: count }, () => streamSlots({ url, environment: environment(), ...shared }));
  };

  test(`${name}: pages that come one after another get ${SLOTS} slots, and a released one is free`, async (t) => {
    const all = pages(6);
    t.after(() => all.forEach((page) => page.release()));
    const granted = [];
    for (const page of all) granted.push(await page.claim());
    assert.deepEqual(granted, [true, true, true, false, false, false]);
    assert.equal(await all[0].claim(), true); // it has one
    assert.equal(await all[5].claim(), false);
    all[1].release();
    await new Promise((resolve) => setTimeout(resolve, 10));
    assert.equal(await all[5].claim(), true);
    assert.equal(await all[4].claim(), false);
  });

  test(`${name}: pages that come at once get at most ${SLOTS} slots, and at least one`, async (t) => {
    const all = pages(8);
    t.after(() => all.forEach((page) => page.release()));
    const granted = (await Promise.all(all.map((page) => page.claim()))).filter(Boolean).length;
    assert.ok(granted >= 1 && granted <= SLOTS, `${granted}`);
  });
}

for (const [name, platform] of Object.entries(PLATFORMS)) {
  const pages = (host) => {
    const shared = platform();
    return () => streamSlots({ url: `ws://${host}-${name.replace(" ", "-")}.test/ws`, environment: environment(), ...shared });
  };

  test(`${name}: a slot that is released while it is claimed is free`, async (t) => {
    const page = pages("released");
    const closed = page();
    const claims = [closed.claim()];
    closed.release();
    // Another claim of the same page counts anew.
    claims.push(closed.claim());
    closed.release();
    assert.deepEqual(await Promise.all(claims), [false, false]);
    const others = Array.from({ length: SLOTS }, page);
    t.after(() => others.forEach((other) => other.release()));
    for (const other of others) assert.equal(await other.claim(), true);
  });

  test(`${name}: claims at once take one slot`, async (t) => {
    const page = pages("at-once");
    const first = page();
    const others = Array.from({ length: SLOTS - 1 }, page);
    t.after(() => [first, ...others].forEach((other) => other.release()));
    assert.deepEqual(await Promise.all([first.claim(), first.claim()]), [true, true]);
    for (const other of others) assert.equal(await other.claim(), true);
  });
}

test("a client that is closed while it connects leaves no slot behind", async () => {
  const shared = { locks: locks() };
  const options = { ...shared, user: "1:1", transports: ["tunnel", "poll"], EventSource: null, fetch: () => new Promise(() => {}) };
  for (let count = 0; count < SLOTS; count += 1) {
    // A component framework may mount twice.
    const tt = connect("http://closed.test", options);
    tt.ready.catch(() => {});
    tt.close();
  }
  const page = () => streamSlots({ url: "ws://closed.test/ws", environment: environment(), BroadcastChannel: undefined, ...shared });
  for (let count = 0; count < SLOTS; count += 1) assert.equal(await page().claim(), true);
});

test("without Web Locks and BroadcastChannel nothing is limited", () => {
  assert.equal(streamSlots({ url: "ws://a/ws", environment: environment(), locks: undefined, BroadcastChannel: undefined }), undefined);
});
