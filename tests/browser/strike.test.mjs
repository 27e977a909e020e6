/** Two pages play a round of Strike with keyboard and mouse until one team has won. */

import assert from "node:assert/strict";

import { scene } from "./harness.mjs";

const GOAL = 3;
const GAME = `/strike/?room=yard&goal=${GOAL}`;
/** The size of the map, and the free lane along its lower edge (static/strike/arena.js). */
const MAP = { width: 960, height: 600 };
const LANE = { x: 890, y: 585 };

/**
 * @param {import("./harness.mjs").Visitor} player
 */
async function inArena(player) {
  await player.until(() => window.__demo.synced() && window.__demo.me()?.alive);
}

/** Converts a point of the map to a point of the page. */
async function onPage(player, { x, y }) {
  const box = await player.see("arena").boundingBox();
  return [box.x + (x / MAP.width) * box.width, box.y + (y / MAP.height) * box.height];
}

scene("two pages play a round of Strike until red has won", async ({ open }) => {
  const red = await open(`${GAME}&team=red`, { user: "1:100" });
  await inArena(red);
  const blue = await open(`${GAME}&team=blue`, { user: "1:200" });
  await inArena(blue);
  const both = [red, blue];
  for (const player of both) {
    await player.until(() => window.__demo.players().length === 2);
    await player.reads("goal-text", `first to ${GOAL}`);
    // Move down to the lane without walls and stay there.
    await player.page.keyboard.down("KeyS");
  }
  await red.page.mouse.move(...(await onPage(red, LANE)));
  await red.page.mouse.down();
  await Promise.all(both.map((player) => player.page.waitForFunction(
    () => window.__demo.round().winner === "red",
    undefined,
    { timeout: 60_000 },
  )));
  await red.page.mouse.up();
  for (const player of both) {
    await player.reads("score-red", String(GOAL));
    await player.reads("score-blue", "0");
    await player.reads("overlay", "Red wins!");
  }
  const [ours, theirs] = await Promise.all(both.map(({ page }) => page.evaluate(() => {
    const { score, wins, players } = window.__demo.world();
    return { score, wins, deaths: Object.fromEntries(players.map(({ id, deaths }) => [id, deaths])) };
  })));
  assert.deepEqual(ours, { score: { red: GOAL, blue: 0 }, wins: { red: 1, blue: 0 }, deaths: { "1:100": 0, "1:200": GOAL } });
  assert.deepEqual(theirs, ours);
  for (const player of both) {
    await player.reads("round", "Round 2");
    await player.reads("score-red", "0");
  }
});

scene("movement is shown on the other page", async ({ open }) => {
  const red = await open(`${GAME}&team=red`, { user: "1:100" });
  await inArena(red);
  const blue = await open(`${GAME}&team=blue`, { user: "1:200" });
  await inArena(blue);
  const before = await blue.until(() => window.__demo.players().find(({ id }) => id === "1:100"));
  await red.page.keyboard.down("ArrowRight");
  await blue.until((x) => window.__demo.players().find(({ id }) => id === "1:100").x > x + 60, before.x);
  await red.page.keyboard.up("ArrowRight");
  // Both pages show the same final position.
  const rest = await red.until(() => {
    const { x, y, vx, vy } = window.__demo.me();
    return vx === 0 && vy === 0 && { x: Math.round(x), y: Math.round(y) };
  });
  await blue.until(({ x, y }) => {
    const seen = window.__demo.players().find(({ id }) => id === "1:100");
    return Math.abs(seen.x - x) <= 1 && Math.abs(seen.y - y) <= 1;
  }, rest);
});

scene("a player who leaves is removed from the other page's arena", async ({ open }) => {
  const red = await open(`${GAME}&team=red`, { user: "1:100" });
  await inArena(red);
  const blue = await open(`${GAME}&team=blue`, { user: "1:200" });
  await inArena(blue);
  await red.until(() => window.__demo.players().length === 2);
  await blue.see("leave").click();
  await red.until(() => window.__demo.players().length === 1 && !("1:200" in window.__demo.members()));
  await blue.see("join").waitFor();
});

scene("touch moves and fires", async ({ open }) => {
  const mel = await open(`${GAME}&team=red`, { user: "1:100", viewport: { width: 390, height: 800 }, touch: true });
  await inArena(mel);
  const before = await mel.page.evaluate(() => window.__demo.me().x);
  // Playwright's touchscreen can only tap; a long touch requires the DevTools protocol.
  const session = await mel.page.context().newCDPSession(mel.page);
  const touch = (type, touchPoints) => session.send("Input.dispatchTouchEvent", { type, touchPoints });
  const stick = await mel.see("stick").boundingBox();
  await touch("touchStart", [{ x: stick.x + stick.width - 4, y: stick.y + stick.height / 2 }]);
  await mel.until((from) => window.__demo.me().x > from + 30, before);
  await touch("touchEnd", []);
  await mel.until(() => window.__demo.me().vx === 0);
  const trigger = await mel.see("fire").boundingBox();
  await touch("touchStart", [{ x: trigger.x + trigger.width / 2, y: trigger.y + trigger.height / 2 }]);
  await mel.until(() => window.__demo.world().players[0].shot !== null);
  await touch("touchEnd", []);
});

scene("a tap shorter than an animation frame fires", async ({ open }) => {
  const mel = await open(`${GAME}&team=red`, { user: "1:100", viewport: { width: 390, height: 800 }, touch: true });
  await inArena(mel);
  await mel.see("fire").tap();
  await mel.until(() => window.__demo.world().players[0].shot !== null);
});
