// A TCP proxy between the client and a server that cuts, delays and silences
// connections.

import { once } from "node:events";
import { connect, createServer } from "node:net";

/**
 * @typedef {object} Faults
 * @property {boolean} [away] connections are refused
 * @property {boolean} [silent] connections are accepted, and no byte passes: now or later
 * @property {(head: string) => boolean | undefined} [dead] by the head of each request: whether no
 *   byte passes on its connection any more, this request included
 * @property {(head: string) => "all" | "body" | undefined} [holds] by the head of each request: what of its
 *   response is buffered until the server has ended it
 * @property {number} [delay_ms] how long bytes are under way, in each direction
 * @property {(head: string) => number | undefined} [cut_ms] after how long a connection is cut,
 *   by the head of its first request
 */

/**
 * @param {import("node:test").TestContext} t
 * @param {string} target the server's URL
 */
export async function proxy(t, target) {
  const { hostname, port: target_port } = new URL(target);
  /** @type {Set<{client: import("node:net").Socket, upstream: import("node:net").Socket, up: boolean, down: boolean, head: string}>} */
  const pairs = new Set();
  let port = 0;
  const self = {
    url: "",
    /** @type {Faults} */
    faults: {},
    /** Heads of first requests. @type {string[]} */
    heads: [],
    /** Refuses new connections and resets the open ones. */
    async leave() {
      for (const { client, upstream } of pairs) {
        reset(client);
        upstream.destroy();
      }
      await new Promise((resolve) => listener.close(resolve));
    },
    /** Accepts connections again. */
    async back() {
      listener = await listen(port);
    },
    /** No byte passes on any connection, and none that is open now will ever pass one. */
    silence() {
      self.faults.silent = true;
      self.swallow();
    },
    /**
     * No byte will ever pass on the open connections for which this holds; new ones work.
     * @param {(head: string) => boolean} [which] by the head of the last request
     * @param {"up" | "down" | "both"} [direction]
     * @returns {number} of connections
     */
    swallow(which = () => true, direction = "both") {
      const chosen = [...pairs].filter(({ head }) => which(head));
      for (const pair of chosen) {
        if (direction !== "down") pair.up = false;
        if (direction !== "up") pair.down = false;
      }
      return chosen.length;
    },
    /** New connections work. */
    speak() {
      self.faults.silent = false;
    },
    /** Cuts the open connections. */
    cut() {
      for (const { client, upstream } of pairs) {
        reset(client);
        upstream.destroy();
      }
    },
  };
  const accept = (/** @type {import("node:net").Socket} */ client) => {
    const upstream = connect(Number(target_port), hostname);
    const pair = { client, upstream, up: !self.faults.silent, down: !self.faults.silent, head: "" };
    /** What is buffered, and whether the head of the response has passed. @type {Buffer[]} */
    let stored = [];
    let has_passed = false;
    pairs.add(pair);
    const end = () => {
      pairs.delete(pair);
      client.destroy();
      upstream.destroy();
    };
    client.on("data", (bytes) => {
      // Requests of HTTP/1.1 share a connection, one after another.
      if (pair.head !== "" && !/^(GET|POST) /.test(String(bytes))) return;
      pair.head = headOf(bytes);
      if (self.faults.dead?.(pair.head)) pair.up = pair.down = false;
    });
    client.once("data", (bytes) => {
      self.heads.push(headOf(bytes));
      const ms = self.faults.cut_ms?.(pair.head);
      if (ms !== undefined) setTimeout(() => reset(client), ms);
    });
    const pass = (/** @type {import("node:net").Socket} */ to, /** @type {Buffer} */ bytes) => {
      const { delay_ms = 0 } = self.faults;
      if (delay_ms > 0) setTimeout(() => to.destroyed || to.write(bytes), delay_ms);
      else to.write(bytes);
    };
    client.on("data", (bytes) => pair.up && pass(upstream, bytes));
    upstream.on("data", (bytes) => {
      const holds = self.faults.holds?.(pair.head);
      if (!pair.down) return;
      if (!holds) return pass(client, bytes);
      stored.push(bytes);
      const all = Buffer.concat(stored);
      const end = all.indexOf("\r\n\r\n") + 4;
      if (holds === "all" || has_passed || end < 4) return;
      has_passed = true;
      stored = [all.subarray(end)];
      pass(client, all.subarray(0, end));
    });
    upstream.on("end", () => stored.length > 0 && pair.down && pass(client, Buffer.concat(stored.splice(0))));
    for (const socket of [client, upstream]) {
      socket.setNoDelay(true);
      socket.on("error", () => {});
      // What was sent before the end arrives before it.
      socket.on("close", () => {
        const { delay_ms = 0 } = self.faults;
        if (delay_ms > 0) setTimeout(end, delay_ms);
        else end();
      });
    }
  };
  const listen = async (/** @type {number} */ port) => {
    const server = createServer(accept);
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
    return server;
  };
  let listener = await listen(0);
  port = /** @type {import("node:net").AddressInfo} */ (listener.address()).port;
  self.url = `http://127.0.0.1:${port}`;
  t.after(() => {
    self.cut();
    listener.close();
  });
  return self;
}

/**
 * Resets a connection. Not one that is being ended: libuv refuses to reset it, Node never closes it
 * then, and a process with such a socket does not end.
 */
export function reset(/** @type {import("node:net").Socket} */ socket) {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}

/** The head of a request. */
function headOf(/** @type {Buffer} */ bytes) {
  return String(bytes).split("\r\n\r\n")[0];
}

/** Whether a connection's first request is a WebSocket handshake. */
export function isWebSocket(/** @type {string} */ head) {
  return /^upgrade: *websocket/im.test(head);
}
