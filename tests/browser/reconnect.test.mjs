/** The server restarts, and the pages reconnect automatically. */

import { scene } from "./harness.mjs";

/**
 * While the server is down, connection attempts fail, and Chromium writes each
 * of them to the console. So does the request by which a page learns whether the
 * server answers at all, behind an attempt that takes long.
 * @param {import("./harness.mjs").Visitor[]} visitors
 */
function allowFailedConnections(visitors) {
  for (const visitor of visitors) {
    visitor.allow(/^console: WebSocket connection to .* failed/);
    visitor.allow(/^request: .*\/tunnel\/send\?d=%5B%5D net::ERR_/);
    visitor.allow(/^console: Failed to load resource: net::ERR_/);
  }
}

/**
 * Stops the server until all pages are offline, starts it, and waits for them.
 * @param {import("./harness.mjs").Server} server
 * @param {import("./harness.mjs").Visitor[]} visitors
 */
async function restart(server, visitors) {
  allowFailedConnections(visitors);
  await server.stop();
  for (const visitor of visitors) await visitor.reads("connection-state", "reconnecting");
  await server.start();
  for (const visitor of visitors) await visitor.reads("connection-state", "online");
}

scene("friends see each other again after a restart", async ({ server, open }) => {
  const mel = await open("/friends/", { user: "1:100" });
  await mel.see("add-id").fill("1:200");
  await mel.see("add").click();
  const tom = await open("/friends/", { user: "1:200" });
  await mel.reads("friend-1:200", "online");

  await restart(server, [mel, tom]);
  await mel.reads("friend-1:200", "online");
  await tom.see("status-busy").click();
  await mel.reads("friend-1:200", "busy");
});

scene("a game of Four continues after a restart", async ({ server, open }) => {
  const red = await open("/four/?room=garden", { user: "1:100" });
  await red.until(() => window.__demo.seat() === 0);
  const yellow = await open("/four/?room=garden", { user: "1:200" });
  await yellow.until(() => window.__demo.seat() === 1);
  await red.see("column-3").click();
  await yellow.until(() => window.__demo.myTurn());
  const board = await red.page.evaluate(() => window.__demo.board());

  await restart(server, [red, yellow]);
  for (const player of [red, yellow]) {
    await player.until((old) => window.__demo.synced() && window.__demo.board() === old, board);
  }
  await yellow.until(() => window.__demo.myTurn());
  await yellow.see("column-3").click();
  for (const player of [red, yellow]) await player.until((old) => window.__demo.board() !== old, board);
});

scene("the arena of Strike has both players after a restart", async ({ server, open }) => {
  const red = await open("/strike/?room=yard&team=red", { user: "1:100" });
  const blue = await open("/strike/?room=yard&team=blue", { user: "1:200" });
  const both = [red, blue];
  for (const player of both) await player.until(() => window.__demo.players().length === 2);

  await restart(server, both);
  for (const player of both) {
    await player.until(() => window.__demo.synced() && window.__demo.players().length === 2);
  }
  const before = await blue.page.evaluate(() => window.__demo.players().find(({ id }) => id === "1:100").y);
  await red.page.keyboard.down("KeyS");
  await blue.until((y) => window.__demo.players().find(({ id }) => id === "1:100").y > y + 40, before);
});

scene("pages reconnect after a restart shorter than their retry delay", async ({ server, open }) => {
  const mel = await open("/friends/", { user: "1:100" });
  await mel.see("add-id").fill("1:200");
  await mel.see("add").click();
  await mel.reads("friend-1:200", "offline");
  allowFailedConnections([mel]);

  await server.restart();
  const tom = await open("/friends/", { user: "1:200" });
  await tom.reads("connection-state", "online");
  await mel.reads("friend-1:200", "online");
});
