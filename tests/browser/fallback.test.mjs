/** Pages on networks that block WebSockets use a tunnel automatically. */

import assert from "node:assert/strict";

import { scene } from "./harness.mjs";

/** Kinds of blocked WebSockets, simulated in the page. */
const BLOCKS = {
  "are refused": (page) =>
    page.addInitScript(() => {
      window.WebSocket = class extends EventTarget {
        readyState = 0;
        constructor() {
          super();
          setTimeout(() => {
            this.readyState = 3;
            this.onerror?.(new Event("error"));
            this.onclose?.(new CloseEvent("close", { code: 1006 }));
          }, 20);
        }
        close() {}
      };
    }),
  "are closed at once": (page) => page.routeWebSocket("**/ws", (socket) => socket.close()),
  "receive no message": (page) => page.routeWebSocket("**/ws", () => {}),
  "throw an exception": (page) =>
    page.addInitScript(() => {
      window.WebSocket = class {
        constructor() {
          throw new DOMException("forbidden", "SecurityError");
        }
      };
    }),
  "do not exist": (page) => page.addInitScript(() => delete window.WebSocket),
};

/**
 * Two players join one game of Four and take turns; both must see the same
 * board. `before` is applied to the first player's page.
 */
async function play(open, before, allowed = []) {
  const players = [];
  for (const [seat, user] of ["1:100", "1:200"].entries()) {
    const player = await open("/four/?room=garden", { user, before: seat === 0 ? before : undefined });
    for (const pattern of allowed) player.allow(pattern);
    await player.until((seat) => window.__demo.seat() === seat, seat);
    players.push(player);
  }
  const [red, yellow] = players;
  for (const [player, column] of [[red, 3], [yellow, 4], [red, 3], [yellow, 4]]) {
    await player.until(() => window.__demo.myTurn());
    const before = await player.page.evaluate(() => window.__demo.board());
    await player.see(`column-${column}`).click();
    for (const visitor of players) await visitor.until((old) => window.__demo.board() !== old, before);
  }
  const boards = await Promise.all(players.map(({ page }) => page.evaluate(() => window.__demo.board())));
  assert.equal(boards[0], boards[1]);
  return players;
}

/** Whether the page has sent messages over a tunnel. */
const usesTunnel = (visitor) =>
  visitor.page.evaluate(() => performance.getEntriesByType("resource").some(({ name }) => new URL(name).pathname === "/tunnel/send"));

for (const [name, before] of Object.entries(BLOCKS)) {
  scene(`if WebSockets ${name} the page uses the tunnel`, async ({ open }) => {
    const [red, yellow] = await play(open, before);
    assert.deepEqual([await usesTunnel(red), await usesTunnel(yellow)], [true, false]);
  });
}

scene(
  "if the server disables WebSockets the pages use tunnels",
  async ({ open }) => {
    const players = await play(open, undefined, [/^console: WebSocket connection to .* failed: .* 404/]);
    for (const player of players) assert.ok(await usesTunnel(player));
  },
  { settings: { TURNTABLE_TRANSPORTS__WEBSOCKET: "false" } },
);
