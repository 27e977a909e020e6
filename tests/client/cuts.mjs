// Random cuts in both directions over each transport, and goodbyes, against the
// server at TURNTABLE_URL. TURNTABLE_GOALS=full runs many of them.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "../../static/turntable.js";
import { figure, full, seconds } from "./figure.mjs";
import { WebSocket, cuttingProxy } from "./harness.mjs";

const url = process.env.TURNTABLE_URL;
const skip = url ? false : "TURNTABLE_URL is not set";
const CUTS = full ? 2000 : 150;
const CLOSES = full ? 100 : 10;

const TRANSPORTS = {
  "websocket v1": { transports: ["websocket"] },
  "websocket v2": { transports: ["websocket"], encoding: "v2" },
  tunnel: { transports: ["tunnel"], EventSource: null },
  longpoll: { transports: ["longpoll"] },
  poll: { transports: ["poll"], poll: { heartbeat_ms: 20 } },
  "every transport": { transports: ["websocket", "tunnel", "longpoll", "poll"], EventSource: null, poll: { heartbeat_ms: 20 } },
};

/** Transports of which all but one are blocked; another one every 150 ms. */
function changing(t) {
  let allowed = "websocket";
  const names = ["websocket", "tunnel", "longpoll", "poll"];
  const timer = setInterval(() => (allowed = names[Math.floor(Math.random() * names.length)]), 150);
  t.after(() => clearInterval(timer));
  class Socket extends WebSocket {
    constructor(url, protocols) {
      if (allowed !== "websocket") throw new Error("blocked");
      super(url, protocols);
    }
  }
  const request = (address, options) => {
    const { pathname, searchParams } = new URL(address);
    const name = pathname === "/poll" ? "poll" : searchParams.get("format") === "longpoll" ? "longpoll" : "tunnel";
    if (allowed !== name && pathname !== "/tunnel/send") return Promise.reject(new Error("blocked"));
    return fetch(address, options);
  };
  return { WebSocket: Socket, fetch: request };
}

function user(t, options = {}, address = url) {
  const tt = connect(address, { user: `1:${randomUUID()}`, WebSocket, ...options });
  t.after(() => tt.close());
  return tt;
}

const numbers = (count) => Array.from({ length: count }, (_, index) => index + 1);

for (const [name, options] of Object.entries({ ...TRANSPORTS, "changing transports": TRANSPORTS["every transport"] })) {
  test(`${name}: ${CUTS} random cuts; publish, game and call exactly once and in order, up and down`, { skip, timeout: 600_000 }, async (t) => {
    const proxy = await cuttingProxy(t, url);
    const platform = name === "changing transports" ? changing(t) : {};
    const mel = user(t, { ...options, ...platform, reconnect: { min_ms: 1, max_ms: 20 }, timeout_ms: 60_000 }, proxy.url);
    const tom = user(t);
    await Promise.all([mel.ready, tom.ready]);
    const path = `cuts/${randomUUID()}`;
    const places = await Promise.all([mel, tom].map(async (tt) => [await tt.channel(path), await tt.join(path)]));
    const failed = [];
    mel.on("state", ({ state, reason, message }) => state === "closed" && failed.push([state, reason, message]));
    for (const event of ["reset", "error"]) mel.on(event, (detail) => failed.push([event, detail.code, detail.message]));
    /** What each of the two hears of the other. */
    const heard = places.map(([channel, room], index) => {
      const other = [tom, mel][index].user;
      const list = { published: [], acted: [] };
      channel.on("message", ({ from, data }) => from === other && list.published.push(data));
      room.on("action", ({ from, data }) => from === other && list.acted.push(data));
      channel.on("gap", () => failed.push("gap"));
      for (const place of [channel, room]) place.on("left", ({ reason }) => reason !== "closed" && failed.push("left"));
      return list;
    });
    let sent = 0;
    let calls = 0;
    const outcomes = [];
    const offsets = [];
    let cuts = 0;
    let last_call = 0;
    const started = performance.now();
    let connections = 0;
    const used = new Map();
    mel.on("welcome", () => {
      connections += 1;
      used.set(mel.transport, (used.get(mel.transport) ?? 0) + 1);
    });
    for (let idle = 0; cuts < CUTS; ) {
      sent += 1;
      for (const [index, [channel, room]] of places.entries()) {
        channel.publish(sent).then(({ offset }) => index === 0 && offsets.push(offset), (error) => failed.push(["publish", error.code, error.message]));
        room.act(sent);
      }
      if (performance.now() - last_call > 250) {
        last_call = performance.now();
        calls += 1;
        mel.call("nothing:here", calls).catch(({ code }) => outcomes.push(code));
      }
      await sleep(4 + Math.random() * 16);
      // Mostly while the client is online, so that every cut finds a connection that works.
      if (failed.length > 0 || mel.state === "closed") break;
      if ((mel.state === "online" || (idle += 1) % 20 === 0) && Math.random() < 0.6 && (await proxy.cut())) cuts += 1;
    }
    for (let tries = 0; tries < 1500; tries += 1) {
      if (failed.length > 0) break;
      if (heard.every(({ published, acted }) => published.length >= sent && acted.length >= sent) && outcomes.length >= calls && offsets.length >= sent) break;
      await sleep(10);
    }
    assert.deepEqual(failed, []);
    for (const { published, acted } of heard) {
      assert.deepEqual(published, numbers(sent));
      assert.deepEqual(acted, numbers(sent));
    }
    // Each call has one outcome: there is no such service.
    assert.deepEqual(outcomes, Array(calls).fill("not_found"));
    assert.deepEqual(offsets, [...offsets].sort((a, b) => a - b));
    t.diagnostic(`${connections} connections in ${seconds(performance.now() - started)}: ${[...used].map((row) => row.join(" ")).join(", ")}`);
    figure(t, `${cuts} random cuts, ${name}`, `${sent} publishes and actions each way and ${calls} calls, each once and in order`, "the same");
  });
}

for (const [name, options] of Object.entries(TRANSPORTS)) {
  for (const cutting of [false, true]) {
    test(`${name}: ${CLOSES} closes${cutting ? " through a proxy that cuts" : ""} leave no session`, { skip, timeout: 300_000 }, async (t) => {
      const proxy = await cuttingProxy(t, url);
      const watcher = user(t);
      await watcher.ready;
      let slowest = 0;
      for (let run = 0; run < CLOSES; run += 1) {
        const mel = connect(proxy.url, { user: `1:${randomUUID()}`, WebSocket, reconnect: { min_ms: 1, max_ms: 20 }, ...options });
        const { user } = await mel.ready;
        const path = `close/${randomUUID()}`;
        const channel = await watcher.channel(path);
        const last = channel.once("message");
        assert.equal((await watcher.friends.subscribe([user]))[user], "online");
        if (run % 2 === 0) await mel.join(path);
        if (run % 3 === 0) await proxy.cut();
        // What was sent before still arrives.
        if (run % 3 !== 0) void mel.channel(path).then((channel) => channel.publish("last")).catch(() => {});
        mel.send("publish", { channel: path, data: "last" });
        mel.close();
        if (cutting) for (let cut = 0; cut < 2; cut += 1) void sleep(cut * 2 * Math.random()).then(() => proxy.cut());
        const started = performance.now();
        while (watcher.friends.get(user) !== "offline" && performance.now() - started < 2500) await sleep(5);
        assert.equal(watcher.friends.get(user), "offline", `run ${run}: a ghost`);
        slowest = Math.max(slowest, performance.now() - started);
        if (run % 3 !== 0) await Promise.race([last, sleep(2000).then(() => assert.fail(`run ${run}: the last message is lost`))]);
        await watcher.friends.unsubscribe([user]);
        await channel.leave();
      }
      figure(t, `${CLOSES} times close(), ${name}${cutting ? ", with cuts" : ""}`, `no ghost; offline in ${seconds(slowest)} at most`, "no ghost");
    });
  }
}
