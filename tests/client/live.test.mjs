// Against a real server, where TURNTABLE_URL names one: two users meet.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { connect } from "../../static/turntable.js";
import { WebSocket } from "./harness.mjs";

const url = process.env.TURNTABLE_URL;
const skip = url ? false : "TURNTABLE_URL is not set";

/** A user nobody else is. */
function user(t, options = {}) {
  const tt = connect(url, { user: `1:${randomUUID()}`, WebSocket, ...options });
  t.after(() => tt.close());
  return tt;
}

/** The first event for which `fits` holds. */
function until(emitter, event, fits) {
  return new Promise((resolve) => {
    const stop = emitter.on(event, (detail) => {
      if (!fits(detail)) return;
      stop();
      resolve(detail);
    });
  });
}

test("friends see each other come, be busy and go", { skip }, async (t) => {
  const [anna, ben] = [user(t), user(t)];
  await anna.ready;
  const name = ben.user;
  await ben.ready;
  assert.equal((await anna.friends.subscribe([name, "1:nobody-at-all"]))["1:nobody-at-all"], "offline");
  if (anna.friends.get(name) !== "online") await until(anna.friends, "change", ({ changes }) => changes[name] === "online");
  const busy = until(anna.friends, "change", ({ changes }) => changes[name] === "busy");
  await ben.friends.status("busy");
  await busy;
  const gone = until(anna.friends, "change", ({ changes }) => changes[name] === "offline");
  ben.close();
  await gone;
});

test("an invited friend joins the room and both see the same actions", { skip }, async (t) => {
  const [anna, ben] = [user(t), user(t)];
  await Promise.all([anna.ready, ben.ready]);
  const invite = ben.once("invite");
  const channel = `live-${randomUUID()}`;
  const host = await anna.join(channel, { invite: [ben.user] });
  const { channel: invited, from, accept } = await invite;
  assert.deepEqual([invited, from], [channel, anna.user]);
  const guest = await accept();
  assert.deepEqual([...guest.members.keys()].sort(), [anna.user, ben.user].sort());
  const seen = [host, guest].map((room) => {
    const list = [];
    const all = until(room, "action", (action) => list.push(action) === 4);
    return all.then(() => list);
  });
  host.act([{ step: 1 }, { step: 2 }]);
  guest.act({ step: 3 });
  guest.act({ step: 4 });
  const [one, two] = await Promise.all(seen);
  assert.deepEqual(one, two);
  assert.ok(Math.abs(one[0].timestamp - anna.clock.now()) < 60_000);
});

test("a channel's messages reach its members, the publisher's answer names the place", { skip }, async (t) => {
  const [anna, ben] = [user(t), user(t)];
  const path = `live/${randomUUID()}`;
  const [hers, his] = await Promise.all([anna.channel(path), ben.channel(path)]);
  const message = his.once("message");
  const { id, offset } = await hers.publish({ text: "hello" });
  const got = await message;
  assert.deepEqual([got.id, got.offset, got.from, got.data], [id, offset, anna.user, { text: "hello" }]);
});

test("the server's clock is known within a bound", { skip }, async (t) => {
  const tt = user(t);
  await tt.ready;
  await tt.clock.sync();
  assert.ok(tt.clock.error < 1000);
  assert.ok(tt.clock.now() > 1_600_000_000_000);
});

test("a wrong id is refused with its code", { skip }, async (t) => {
  const tt = user(t, { user: "nonsense" });
  tt.on("error", () => {});
  await assert.rejects(tt.ready, (error) => error.code === "invalid_id");
});
