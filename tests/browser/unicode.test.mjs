/** Strings that are not Unicode, and those that are unusual, sent raw over every transport. */

import assert from "node:assert/strict";
import { on, once } from "node:events";
import { io } from "socket.io-client";
import { WebSocket as NodeWebSocket } from "ws";

import { encode } from "../../static/vendor/msgpack/encode.mjs";
import { connect } from "../../static/turntable.js";
import { WebSocket } from "../client/harness.mjs";
import { scene } from "./harness.mjs";

const CHANNEL = "unicode";
const UNUSUAL = "\u0000\u2028\u2029\ufeff\ufffe\uffff\ufdd0\u200d\u202e\u0301e\u0301\ud83d\ude00\udbff\udfff";

const json = (data, id) => JSON.stringify({ command: "publish", id, data: { channel: CHANNEL, data } });

/**
 * A raw WebSocket that has identified. `ask` resolves with the next message as text;
 * MessagePack has error codes as they are.
 */
async function raw(url, user, protocol) {
  const socket = new NodeWebSocket(url.replace("http", "ws") + "/ws", [protocol], { allowSynchronousEvents: false });
  const messages = on(socket, "message");
  const next = async () => (await messages.next()).value[0].toString("latin1");
  await once(socket, "open");
  socket.send(protocol.includes("v2") ? encode([1, user]) : JSON.stringify({ command: "idme", data: user }));
  // idyou, welcome
  for (let number = 0; number < 2; number += 1) await next();
  const ask = (message) => {
    socket.send(message);
    return next();
  };
  return { ask, close: () => socket.close() };
}

/** Senders by transport: each tries a lone surrogate, and then publishes `UNUSUAL`. */
const SENDERS = {
  "websocket v1": async (url) => {
    const socket = await raw(url, "1:10", "turntable.v1.json");
    assert.match(await socket.ask(json("\ud800", 1)), /bad_message.*Unicode/);
    assert.match(await socket.ask(json({ "\udc00": 1 }, 2)), /bad_message/);
    assert.match(await socket.ask(json(UNUSUAL, 3)), /"offset"/);
    socket.close();
  },
  "websocket v2": async (url) => {
    const socket = await raw(url, "1:11", "turntable.v2.msgpack");
    const message = (data) => Buffer.from(encode([12, { channel: CHANNEL, data }, 1]));
    // As many encoders of MessagePack write it: three bytes that are not UTF-8.
    const lone = message("###");
    lone.set([0xed, 0xa0, 0x80], lone.indexOf("###"));
    assert.match(await socket.ask(lone), /bad_message/);
    assert.match(await socket.ask(message(UNUSUAL)), /offset/);
    socket.close();
  },
  tunnel: async (url) => {
    const leave = new AbortController();
    const opened = await fetch(`${url}/tunnel?new=1&format=ndjson&user=1:12`, { signal: leave.signal });
    const send = async (path, data) => {
      const body = JSON.stringify({ tunnel: opened.headers.get("Turntable-Tunnel"), path, data });
      const sent = await fetch(`${url}/tunnel/send`, { method: "POST", headers: { "Content-Type": "application/json" }, body });
      return `${sent.status} ${await sent.text()}`;
    };
    assert.match(await send(`/channel/${CHANNEL}`, "\ud800"), /^400 .*bad_message.*Unicode/);
    assert.match(await send("/server", { command: "publish", data: { channel: CHANNEL, data: "\udfff" } }), /bad_message/);
    assert.match(await send(`/channel/${CHANNEL}`, UNUSUAL), /^200 /);
    leave.abort();
  },
  poll: async (url) => {
    let session = {};
    const call = async (f, args) => {
      const headers = { "Content-Type": "application/json", ...session };
      const answered = await fetch(`${url}/poll`, { method: "POST", headers, body: JSON.stringify({ f, args, id: 1 }) });
      session = { "Turntable-Session": answered.headers.get("Turntable-Session") };
      return answered.text();
    };
    await call("$av:idme", "1:13");
    assert.match(await call("$av:publish", { channel: CHANNEL, data: ["\ud800"] }), /bad_message.*Unicode/);
    assert.match(await call("$av:publish", { channel: CHANNEL, data: UNUSUAL }), /"offset"/);
  },
  "socket.io": async (url) => {
    for (const [index, transports] of [["polling"], ["websocket"]].entries()) {
      const socket = io(url, { transports, auth: { user: `1:${14 + index}` }, forceNew: true });
      const closed = [];
      socket.on("disconnect", (reason) => closed.push(reason));
      await new Promise((resolve) => socket.once("welcome", resolve));
      const publish = (data) => socket.timeout(10_000).emitWithAck("publish", { channel: CHANNEL, data });
      assert.equal((await publish("\ud800")).error.code, "bad_message");
      assert.equal((await publish({ bytes: new Uint8Array([1]), text: "\udc00" })).error.code, "bad_message");
      assert.ok((await publish(UNUSUAL)).offset >= 0);
      assert.deepEqual(closed, []);
      socket.disconnect();
    }
  },
};

const LISTENERS = {
  "websocket v1": { transports: ["websocket"] },
  "websocket v2": { transports: ["websocket"], encoding: "v2" },
  tunnel: { transports: ["tunnel"], EventSource: null },
  longpoll: { transports: ["longpoll"] },
  poll: { transports: ["poll"], poll: { heartbeat_ms: 50 } },
};

for (const [name, send] of Object.entries(SENDERS)) {
  scene(`a lone surrogate over ${name} is refused to its sender, and unusual text reaches all`, async ({ server }) => {
    const clients = Object.values(LISTENERS).map((options, index) => connect(server.url, { user: `1:${index + 1}`, WebSocket, ...options }));
    const troubles = [];
    for (const tt of clients) {
      await tt.ready;
      tt.on("error", ({ code }) => troubles.push(code));
      tt.on("state", ({ state }) => troubles.push(state));
    }
    const channels = await Promise.all(clients.map((tt) => tt.channel(CHANNEL)));
    const messages = channels.map((channel) => channel.once("message"));
    await send(server.url);
    for (const message of messages) assert.equal((await message).data, UNUSUAL);
    // The library sends U+FFFD.
    const replaced = channels.map((channel) => new Promise((resolve) => channel.on("message", ({ data }) => data.text && resolve(data))));
    await channels[1].publish({ text: "a\ud800b" });
    for (const data of await Promise.all(replaced)) assert.deepEqual(data, { text: "a\ufffdb" });
    assert.deepEqual(troubles, []);
    for (const tt of clients) tt.close();
  });
}
