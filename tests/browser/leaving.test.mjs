/** What a page sends while it is left, and what a page of a foreign origin gets. */

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";

import { connect } from "../../static/turntable.js";
import { WebSocket } from "../client/harness.mjs";
import { scene } from "./harness.mjs";

for (const transport of ["websocket", "tunnel", "longpoll", "poll"]) {
  scene(`what a page sends in a pagehide listener arrives over ${transport}, and its user is offline`, async ({ open, server, t }) => {
    const watcher = connect(server.url, { user: `1:${randomUUID()}`, WebSocket, transports: ["websocket"] });
    t.after(() => watcher.close());
    await watcher.ready;
    const channel = await watcher.channel("leaving");
    const heard = new Promise((resolve) => channel.on("message", ({ data }) => resolve(data)));
    const user = `1:${randomUUID()}`;
    const gone = new Promise((resolve) => watcher.friends.on("change", ({ changes }) => changes[user] === "offline" && resolve(true)));
    const visitor = await open("/playground/");
    await visitor.page.evaluate(async ([user, transport]) => {
      const { connect } = await import("/turntable.js");
      const tt = connect(undefined, { user, transports: [transport] });
      await tt.ready;
      addEventListener("pagehide", () => {
        tt.send("publish", { channel: "leaving", data: "last" });
        tt.close();
      });
    }, [user, transport]);
    assert.equal((await watcher.friends.subscribe([user]))[user], "online");
    await visitor.page.goto(`${server.url}/strike/`);
    assert.equal(await heard, "last");
    assert.ok(await gone);
  });
}

scene("what a page sends that stays after beforeunload arrives whole", async ({ open, server, t }) => {
  const watcher = connect(server.url, { user: `1:${randomUUID()}`, WebSocket, transports: ["websocket"] });
  t.after(() => watcher.close());
  await watcher.ready;
  const visitor = await open("/playground/");
  visitor.allow(/mailto/);
  for (const transport of ["tunnel", "poll"]) {
    const path = `stays/${transport}`;
    const channel = await watcher.channel(path);
    const heard = [];
    const all = new Promise((resolve) => channel.on("message", ({ data }) => heard.push(data.number) === 6 && resolve(heard)));
    await visitor.page.evaluate(async ([user, transport, path]) => {
      const { connect } = await import("/turntable.js");
      const tt = connect(undefined, { user, transports: [transport] });
      const channel = await tt.channel(path);
      const unload = new Promise((resolve) => addEventListener("beforeunload", resolve, { once: true }));
      const link = Object.assign(document.createElement("a"), { href: "mailto:somebody@example.org" });
      document.body.append(link);
      link.click();
      await unload;
      await new Promise((resolve) => setTimeout(resolve));
      // More than the requests of a page that is left may have.
      for (let number = 0; number < 6; number += 1) channel.publish({ number, text: "x".repeat(20_000) }).catch(() => {});
      tt.close();
    }, [`1:${randomUUID()}`, transport, path]);
    assert.deepEqual(await all, [0, 1, 2, 3, 4, 5], transport);
  }
});

scene("a page of a foreign origin gets an error, whichever transports it may use", async ({ open, server, t }) => {
  // It has the library, and no server of its own.
  const site = createServer(({ url = "" }, response) => {
    const file = new URL(`../../static${url}`, import.meta.url);
    const isModule = /^[\w/.-]+\.m?js$/.test(url) && existsSync(file);
    response.setHeader("Content-Type", isModule ? "text/javascript" : "text/html");
    response.end(isModule ? readFileSync(file) : "<!doctype html><title>foreign</title>");
  }).listen(0, "127.0.0.1");
  await once(site, "listening");
  t.after(() => site.close());
  const visitor = await open("/playground/");
  visitor.allow(/403|WebSocket|CORS|Failed to load|ERR_FAILED/);
  await visitor.page.goto(`http://127.0.0.1:${site.address().port}/`);
  for (const transports of [["websocket"], ["poll"], ["tunnel"], undefined]) {
    const end = await visitor.page.evaluate(async ([url, transports]) => {
      const { connect } = await import("/turntable.js");
      const tt = connect(url, { user: "1:5", ...(transports && { transports }) });
      tt.on("error", () => {});
      return new Promise((resolve) => tt.on("state", ({ state, reason, message }) => state === "closed" && resolve([reason, message])));
    }, [server.url, transports]);
    assert.equal(end[0], "forbidden", String(transports));
    assert.match(end[1], /server\.allowed_origins/);
  }
});
