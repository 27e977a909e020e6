/** The Playground shows every frame in both directions and sends any command. */

import assert from "node:assert/strict";

import { scene } from "./harness.mjs";

/**
 * Waits for a frame of this direction and command, and returns its message.
 * @param {import("./harness.mjs").Visitor} visitor
 * @param {"in"|"out"} direction
 * @param {string} command
 */
async function frame(visitor, direction, command) {
  const text = await visitor.until(
    ([direction, name]) => window.__demo.frames().find((found) => found.direction === direction && found.command === name)?.text,
    [direction, command],
  );
  return JSON.parse(text);
}

scene("idyou, idme and welcome are shown in order", async ({ open }) => {
  const mel = await open("/playground/", { user: "1:100" });
  await mel.reads("connection-state", "online");
  const greeting = await mel.until(() => {
    const frames = window.__demo.frames().filter(({ direction, command }) => direction !== "note" && command !== "time");
    return frames.length >= 3 && frames.slice(0, 3).map(({ direction, text }) => [direction, JSON.parse(text).command]);
  });
  assert.deepEqual(greeting, [["in", "idyou"], ["out", "idme"], ["in", "welcome"]]);
  assert.deepEqual(await frame(mel, "in", "idyou"), { command: "idyou", data: {} });
  assert.deepEqual(await frame(mel, "out", "idme"), { command: "idme", data: "1:100" });
  assert.equal((await frame(mel, "in", "welcome")).data.user, "1:100");
  await mel.reads("frames", "welcome");
});

scene("a command from a template is sent, and its answer is shown", async ({ open }) => {
  const mel = await open("/playground/", { user: "1:100" });
  await mel.reads("connection-state", "online");
  await mel.see("template").selectOption("subscribe");
  await mel.see("data").fill('["1:200"]');
  await mel.see("send").click();
  assert.deepEqual((await frame(mel, "out", "subscribe")).data, ["1:200"]);
  assert.deepEqual((await frame(mel, "in", "userchange")).data, { "1:200": "offline" });

  const tom = await open("/friends/", { user: "1:200" });
  await tom.reads("connection-state", "online");
  await mel.reads("frames", '"1:200":"online"');

  await mel.see("template").selectOption("lookup");
  await mel.see("data").fill('["1:200"]');
  await mel.see("id").fill("42");
  await mel.see("with-id").check();
  await mel.see("send").click();
  assert.equal((await frame(mel, "in", "reply")).id, 42);
});

scene("invalid raw text is answered with an error, and the connection remains", async ({ open }) => {
  const mel = await open("/playground/", { user: "1:100" });
  await mel.reads("connection-state", "online");
  await mel.page.locator("summary", { hasText: /raw|text|frame/i }).first().click();
  await mel.see("raw").fill('{"command": "nonsense"');
  await mel.see("send-raw").click();
  assert.equal((await frame(mel, "in", "error")).data.code, "bad_json");
  await mel.reads("connection-state", "online");
});

scene("the filter shows matching frames only", async ({ open }) => {
  const mel = await open("/playground/", { user: "1:100" });
  await mel.reads("connection-state", "online");
  await frame(mel, "in", "welcome");
  await mel.see("filter").fill("idyou");
  const shown = await mel.page.evaluate(() => window.__demo.shown().map(({ command }) => command));
  assert.deepEqual(shown, ["idyou"]);
});
