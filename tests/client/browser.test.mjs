// The library in a page: plain modules under a strict content security policy.

import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { serve } from "./harness.mjs";

const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
const skip = existsSync(executablePath) ? false : `no Chromium at ${executablePath} (CHROMIUM names another)`;
const files = fileURLToPath(new URL("../../static", import.meta.url));

const PAGE = `<!doctype html><html lang="en"><title>client</title><script type="module" src="/page.js"></script></html>`;
const SCRIPT = `
  import { connect } from "/turntable.js";
  globalThis.tt = connect(new URLSearchParams(location.search).get("server"), { user: "1:1", transports: ["websocket"], reconnect: { min_ms: 1, max_ms: 5 } });
  globalThis.states = [];
  tt.on("state", ({ state }) => states.push(state));
`;

test("under a strict content security policy a page connects, acts and resumes", { skip }, async (t) => {
  const server = await serve(t);
  const pages = createServer(({ url }, response) => {
    const path = new URL(url, "http://page").pathname;
    const module = /^\/turntable(\/\w+)*\.js$/.test(path);
    const body = module ? readFileSync(files + path) : path === "/page.js" ? SCRIPT : path === "/" ? PAGE : undefined;
    response.writeHead(body === undefined ? 404 : 200, {
      "Content-Type": path === "/" ? "text/html" : "text/javascript",
      "Content-Security-Policy": `default-src 'none'; script-src 'self'; connect-src ws://127.0.0.1:${server.port}; require-trusted-types-for 'script'`,
    });
    response.end(body);
  });
  pages.listen(0, "127.0.0.1");
  await once(pages, "listening");
  t.after(() => pages.close());
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  t.after(() => browser.close());
  const page = await browser.newPage();
  const problems = [];
  page.on("console", (message) => problems.push(message.text()));
  page.on("pageerror", (error) => problems.push(String(error)));
  await page.goto(`http://127.0.0.1:${pages.address().port}/?server=${encodeURIComponent(server.url)}`);

  const peer = await server.accept();
  await peer.admit();
  const timestamp = page.evaluate(async () => {
    const room = await tt.join("C");
    const action = room.once("action");
    room.act({ move: [1, 2] });
    return (await action).timestamp;
  });
  peer.send("joined", { channel: "C", self: "1:1", members: {} }, (await peer.next("joingame")).id);
  const { data } = await peer.next("game");
  assert.deepEqual(data.actions[0].data, { move: [1, 2] });
  peer.send("game", { channel: "C", actions: [{ ...data.actions[0], timestamp: 1_700_000_000_005 }] });
  assert.equal(await timestamp, 1_700_000_000_005);

  peer.terminate();
  const next = await server.accept();
  next.send("idyou", {});
  // Two counted messages: joined and game.
  assert.deepEqual((await next.next("resume")).data, { session: "secret-1", received: 2, attempt: 2 });
  next.welcome({ resumed: true });
  await page.waitForFunction(() => tt.state === "online" && states.includes("offline"));
  assert.deepEqual(problems, []);
});
