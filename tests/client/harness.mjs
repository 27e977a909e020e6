// A scripted server over npm ws whose messages the test writes, and an
// environment whose time and random numbers the test controls.

import { once } from "node:events";
import { createConnection, createServer } from "node:net";
import { WebSocket as NodeWebSocket, WebSocketServer } from "ws";
import { connect } from "../../static/turntable.js";

// npm ws may emit several messages in one event-loop turn; a browser does not.
export class WebSocket extends NodeWebSocket {
  constructor(url, protocols = []) {
    super(url, protocols, { allowSynchronousEvents: false });
  }
}

export class Peer {
  #inbox = [];
  #waiting = [];

  constructor(socket) {
    this.socket = socket;
    this.closed = once(socket, "close").then(([code]) => code);
    socket.on("message", (text) => {
      const message = JSON.parse(String(text));
      const index = this.#waiting.findIndex(({ command }) => matches(command, message));
      if (index >= 0) this.#waiting.splice(index, 1)[0].resolve(message);
      else this.#inbox.push(message);
    });
  }

  /** The next message, or the next with `command`. Clock exchanges are skipped unless requested. */
  next(command) {
    const index = this.#inbox.findIndex((message) => matches(command, message));
    if (index >= 0) return Promise.resolve(this.#inbox.splice(index, 1)[0]);
    return new Promise((resolve) => this.#waiting.push({ command, resolve }));
  }

  /** Received messages that were not read, without clock exchanges. */
  get unread() {
    return this.#inbox.filter(({ command }) => command !== "time");
  }

  send(command, data, id) {
    this.socket.send(JSON.stringify({ command, data, id }));
  }

  welcome(data = {}) {
    this.send("welcome", {
      user: "1:1",
      session: "secret-1",
      resumed: false,
      time: 1_700_000_000_000,
      heartbeat_ms: 30_000,
      attributes: {},
      services: {},
      limits: {},
      server: "fake/1",
      ...data,
    });
  }

  /** Sends `idyou` and the welcome; returns the identification. */
  async admit(data) {
    this.send("idyou", {});
    const identification = await this.next();
    this.welcome(data);
    return identification;
  }

  /** Answers clock exchanges from now on, which confirms what was sent before them. */
  confirm() {
    void (async () => {
      for (;;) this.send("time", { ...(await this.next("time")).data, t1: 1, t2: 1 });
    })();
  }

  /** Resolves when both sides have processed everything sent before. */
  async settle(tt) {
    const answer = tt.request("lookup", []);
    const { id } = await this.next("lookup");
    this.send("reply", {}, id);
    await answer;
  }

  close(code) {
    this.socket.close(code);
  }

  terminate() {
    this.socket.terminate();
  }
}

function matches(command, message) {
  return command === undefined ? message.command !== "time" : message.command === command;
}

/** @param {import("node:test").TestContext} t */
export async function serve(t, port = 0) {
  const server = new WebSocketServer({ port, host: "127.0.0.1" });
  await once(server, "listening");
  const arrived = [];
  const waiting = [];
  server.on("connection", (socket) => {
    const peer = new Peer(socket);
    if (waiting.length) waiting.shift()(peer);
    else arrived.push(peer);
  });
  const stop = () => {
    for (const socket of server.clients) socket.terminate();
    return new Promise((resolve) => server.close(resolve));
  };
  t.after(stop);
  return {
    url: `ws://127.0.0.1:${server.address().port}/ws`,
    port: server.address().port,
    stop,
    accept: () => (arrived.length ? Promise.resolve(arrived.shift()) : new Promise((resolve) => waiting.push(resolve))),
  };
}

/** An environment with manual time and a fixed random number. */
export class ManualEnvironment {
  now = 5000;
  /** How long the local clock stood still while the system clock ran on, ms. */
  slept = 0;
  chance = 0.5;
  #timers = new Map();
  #last = 0;

  setTimeout = (fn, ms) => {
    this.#last += 1;
    this.#timers.set(this.#last, { fn, at: this.now + ms });
    return this.#last;
  };

  clearTimeout = (timer) => {
    this.#timers.delete(timer);
  };

  random = () => this.chance;
  local = () => this.now;
  unix = () => 1_600_000_000_000 + this.now + this.slept;

  /** Advances the time by `ms` and runs due timers in order. */
  advance(ms) {
    const end = this.now + ms;
    for (;;) {
      const due = [...this.#timers].filter(([, { at }]) => at <= end).sort((a, b) => a[1].at - b[1].at || a[0] - b[0])[0];
      if (!due) break;
      this.#timers.delete(due[0]);
      this.now = Math.max(this.now, due[1].at);
      due[1].fn();
    }
    this.now = end;
  }

  /** Remaining time of each timer in ms, shortest first. */
  get timers() {
    return [...this.#timers.values()].map(({ at }) => at - this.now).sort((a, b) => a - b);
  }
}

/** A client of `server` that is closed after the test. */
export function client(t, server, options = {}) {
  const tt = connect(server.url, { user: "1:1", WebSocket, transports: ["websocket"], ...options });
  t.after(() => tt.close());
  return tt;
}

/** An online client with its peer and environment. */
export async function online(t, options = {}, welcome = {}) {
  const server = await serve(t);
  const env = new ManualEnvironment();
  const tt = client(t, server, { environment: env, ...options });
  const peer = await server.accept();
  await peer.admit(welcome);
  await tt.ready;
  return { server, env, tt, peer };
}

/** Ends the connection and lets the client reconnect; resolves with the new peer. */
export async function reconnect({ server, env, tt, peer }, code) {
  const offline = tt.once("state");
  if (code === undefined) peer.terminate();
  else peer.close(code);
  const { state, retry_ms } = await offline;
  if (state !== "offline") throw new Error(`the client is ${state}`);
  env.advance(retry_ms);
  return server.accept();
}

/**
 * A TCP proxy in front of `url` whose connections the test cuts: at once, or after
 * bytes of one direction were swallowed.
 */
export async function cuttingProxy(t, url) {
  const target = new URL(url);
  const pairs = new Set();
  const proxy = createServer((near) => {
    const far = createConnection({ host: target.hostname, port: Number(target.port) });
    const pair = { swallow: "", carried: 0, end: () => (near.destroy(), far.destroy(), pairs.delete(pair)) };
    pairs.add(pair);
    const pipe = (from, to, direction) => {
      from.on("data", (bytes) => {
        pair.carried += bytes.length;
        if (pair.swallow !== direction) to.write(bytes);
      });
      from.on("end", () => to.end());
      from.on("error", () => pair.end());
      from.on("close", () => pair.end());
    };
    near.setNoDelay(true);
    far.setNoDelay(true);
    pipe(near, far, "up");
    pipe(far, near, "down");
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  t.after(() => {
    for (const pair of pairs) pair.end();
    proxy.close();
  });
  return {
    url: `http://127.0.0.1:${proxy.address().port}`,
    /** Cuts a random connection that has carried bytes; resolves with whether there was one. */
    async cut(random = Math.random) {
      const open = [...pairs].filter(({ carried, swallow }) => carried > 0 && swallow === "");
      const pair = open[Math.floor(random() * open.length)];
      if (!pair) return false;
      pair.swallow = ["up", "down", "none"][Math.floor(random() * 3)];
      if (pair.swallow !== "none") await new Promise((resolve) => setTimeout(resolve, random() * 6));
      pair.end();
      return true;
    },
  };
}

/** A page with its document and its network, until the test ends. */
export function page(t) {
  const document = Object.assign(new EventTarget(), { visibilityState: "visible" });
  const network = Object.assign(new EventTarget(), { type: "wifi" });
  const navigator = Object.assign(Object.create(globalThis.navigator ?? null), { connection: network });
  for (const [name, value] of Object.entries({ document, navigator })) {
    const before = Object.getOwnPropertyDescriptor(globalThis, name);
    Object.defineProperty(globalThis, name, { value, configurable: true });
    t.after(() => (before ? Object.defineProperty(globalThis, name, before) : delete globalThis[name]));
  }
  return { document, network };
}
