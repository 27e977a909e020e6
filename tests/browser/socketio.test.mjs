/** npm's socket.io-client in a page, over each of its transports. */

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";

import { scene } from "./harness.mjs";

const LIBRARY = fileURLToPath(new URL("../../node_modules/socket.io-client/dist/socket.io.esm.min.js", import.meta.url));

const TRANSPORTS = {
  polling: ["polling"],
  websocket: ["websocket"],
  "the upgrade": ["polling", "websocket"],
};

/** Serves the library from the page's own origin. */
const before = (page) => page.route("**/socket.io.esm.min.js", (route) => route.fulfill({ path: LIBRARY, contentType: "text/javascript" }));

/** Connects and identifies in the page, and joins the channel. */
async function join({ page, user }, transports) {
  return page.evaluate(
    async ({ user, transports }) => {
      const { io } = await import("/socket.io.esm.min.js");
      const socket = io({ transports, auth: { user }, forceNew: true });
      const next = (name) => new Promise((resolve) => socket.once(name, resolve));
      const [idyou, welcomed] = [next("idyou"), next("welcome")];
      window.messages = [];
      socket.on("message", (message) => window.messages.push(message));
      window.socket = socket;
      window.request = (command, data) => socket.timeout(10_000).emitWithAck(command, data);
      const idyou_data = await idyou;
      const welcome = await welcomed;
      const joined = await window.request("joinchannel", { channel: "chat/lobby" });
      return { idyou_data, user: welcome.user, channel: joined.channel };
    },
    { user, transports },
  );
}

for (const [name, transports] of Object.entries(TRANSPORTS)) {
  scene(`socket.io-client identifies and gets a channel's messages over ${name}`, async ({ open }) => {
    const mel = await open("/", { user: "1:100", before });
    const tom = await open("/", { user: "1:200", before });
    for (const visitor of [mel, tom]) {
      assert.deepEqual(await join(visitor, transports), { idyou_data: {}, user: visitor.user, channel: "chat/lobby" });
    }
    // Messages published during the transport upgrade arrive as well.
    const numbers = Array.from({ length: 30 }, (_, number) => number);
    for (const number of numbers) {
      const { offset } = await tom.page.evaluate((number) => window.request("publish", { channel: "chat/lobby", data: { number } }), number);
      assert.equal(typeof offset, "number");
    }
    for (const visitor of [mel, tom]) {
      await visitor.until((count) => window.messages.length >= count, numbers.length);
      const received = await visitor.page.evaluate(() => window.messages.map(({ channel, from, data }) => [channel, from, data.number]));
      assert.deepEqual(received, numbers.map((number) => ["chat/lobby", "1:200", number]));
    }
    await mel.until((name) => window.socket.io.engine.transport.name === name, transports.at(-1));
    await mel.page.evaluate(() => window.request("publish", { channel: "chat/lobby", data: new Uint8Array([0, 1, 255]) }));
    await tom.until((count) => window.messages.length > count, numbers.length);
    const data = await tom.page.evaluate(() => [...new Uint8Array(window.messages.at(-1).data)]);
    assert.deepEqual(data, [0, 1, 255]);
    for (const { page } of [mel, tom]) await page.evaluate(() => window.socket.disconnect());
  });
}
