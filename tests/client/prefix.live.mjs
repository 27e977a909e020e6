// Every transport under a path prefix, with a query, behind a reverse proxy,
// against a real server at TURNTABLE_URL.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, request } from "node:http";
import { test } from "node:test";
import { connect } from "../../static/turntable.js";
import { eventSource } from "./fake_server.mjs";
import { WebSocket } from "./harness.mjs";

const url = process.env.TURNTABLE_URL;
const skip = url ? false : "TURNTABLE_URL is not set";

/** A reverse proxy that serves the server under /play/ and answers everything else with 404. */
async function reverseProxy(t) {
  const self = { url: "", paths: /** @type {string[]} */ ([]), upgrades: true };
  const forward = (incoming) => {
    self.paths.push(incoming.url);
    const path = /^\/play(\/.*)$/.exec(incoming.url)?.[1];
    if (!path) return undefined;
    const { hostname, port } = new URL(url);
    return request({ hostname, port, path, method: incoming.method, headers: incoming.headers });
  };
  const server = createServer((incoming, response) => {
    const outgoing = forward(incoming);
    if (!outgoing) return response.writeHead(404).end();
    incoming.pipe(outgoing);
    outgoing.on("response", (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    outgoing.on("error", () => response.destroy());
    response.on("close", () => outgoing.destroy());
  });
  server.on("upgrade", (incoming, socket, head) => {
    const outgoing = self.upgrades && forward(incoming);
    if (!outgoing) return socket.end("HTTP/1.1 404 Not Found\r\n\r\n");
    outgoing.on("upgrade", (answer, upstream, first) => {
      const headers = Object.entries(answer.headers).map(([name, value]) => `${name}: ${value}\r\n`);
      socket.write(`HTTP/1.1 101 Switching Protocols\r\n${headers.join("")}\r\n`);
      socket.write(first);
      upstream.write(head);
      upstream.pipe(socket).pipe(upstream);
      for (const end of [socket, upstream]) end.on("error", () => {});
    });
    outgoing.on("error", () => socket.destroy());
    outgoing.end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  self.url = `http://127.0.0.1:${server.address().port}/play/?key=a%20b`;
  return self;
}

const CONFIGURATIONS = {
  "websocket v1": { transports: ["websocket"] },
  "websocket v2": { transports: ["websocket"], encoding: "v2" },
  "tunnel by fetch": { transports: ["tunnel"], EventSource: null },
  "tunnel by EventSource": { transports: ["tunnel"], EventSource: eventSource() },
  longpoll: { transports: ["longpoll"] },
  poll: { transports: ["poll"], poll: { heartbeat_ms: 50 } },
};

for (const [name, options] of Object.entries(CONFIGURATIONS)) {
  test(`${name}: every request keeps the prefix and the query of the URL`, { skip, timeout: 20_000 }, async (t) => {
    const proxy = await reverseProxy(t);
    const tt = connect(proxy.url, { user: `1:${randomUUID()}`, WebSocket, ...options });
    t.after(() => tt.close());
    const chat = await tt.channel(`prefix/${randomUUID()}`);
    const message = chat.once("message");
    await chat.publish("hello");
    assert.equal((await message).data, "hello");
    assert.equal(tt.transport, options.transports[0]);
    for (const path of proxy.paths) {
      const { pathname, searchParams } = new URL(path, "http://proxy");
      assert.match(pathname, /^\/play\/(ws|tunnel|tunnel\/send|poll)$/);
      assert.equal(searchParams.get("key"), "a b", path);
    }
  });
}

test("under a prefix without WebSockets the tunnel is used", { skip, timeout: 20_000 }, async (t) => {
  const proxy = await reverseProxy(t);
  proxy.upgrades = false;
  const tt = connect(proxy.url, { user: `1:${randomUUID()}`, WebSocket, EventSource: null });
  t.after(() => tt.close());
  await tt.ready;
  assert.equal(tt.transport, "tunnel");
  assert.ok(proxy.paths.every((path) => path.startsWith("/play/") && path.includes("key=a")), proxy.paths.join(" "));
});
