/** Two pages play Four to the end; seats and board survive a reload. */

import assert from "node:assert/strict";

import { defaultProfile } from "../../static/demo/profile.js";
import { scene } from "./harness.mjs";

const GAME = "/four/?room=garden";

/**
 * Two players in one game, in the order of their seats.
 * @param {Parameters<Parameters<typeof scene>[1]>[0]["open"]} open
 */
async function startGame(open) {
  const red = await open(GAME, { user: "1:100" });
  await red.until(() => window.__demo.seat() === 0);
  const yellow = await open(GAME, { user: "1:200" });
  await yellow.until(() => window.__demo.seat() === 1);
  return { red, yellow };
}

/**
 * Drops a disc when it is this player's turn, and waits until all pages show it.
 * @param {import("./harness.mjs").Visitor} player
 * @param {number} column
 * @param {import("./harness.mjs").Visitor[]} all
 */
async function drop(player, column, all) {
  await player.until(() => window.__demo.myTurn());
  const before = await player.page.evaluate(() => window.__demo.board());
  await player.see(`column-${column}`).click();
  for (const visitor of all) await visitor.until((old) => window.__demo.board() !== old, before);
}

scene("two pages play a round to four in a row and start the next", async ({ open }) => {
  const { red, yellow } = await startGame(open);
  const both = [red, yellow];
  await red.reads("status", "Your turn");
  await yellow.reads("status", `It is the turn of ${defaultProfile("1:100").name}.`);
  for (let row = 0; row < 3; row += 1) {
    await drop(red, 0, both);
    await drop(yellow, 1, both);
  }
  await red.until(() => window.__demo.myTurn());
  // The last disc is dropped by keyboard.
  await red.page.keyboard.press("1");
  await red.reads("status", "You have won!");
  await yellow.reads("status", `${defaultProfile("1:100").name} wins.`);
  for (const player of both) {
    await player.reads("wins", "1 : 0");
    assert.equal(await player.page.locator('[data-line="true"]').count(), 4);
  }
  const boards = await Promise.all(both.map(({ page }) => page.evaluate(() => window.__demo.board())));
  assert.equal(boards[0], boards[1]);

  await yellow.see("new-round").click();
  for (const player of both) await player.reads("round", "Round 2");
  await yellow.reads("status", "Your turn");
});

scene("a reload keeps the seat, the turn and the board", async ({ open }) => {
  const { red, yellow } = await startGame(open);
  const both = [red, yellow];
  await drop(red, 3, both);
  await drop(yellow, 3, both);
  await drop(red, 2, both);
  const board = await yellow.page.evaluate(() => window.__demo.board());

  // First the player whose turn it is, then the other.
  for (const [player, seat] of /** @type {const} */ ([[yellow, 1], [red, 0]])) {
    await player.page.reload();
    await player.until(() => window.__demo.synced());
    assert.deepEqual(
      await player.page.evaluate(() => [window.__demo.seat(), window.__demo.board()]),
      [seat, board],
    );
  }
  await drop(yellow, 2, both);
  await drop(red, 4, both);
});

scene("the game survives a reload of both pages at the same time", async ({ open }) => {
  const { red, yellow } = await startGame(open);
  const both = [red, yellow];
  await drop(red, 5, both);
  const board = await red.page.evaluate(() => window.__demo.board());
  await Promise.all(both.map(({ page }) => page.reload()));
  for (const player of both) {
    await player.until((old) => window.__demo.synced() && window.__demo.board() === old, board);
  }
  await drop(yellow, 5, both);
});

scene("a spectator takes a seat that was given up", async ({ open }) => {
  const { red, yellow } = await startGame(open);
  const third = await open(GAME, { user: "1:300" });
  await third.reads("status", "You are watching.");
  await drop(red, 0, [red, yellow, third]);
  await yellow.see("stand").click();
  await third.see("sit-1").click();
  await third.reads("status", "Your turn");
  await drop(third, 0, [red, yellow, third]);
});

for (const [width, height] of [[740, 360], [667, 375], [360, 640], [1280, 800]]) {
  scene(`board, turn and seats fit a window of ${width} by ${height}`, async ({ open }) => {
    const red = await open(GAME, { user: "1:100", viewport: { width, height }, touch: height < 500 });
    await red.until(() => window.__demo.seat() === 0);
    const below = await red.page.evaluate(() => {
      const bottom = (id) => document.getElementById(id).getBoundingClientRect().bottom;
      return ["board", "status", "seat-0", "seat-1"].filter((id) => bottom(id) > innerHeight);
    });
    assert.deepEqual(below, []);
    assert.equal(await red.page.evaluate(() => scrollY), 0);
  });
}

scene("a long name without blanks does not widen a phone's page", async ({ open }) => {
  const name = "N".repeat(24);
  const own = await open("/friends/", { user: "1:100" });
  await own.see("profile-name").fill(name);
  await own.see("profile-save").click();
  const red = await open(GAME, { user: "1:100" });
  await red.until(() => window.__demo.seat() === 0);
  const yellow = await open(GAME, { user: "1:200", viewport: { width: 360, height: 740 } });
  await yellow.reads("status", `It is the turn of ${name}.`);
  const [wide, shown] = await yellow.page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(wide <= shown, `${wide} > ${shown}`);
});
