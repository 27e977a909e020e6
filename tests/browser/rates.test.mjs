/** The library in Node, against servers whose rates differ from the defaults. */

import assert from "node:assert/strict";

import { connect } from "../../static/turntable.js";
import { WebSocket } from "../client/harness.mjs";
import { scene } from "./harness.mjs";

const ACTIONS = 1200; // 20 s at 60 actions per second

/** WebSockets that can be cut and blocked. */
function blockable() {
  const self = { blocked: false, cut: () => {} };
  self.WebSocket = class extends WebSocket {
    constructor(url, protocols) {
      if (self.blocked) throw new Error("blocked");
      super(url, protocols);
      self.cut = () => {
        self.blocked = true;
        this.terminate();
      };
    }
  };
  return self;
}

/** Queues the actions while offline, and resolves when all have come back. */
async function flush(server) {
  const network = blockable();
  const options = { user: "1:1", transports: ["websocket"], queue_max: 2000, reconnect: { min_ms: 50, max_ms: 200 } };
  const tt = connect(server.url, { ...options, WebSocket: network.WebSocket });
  const troubles = [];
  tt.on("error", ({ code }) => troubles.push(code));
  const room = await tt.join("far");
  room.on("refused", ({ error }) => troubles.push(error.code));
  const seen = [];
  const all = new Promise((resolve) => room.on("action", ({ data }) => seen.push(data) === ACTIONS && resolve()));
  const offline = tt.once("state");
  network.cut();
  await offline;
  for (let step = 0; step < ACTIONS; step += 1) assert.equal(room.act(step), true);
  const back = tt.once("resumed");
  network.blocked = false;
  await back;
  tt.on("state", ({ state, code }) => troubles.push(`${state} ${code}`));
  await Promise.race([all, new Promise((resolve) => tt.once("state").then(resolve))]);
  const { rates } = tt.limits;
  assert.deepEqual(troubles, []);
  assert.deepEqual(seen, Array.from({ length: ACTIONS }, (_, step) => step));
  tt.close();
  return rates;
}

/** One refusal more than this closes the connection with 4007. */
const NO_FLOOD = { TURNTABLE_LIMITS__FLOOD__PER_SECOND: "1", TURNTABLE_LIMITS__FLOOD__BURST: "1" };

scene("the queue of 20 s at 60 actions per second is accepted at the default rates", async ({ server }) => {
  assert.deepEqual((await flush(server)).game, { per_second: 200, burst: 400 });
}, { settings: NO_FLOOD });

scene("the queue of 20 s at 60 actions per second is accepted at lower rates", async ({ server }) => {
  const rates = await flush(server);
  assert.deepEqual([rates.game, rates.bytes], [{ per_second: 150, burst: 20 }, { per_second: 20_000, burst: 20_000 }]);
}, {
  settings: {
    ...NO_FLOOD,
    TURNTABLE_LIMITS__GAME__PER_SECOND: "150",
    TURNTABLE_LIMITS__GAME__BURST: "20",
    TURNTABLE_LIMITS__BYTES__PER_SECOND: "20000",
    TURNTABLE_LIMITS__BYTES__BURST: "20000",
  },
});

scene("the queue is sent without a wait if the server has no limit", async ({ server }) => {
  const start = performance.now();
  assert.deepEqual((await flush(server)).game, { per_second: 0, burst: 1 });
  // At the default rates it takes 4 s.
  assert.ok(performance.now() - start < 3000);
}, { settings: { ...NO_FLOOD, TURNTABLE_LIMITS__GAME__PER_SECOND: "0", TURNTABLE_LIMITS__GAME__BURST: "1" } });
