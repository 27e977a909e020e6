// A conversation by npm's `ws`, with JSON written by hand. Prints "ok" and exits
// with 0 if all of it is as expected.
//
//   node tests/websocket/library/conversation.mjs ws://127.0.0.1:8080/ws
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

  say(text) {
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
  client.say(`{"command": "idme", "data": "${id}"}`);
  assert.equal((await client.next("welcome")).data.user, id);
  return client;
}

setTimeout(() => {
  console.error("no answer in time");
  process.exit(1);
}, 20_000).unref();

const one = await identified("1:12345");
one.say('{"command": "subscribe", "data": ["1:2345", "1:3456"]}');
assert.deepEqual((await one.next("userchange")).data, { "1:2345": "offline", "1:3456": "offline" });

const two = await identified("1:2345");
assert.deepEqual((await one.next("userchange")).data, { "1:2345": "online" });

one.say('{"command": "joingame", "data": {"channel": "CStrike", "self": "1:12345", "invite": ["1:2345"]}}');
assert.deepEqual(Object.keys((await one.next("joined")).data.members), ["1:12345"]);
assert.deepEqual((await two.next("invite")).data, { channel: "CStrike", from: "1:12345" });
two.say('{"command": "joingame", "data": {"channel": "CStrike", "self": "1:2345"}}');
assert.equal(Object.keys((await two.next("joined")).data.members).length, 2);

// In any order: they are sent by the room, the avatar and the invite.
const seen = {};
for (let count = 0; count < 3; count += 1) {
  const { command, data } = JSON.parse(await one.text());
  seen[command] = data;
}
assert.deepEqual(seen, {
  memberchange: { channel: "CStrike", members: { "1:2345": "joined" } },
  invitereply: { channel: "CStrike", user: "1:2345", accepted: true },
  userchange: { "1:2345": "busy" },
});

const data = '{"strike_one":"1:12345","note":"Grüße \\u20ac","digits":1.50,"nothing":null}';
two.say(`{"command":"game","data":{"channel":"CStrike","actions":[{"timestamp":10223232,"from":"1:2345","data":${data}}]}}`);
for (const client of [one, two]) {
  const text = await client.text();
  assert.ok(text.includes(data), "opaque data passes byte for byte");
  const { actions } = JSON.parse(text).data;
  assert.equal(actions[0].from, "1:2345");
  assert.ok(Math.abs(actions[0].timestamp - Date.now()) < 10_000, "the server's clock");
}

one.say('{"command": "dance", "data": {}, "id": "d"}');
const error = await one.next("error");
assert.deepEqual([error.id, error.data.code], ["d", "unknown_command"]);

one.socket.ping("still there");
const pong = await new Promise((resolve) => one.socket.once("pong", resolve));
assert.equal(String(pong), "still there");

two.say('{"command": "bye", "data": {}}');
assert.equal(await two.closed, 1000);
one.socket.close(1000, "enough");
assert.equal(await one.closed, 1000);
console.log("ok");
