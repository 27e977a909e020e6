// Which transport is tried after a change of the network, and after an outage.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "../../static/turntable.js";
import { fake } from "./fake_server.mjs";
import { ManualEnvironment, WebSocket, page } from "./harness.mjs";

/**
 * A client in manual time whose WebSocket is blocked: it is online over the tunnel. `reach` waits for
 * a condition while time passes, `pass` lets time pass in which requests are answered.
 */
async function on_tunnel(t) {
  const session = await connected(t, ["tunnel", "poll"]);
  assert.equal(session.tt.transport, "tunnel");
  return session;
}

/** A client in manual time that is online. */
async function connected(t, transports, more = () => ({})) {
  const server = await fake(t, { transports, heartbeat_ms: 3_600_000 });
  const env = new ManualEnvironment();
  env.chance = 0;
  const options = { user: "1:1", WebSocket, EventSource: null, environment: env, clock_interval_ms: 3_600_000, ...more(env) };
  const tt = connect(server.url, options);
  t.after(() => tt.close());
  const reach = async (condition) => {
    for (const end = Date.now() + 30_000; !condition(); env.advance(tt.state === "online" ? 50 : 10)) {
      assert.ok(Date.now() < end, `not within 30 s: ${condition}; ${tt.state} over ${tt.transport}`);
      await sleep(2);
    }
  };
  const pass = async (ms) => {
    for (const end = env.now + ms; env.now < end; ) {
      await tt.request("lookup", []);
      env.advance(Math.min(500, end - env.now));
    }
    // What was sent by then has arrived.
    await tt.request("lookup", []);
  };
  await reach(() => tt.state === "online");
  return { server, env, tt, reach, pass };
}

test("another network: a better transport is probed within a second, and often again", async (t) => {
  const { network } = page(t);
  const { server, tt, pass } = await on_tunnel(t);
  const probes = () => server.requests.filter(({ path }) => path === "/ws").length;
  // By now the probes are minutes apart.
  await pass(400_000);
  const before = probes();
  await pass(20_000);
  assert.equal(probes(), before);
  network.type = "cellular";
  network.dispatchEvent(new Event("change"));
  await pass(1_500);
  assert.equal(probes(), before + 1);
  // The next ones come at the first intervals: after 20 and 40 s.
  await pass(61_000);
  assert.equal(probes(), before + 3);
  assert.equal(tt.transport, "tunnel");
});

test("after an outage the proven transport is tried first, although another one was in use", async (t) => {
  const { server, tt, reach, pass } = await on_tunnel(t);
  // The tunnel lasts, and carries messages both ways.
  await pass(6_000);
  server.transports.add("websocket");
  await reach(() => tt.transport === "websocket" && tt.state === "online");
  // The WebSocket has not lasted yet.
  server.away = true;
  const { length } = server.requests;
  server.cutSockets();
  await reach(() => tt.state !== "online" && server.requests.length > length);
  server.requests.length = 0;
  server.away = false;
  await reach(() => tt.state === "online");
  assert.deepEqual([server.requests[0].path, tt.transport], ["/tunnel", "tunnel"]);
});

test("WebSockets that are silent soon after they opened, each time, lead to another transport, and no probe leads back", { timeout: 30_000 }, async (t) => {
  let opened = 0;
  const silenced = (env) => ({
    WebSocket: class extends WebSocket {
      constructor(url, protocols) {
        super(url, protocols);
        opened += 1;
        // The first answer arrives, whatever it takes.
        let received = 0;
        this.once("message", () => this.on("message", () => (received += 1) === 1 && env.setTimeout(() => this.silence(), 1000)));
      }
      silence() {
        this.send = () => {};
        this.onmessage = null;
      }
    },
  });
  const { env, tt, reach, pass } = await connected(t, ["websocket", "tunnel", "poll"], silenced);
  assert.equal(tt.transport, "websocket");
  void tt.join("C").catch(() => {});
  const from = env.now;
  await reach(() => tt.transport === "tunnel" && tt.state === "online");
  assert.ok(env.now - from < 30_000, `${env.now - from} ms`);
  const before = opened;
  let moves = 0;
  tt.on("transport", () => (moves += 1));
  await pass(30_000);
  assert.ok(opened > before, "WebSockets are probed");
  assert.deepEqual([tt.transport, tt.state, moves], ["tunnel", "online", 0]);
});
