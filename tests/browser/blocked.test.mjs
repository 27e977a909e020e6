/** Where WebSockets do not get through, pages play on by a tunnel, by themselves. */

import assert from "node:assert/strict";

import { scene } from "./harness.mjs";

/** Ways in which networks do without WebSockets, done to the page's own. */
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
  "open and are closed at once": (page) => page.routeWebSocket("**/ws", (socket) => socket.close()),
  "open and are held back": (page) => page.routeWebSocket("**/ws", () => {}),
  "may not be made": (page) =>
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
 * Two players sit down at one table, one after the other, and take turns; both
 * see the same board. `before` is done to the first one's page.
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

/** Whether the page has sent by a tunnel. */
const tunnelled = (visitor) =>
  visitor.page.evaluate(() => performance.getEntriesByType("resource").some(({ name }) => new URL(name).pathname === "/tunnel/send"));

for (const [name, before] of Object.entries(BLOCKS)) {
  scene(`where WebSockets ${name} the page plays by the tunnel`, async ({ open }) => {
    const [red, yellow] = await play(open, before);
    assert.deepEqual([await tunnelled(red), await tunnelled(yellow)], [true, false]);
  });
}

scene(
  "a server whose WebSocket door is shut is played on by tunnels",
  async ({ open }) => {
    const players = await play(open, undefined, [/^console: WebSocket connection to .* failed: .* 404/]);
    for (const player of players) assert.ok(await tunnelled(player));
  },
  { settings: { TURNTABLE_TRANSPORTS__WEBSOCKET: "false" } },
);
