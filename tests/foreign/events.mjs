// A third-party client: npm's `socket.io-client`. Prints "ok" and exits with 0 if
// the server behaves as specified.
//
//   node tests/foreign/events.mjs http://127.0.0.1:8080 polling,websocket
import assert from "node:assert/strict";
import { io } from "socket.io-client";

const [, , url, names] = process.argv;
const transports = names.split(",");

class Client {
  constructor(auth, namespace = "/") {
    this.events = [];
    this.waiting = [];
    this.socket = io(url + namespace, {
      auth,
      transports,
      forceNew: true,
      reconnectionDelay: 10,
      reconnectionDelayMax: 50,
    });
    this.socket.onAny((name, ...args) => {
      // Presence events may arrive at any time, so events are matched by name.
      const waiting = this.waiting.findIndex(([wanted]) => wanted === name);
      if (waiting >= 0) this.waiting.splice(waiting, 1)[0][1](args);
      else this.events.push([name, args]);
    });
  }

  once(name) {
    return new Promise((resolve) => this.socket.once(name, (...args) => resolve(args)));
  }

  // The first argument of the next event of this name.
  async next(name) {
    const at = this.events.findIndex(([known]) => known === name);
    if (at >= 0) return this.events.splice(at, 1)[0][1][0];
    const args = await new Promise((resolve) => this.waiting.push([name, resolve]));
    return args[0];
  }

  request(name, data) {
    return this.socket.timeout(10_000).emitWithAck(name, data);
  }
}

setTimeout(() => {
  console.error("no answer in time");
  process.exit(1);
}, 25_000).unref();

// Identification in the handshake, and by an event.
const one = new Client({ user: "1:12345", attributes: { username: "Mel" } });
assert.deepEqual(await one.next("idyou"), {});
assert.equal(one.events.length ? one.events[0][0] : "welcome", "welcome");
const welcome = await one.next("welcome");
assert.equal(welcome.user, "1:12345");
assert.equal(welcome.resumed, false);
if (transports.length > 1 && one.socket.io.engine.transport.name !== "websocket") {
  await new Promise((resolve) => one.socket.io.engine.once("upgrade", resolve));
}
const two = new Client();
assert.deepEqual(await two.next("idyou"), {});
const early = await two.request("publish", { channel: "chat/lobby", data: 1 });
assert.equal(early.error.code, "not_identified");
assert.equal((await two.request("idme", "1:2345")).user, "1:2345");

const refused = new Client({ user: "nobody" });
const [error] = await refused.once("connect_error");
assert.equal(error.data.code, "invalid_id");
assert.equal(typeof error.message, "string");
const misdirected = new Client({ user: "1:1" }, "/nowhere");
const [invalid] = await misdirected.once("connect_error");
assert.equal(invalid.message, "Invalid namespace");

// Presence.
one.socket.emit("subscribe", ["1:2345", "1:789"]);
assert.deepEqual(await one.next("userchange"), { "1:2345": "online", "1:789": "offline" });
assert.deepEqual(await two.request("status", "busy"), {});
assert.deepEqual(await one.next("userchange"), { "1:2345": "busy" });
const found = await one.request("lookup", ["1:2345"]);
assert.equal(found["1:2345"].state, "busy");
assert.deepEqual(await two.request("status", "online"), {});
assert.deepEqual(await one.next("userchange"), { "1:2345": "online" });

// A room.
const joined = await one.request("joingame", { channel: "CStrike", self: "1:12345", invite: ["1:2345"] });
assert.deepEqual(Object.keys(joined.members), ["1:12345"]);
assert.deepEqual(await two.next("invite"), { channel: "CStrike", from: "1:12345" });
two.socket.emit("joingame", { channel: "CStrike", self: "1:2345" });
assert.equal(Object.keys((await two.next("joined")).members).length, 2);
assert.equal((await one.next("invitereply")).accepted, true);
const data = { strike_one: "1:12345", note: "Grüße €", nothing: null };
two.socket.emit("game", {
  channel: "CStrike",
  actions: [{ timestamp: 10223232, from: "1:2345", data }],
});
for (const client of [one, two]) {
  const { actions } = await client.next("game");
  assert.deepEqual(actions[0].data, data);
  assert.ok(Math.abs(actions[0].timestamp - Date.now()) < 10_000, "a timestamp of the server's clock");
}
const forged = await one.request("game", {
  channel: "CStrike",
  actions: [{ timestamp: 1, from: "1:2345", data: 1 }],
});
assert.ok(["forbidden", "invalid_action"].includes(forged.error.code), JSON.stringify(forged));
const dance = await one.request("dance", {});
assert.equal(dance.error.code, "unknown_command");
one.socket.emit("dance", {});
assert.equal((await one.next("error")).code, "unknown_command");

// A channel with binary data.
assert.equal((await one.request("joinchannel", { channel: "chat/lobby" })).channel, "chat/lobby");
assert.equal((await two.request("joinchannel", { channel: "chat/lobby" })).channel, "chat/lobby");
const bytes = Buffer.from([0, 1, 2, 253, 254, 255]);
const published = await two.request("publish", { channel: "chat/lobby", data: { bytes, text: "hello" } });
assert.equal(published.offset, 1);
for (const client of [one, two]) {
  const message = await client.next("message");
  assert.equal(message.from, "1:2345");
  assert.equal(message.data.text, "hello");
  assert.deepEqual(Buffer.from(message.data.bytes), bytes);
}
const answers = await Promise.all(
  Array.from({ length: 50 }, (_, n) => one.request("publish", { channel: "chat/lobby", data: n })),
);
assert.deepEqual(answers.map(({ offset }) => offset), Array.from({ length: 50 }, (_, n) => n + 2));
for (let n = 0; n < 50; n += 1) assert.equal((await one.next("message")).data, n);
for (let n = 0; n < 50; n += 1) assert.equal((await two.next("message")).data, n);
const large = "x".repeat(40_000);
for (let n = 0; n < 5; n += 1) two.socket.emit("publish", { channel: "chat/lobby", data: large });
for (let n = 0; n < 5; n += 1) assert.equal((await one.next("message")).data, large);

// A lost connection is resumed with the messages published meanwhile. Several
// rounds, so that the new connection also arrives at other workers.
let count = 0;
const three = new Client();
three.socket.onAny(() => (count += 1));
const first = await three.request("idme", "1:3456");
count = 1; // The answer to joinchannel: acknowledgements are counted.
await three.request("joinchannel", { channel: "chat/lobby" });
for (let round = 0; round < 6; round += 1) {
  const published = two.request("publish", { channel: "chat/lobby", data: `before ${round}` });
  assert.equal((await three.next("message")).data, `before ${round}`);
  await published;
  three.socket.auth = { session: first.session, received: count };
  const uncounted = count;
  const lost = three.once("disconnect");
  three.socket.io.engine.close();
  await lost;
  await two.request("publish", { channel: "chat/lobby", data: `meanwhile ${round}` });
  const again = await three.next("welcome");
  assert.equal(again.resumed, true);
  assert.equal(again.session, first.session);
  assert.equal((await three.next("message")).data, `meanwhile ${round}`);
  count = uncounted + 1;
}
assert.equal((await three.request("time", { t0: 1 })).t0, 1);

const ended = two.once("disconnect");
two.socket.emit("bye");
const [reason] = await ended;
assert.equal(reason, "io server disconnect");
one.socket.disconnect();
three.socket.disconnect();
refused.socket.disconnect();
misdirected.socket.disconnect();
console.log("ok");
process.exit(0);
