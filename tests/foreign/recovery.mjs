// socket.io's connection state recovery, with npm's `socket.io-client`. Prints
// "ok" and exits with 0 if no message was lost or repeated.
//
//   node tests/foreign/recovery.mjs http://127.0.0.1:8080 polling,websocket
import assert from "node:assert/strict";
import { io } from "socket.io-client";

const [, , url, names] = process.argv;
const options = { transports: names.split(","), forceNew: true, reconnectionDelay: 10 };

setTimeout(() => {
  console.error("no answer in time");
  process.exit(1);
}, 25_000).unref();

const once = (socket, name) => new Promise((resolve) => socket.once(name, resolve));

const other = io(url, { ...options, auth: { user: "1:9" } });
await once(other, "welcome");
await other.emitWithAck("joinchannel", { channel: "news" });
const received = [];
other.on("message", ({ data }) => received.push(data));

const socket = io(url, { ...options, auth: { user: "1:1" } });
const messages = [];
let welcomes = 0;
socket.on("welcome", () => (welcomes += 1));
socket.on("message", ({ data, id }, offset) => {
  assert.equal(offset, id);
  messages.push(data);
});
await once(socket, "welcome");
assert.equal(socket.recovered, false);
await socket.emitWithAck("joinchannel", { channel: "news" });

for (let round = 0; round < 8; round += 1) {
  await other.emitWithAck("publish", { channel: "news", data: `before ${round}` });
  while (!messages.includes(`before ${round}`)) await once(socket, "message");
  const lost = once(socket, "disconnect");
  socket.io.engine.close();
  await lost;
  const connected = once(socket, "connect");
  // Emitted while disconnected: socket.io-client buffers it.
  const buffered = socket.emitWithAck("publish", { channel: "news", data: `buffered ${round}` });
  await other.emitWithAck("publish", { channel: "news", data: `meanwhile ${round}` });
  await connected;
  assert.equal(socket.recovered, true);
  assert.equal(typeof (await buffered).offset, "number");
  // The two messages may arrive in either order.
  while (messages.length < 3 * (round + 1)) await once(socket, "message");
}
assert.equal(welcomes, 1);
assert.equal(messages.length, 24);
while (received.length < 24) await once(other, "message");
assert.deepEqual(messages, received, "the same messages in the same order");
console.log("ok");
process.exit(0);
