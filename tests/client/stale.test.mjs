// Actions that are stale when a request is repeated, over the transports that number what they send.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "../../static/turntable.js";
import { fake } from "./fake_server.mjs";
import { WebSocket } from "./harness.mjs";

/** A member of a room, and what it heard of refused actions. */
async function member(t, transport, options = {}) {
  const server = await fake(t, { transports: ["tunnel", "poll"] });
  const tt = connect(server.url, { user: "1:1", EventSource: null, transports: [transport], reconnect: { min_ms: 1, max_ms: 5 }, poll: { heartbeat_ms: 20 }, ...options });
  t.after(() => tt.close());
  tt.on("error", () => {});
  const room = await tt.join("C");
  const refused = [];
  room.on("refused", ({ error, data }) => refused.push([error.code, data[0], error.message.includes("may or may not")]));
  await tt.request("lookup", []);
  const acted = () => server.session.commands.filter(({ command }) => command === "game").map(({ data }) => data.actions[0].data);
  return { server, tt, room, refused, acted };
}

const holds = (body) => body.includes('"game"') || body.includes("$av:game");

for (const transport of ["tunnel", "longpoll", "poll"]) {
  test(`${transport}: what expired is not repeated, and the numbers stay right`, async (t) => {
    const { server, tt, room, refused, acted } = await member(t, transport);
    // The server gets no request that has the action, and that ends when the action is stale.
    const lost = (_url, body) => body.includes('"old"');
    if (transport === "poll") server.loseRequest = lost;
    else server.lose = lost;
    room.act("old", { expires_ms: 50 });
    room.act("fresh");
    for (let tries = 0; acted().length < 1 && tries < 1000; tries += 1) await sleep(5);
    assert.deepEqual(acted(), ["fresh"]);
    assert.deepEqual(refused, [["timeout", "old", true]]);
    // Each command behind it is carried out once.
    for (let number = 1; number <= 3; number += 1) {
      assert.deepEqual(await tt.request("lookup", [number]), { echo: [number] });
      room.act(number);
    }
    await tt.request("lookup", []);
    assert.deepEqual(acted(), ["fresh", 1, 2, 3]);
  });

  test(`${transport}: an answer that was lost: what it had carried out is not carried out again`, async (t) => {
    const { server, tt, room, acted } = await member(t, transport);
    const lost = (_url, body) => body.includes('"old"');
    if (transport === "poll") server.lose = lost;
    else server.loseAnswer = lost;
    room.act("old", { expires_ms: 50 });
    room.act("fresh");
    for (let tries = 0; acted().length < 2 && tries < 1000; tries += 1) await sleep(5);
    assert.deepEqual(await tt.request("lookup", [1]), { echo: [1] });
    room.act("new");
    await tt.request("lookup", []);
    assert.deepEqual(acted(), ["old", "fresh", "new"]);
  });

  test(`${transport}: what waits behind a request is replaced by later actions with its key, and expires`, async (t) => {
    let release = () => {};
    let reach = () => {};
    let gate;
    const delayed = async (url, init) => {
      if (gate && init?.method === "POST" && holds(String(init.body))) {
        reach();
        await gate;
      }
      return fetch(url, init);
    };
    const { tt, room, refused, acted } = await member(t, transport, { fetch: delayed });
    gate = new Promise((resolve) => (release = resolve));
    const reached = new Promise((resolve) => (reach = resolve));
    room.act("first");
    // The request is under way.
    await reached;
    for (let number = 0; number < 20; number += 1) room.act(`pos ${number}`, { merge: "pos" });
    room.act("old", { expires_ms: 10 });
    room.act("fresh");
    // Longer than "old" may wait.
    await sleep(20);
    gate = undefined;
    release();
    for (let tries = 0; acted().length < 3 && tries < 1000; tries += 1) await sleep(5);
    assert.deepEqual(await tt.request("lookup", [1]), { echo: [1] });
    assert.deepEqual(acted(), ["first", "pos 19", "fresh"]);
    assert.deepEqual(refused, [["timeout", "old", false]]);
  });
}

for (const encoding of ["v1", "v2"]) {
  test(`a WebSocket with ${encoding}, then a tunnel: what the server may have keeps its number when it is replaced`, async (t) => {
    const server = await fake(t, { transports: ["websocket", "tunnel"] });
    const tt = connect(server.url, { user: "1:1", WebSocket, EventSource: null, encoding, transports: ["websocket", "tunnel"], reconnect: { min_ms: 1, max_ms: 5 } });
    t.after(() => tt.close());
    tt.on("error", () => {});
    const room = await tt.join("C");
    await tt.clock.sync();
    const { session } = server;
    const acted = () => session.commands.filter(({ command }) => command === "game").map(({ data }) => data.actions[0].data);
    room.act("pos 1", { merge: "pos" });
    for (let tries = 0; acted().length < 1 && tries < 1000; tries += 1) await sleep(1);
    // The server gets no more of this connection.
    server.swallows = true;
    room.act("pos 2", { merge: "pos" });
    room.act("last");
    await sleep(5);
    server.transports.delete("websocket");
    session.socket.terminate();
    await tt.once("resumed");
    await tt.request("lookup", []);
    assert.deepEqual([tt.transport, acted()], ["tunnel", ["pos 1", "pos 2", "last"]]);
  });
}

test("a command that v2 does not have does not count", async (t) => {
  const server = await fake(t, { transports: ["websocket"] });
  const tt = connect(server.url, { user: "1:1", WebSocket, encoding: "v2", transports: ["websocket"], reconnect: { min_ms: 1, max_ms: 5 } });
  t.after(() => tt.close());
  tt.on("error", () => {});
  const room = await tt.join("C");
  await tt.clock.sync();
  const { session } = server;
  const acted = () => session.commands.filter(({ command }) => command === "game").map(({ data }) => data.actions[0].data);
  await assert.rejects(tt.request("dance", {}), (error) => error.code === "unknown_command");
  // The server takes the first, and its confirmation is lost with the connection.
  room.act("first");
  for (let tries = 0; acted().length < 1 && tries < 1000; tries += 1) await sleep(1);
  server.swallows = true;
  room.act("second");
  await sleep(5);
  session.socket.terminate();
  server.swallows = false;
  await tt.once("resumed");
  await tt.request("lookup", []);
  assert.deepEqual(acted(), ["first", "second"]);
});

test("a WebSocket, then a tunnel: what the server refused is reported once", async (t) => {
  const server = await fake(t, { transports: ["websocket", "tunnel"] });
  server.unreadable = (command) => (command === "nonsense" ? { code: "unknown_command", message: "no such command" } : undefined);
  const tt = connect(server.url, { user: "1:1", WebSocket, EventSource: null, transports: ["websocket", "tunnel"], reconnect: { min_ms: 1, max_ms: 5 } });
  t.after(() => tt.close());
  const errors = [];
  tt.on("error", ({ code }) => errors.push(code));
  await tt.ready;
  await tt.clock.sync();
  // The client gets no more of this connection.
  const { session } = server;
  session.connection = null;
  const asked = assert.rejects(tt.request("nonsense"), { code: "unknown_command" });
  tt.send("nonsense");
  for (let tries = 0; session.accepted < 2 && tries < 1000; tries += 1) await sleep(1);
  server.transports.delete("websocket");
  session.socket.terminate();
  await asked;
  await tt.request("lookup", []);
  assert.deepEqual([tt.transport, errors], ["tunnel", ["unknown_command"]]);
  // Of a command that the tunnel itself sends, the answer is the only report.
  tt.send("nonsense");
  await tt.request("lookup", []);
  assert.deepEqual(errors, ["unknown_command", "unknown_command"]);
});
