// A third-party client: npm's `ws`, with JSON messages written by hand. Prints
// "ok" and exits with 0 if the server behaves as specified.
//
//   node tests/foreign/conversation.mjs ws://127.0.0.1:8080/ws
import assert from "node:assert/strict";
import WebSocket from "ws";

const url = process.argv[2];

class Client {
  constructor() {
    this.messages = [];
    this.waiting = [];
    this.socket = new WebSocket(url, "turntable.v1.json", { perMessageDeflate: true });
    this.closed = new Promise((resolve) => this.socket.on("close", resolve));
    this.socket.on("message", (data, isBinary) => {
      assert.equal(isBinary, false);
      const waiting = this.waiting.shift();
      if (waiting) waiting(String(data));
      else this.messages.push(String(data));
    });
    this.socket.on("error", (error) => {
      console.error(error);
      process.exit(1);
    });
  }

  send(text) {
    this.socket.send(text);
  }

  async text() {
    return this.messages.shift() ?? new Promise((resolve) => this.waiting.push(resolve));
  }

  async next(command) {
    const message = JSON.parse(await this.text());
    assert.equal(message.command, command, JSON.stringify(message));
    return message;
  }
}

async function identified(id) {
  const client = new Client();
  assert.equal(await client.text(), '{"command":"idyou","data":{}}');
  client.send(`{"command": "idme", "data": "${id}"}`);
  assert.equal((await client.next("welcome")).data.user, id);
  return client;
}

setTimeout(() => {
  console.error("no answer in time");
  process.exit(1);
}, 20_000).unref();

const one = await identified("1:12345");
one.send('{"command": "subscribe", "data": ["1:2345", "1:3456"]}');
assert.deepEqual((await one.next("userchange")).data, { "1:2345": "offline", "1:3456": "offline" });

const two = await identified("1:2345");
assert.deepEqual((await one.next("userchange")).data, { "1:2345": "online" });

one.send('{"command": "joingame", "data": {"channel": "CStrike", "self": "1:12345", "invite": ["1:2345"]}}');
assert.deepEqual(Object.keys((await one.next("joined")).data.members), ["1:12345"]);
assert.deepEqual((await two.next("invite")).data, { channel: "CStrike", from: "1:12345" });
two.send('{"command": "joingame", "data": {"channel": "CStrike", "self": "1:2345"}}');
assert.equal(Object.keys((await two.next("joined")).data.members).length, 2);

// In any order: they are sent by the room, the avatar and the invitation.
const received = {};
for (let count = 0; count < 3; count += 1) {
  const { command, data } = JSON.parse(await one.text());
  received[command] = data;
}
assert.deepEqual(received, {
  memberchange: { channel: "CStrike", members: { "1:2345": "joined" } },
  invitereply: { channel: "CStrike", user: "1:2345", accepted: true },
  userchange: { "1:2345": "busy" },
});

const data = '{"strike_one":"1:12345","note":"Grüße \\u20ac","digits":1.50,"nothing":null}';
two.send(`{"command":"game","data":{"channel":"CStrike","actions":[{"timestamp":10223232,"from":"1:2345","data":${data}}]}}`);
for (const client of [one, two]) {
  const text = await client.text();
  assert.ok(text.includes(data), "opaque data arrives byte for byte");
  const { actions } = JSON.parse(text).data;
  assert.equal(actions[0].from, "1:2345");
  assert.ok(Math.abs(actions[0].timestamp - Date.now()) < 10_000, "a timestamp of the server's clock");
}

one.send('{"command": "dance", "data": {}, "id": "d"}');
const error = await one.next("error");
assert.deepEqual([error.id, error.data.code], ["d", "unknown_command"]);

one.socket.ping("payload");
const pong = await new Promise((resolve) => one.socket.once("pong", resolve));
assert.equal(String(pong), "payload");

two.send('{"command": "bye", "data": {}}');
assert.equal(await two.closed, 1000);
one.socket.close(1000, "done");
assert.equal(await one.closed, 1000);
console.log("ok");
