// A program of two clients of one transport: presence, a channel, a room and bytes.
// Its arguments are the server's URL and the name of the transport; its output is
// the transport that was used. NODE_EXTRA_CA_CERTS names the server's certificate.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { io } from "socket.io-client";
import { WebSocket } from "ws";
import { connect } from "../../static/turntable.js";
import { eventSource } from "../client/fake_server.mjs";

const OPTIONS = {
  "websocket v1": { transports: ["websocket"] },
  "websocket v2": { transports: ["websocket"], encoding: "v2" },
  "tunnel by fetch": { transports: ["tunnel"], EventSource: null },
  "tunnel by EventSource": { transports: ["tunnel"], EventSource: eventSource() },
  longpoll: { transports: ["longpoll"] },
  poll: { transports: ["poll"], poll: { heartbeat_ms: 50 } },
  "the first that works": {},
};

const SOCKET_IO = {
  "socket.io by polling": ["polling"],
  "socket.io by websocket": ["websocket"],
  "socket.io with an upgrade": ["polling", "websocket"],
};

export const TRANSPORTS = [...Object.keys(OPTIONS), ...Object.keys(SOCKET_IO)];

/** Resolves with the first event for which `matches` is true. */
function until(emitter, event, matches) {
  return new Promise((resolve) => {
    const stop = emitter.on(event, (detail) => {
      if (!matches(detail)) return;
      stop();
      resolve(detail);
    });
  });
}

async function exchange(url, options) {
  const user = () => connect(url, { user: `1:${randomUUID()}`, WebSocket, ...options });
  const [mel, tom] = [user(), user()];
  await Promise.all([mel.ready, tom.ready]);
  await mel.friends.subscribe([tom.user]);
  const busy = until(mel.friends, "change", ({ changes }) => changes[tom.user] === "busy");
  await tom.friends.status("busy");
  await busy;
  const path = `proxy/${randomUUID()}`;
  const [hers, his] = await Promise.all([mel.channel(path), tom.channel(path)]);
  const message = his.once("message");
  const data = { text: "ö\u2028😀", bytes: new Uint8Array([0, 10, 255]) };
  await hers.publish(data);
  assert.deepEqual((await message).data, data);
  const name = `proxy-${randomUUID()}`;
  const [room, other] = [await mel.join(name), await tom.join(name)];
  const step = until(room, "action", ({ data }) => data.step === 1);
  other.act({ step: 1 });
  await step;
  const used = mel.transport;
  const offline = until(mel.friends, "change", ({ changes }) => changes[tom.user] === "offline");
  tom.close();
  await offline;
  mel.close();
  return used;
}

async function socketIo(url, transports) {
  const { origin, pathname } = new URL(url);
  const socket = io(origin, { path: `${pathname}socket.io/`, transports, auth: { user: `1:${randomUUID()}` } });
  const next = (name) => new Promise((resolve, reject) => {
    socket.once(name, resolve);
    socket.once("connect_error", reject);
  });
  const welcome = next("welcome");
  await next("connect");
  await welcome;
  const { engine } = socket.io;
  const upgraded = transports.length < 2 || engine.transport.name === "websocket" ? undefined : new Promise((resolve) => engine.once("upgrade", resolve));
  const ask = (command, data) => socket.timeout(10_000).emitWithAck(command, data);
  const channel = `proxy/${randomUUID()}`;
  await ask("joinchannel", { channel });
  await upgraded;
  const message = next("message");
  const data = Buffer.from([0, 10, 255]);
  await ask("publish", { channel, data });
  assert.deepEqual(Buffer.from((await message).data), data);
  const used = engine.transport.name;
  const closed = new Promise((resolve) => socket.once("disconnect", resolve));
  socket.emit("bye", {});
  await closed;
  return used;
}

const [url, name] = process.argv.slice(2);
if (process.argv[1].endsWith("exchange.mjs")) {
  const used = name in OPTIONS ? await exchange(url, OPTIONS[name]) : await socketIo(url, SOCKET_IO[name]);
  console.log(used);
}
