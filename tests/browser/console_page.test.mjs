/** The console as a page: tokens, pages of other sites, sizes of screens, light and dark, keys. */

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { once } from "node:events";

import { call, client, faint, openConsole, overflow, screenshot } from "./console.mjs";
import { scene } from "./harness.mjs";

const READER = "reads-0123456789";
const ADMIN = "administers-0123456789";
const TOKENS = {
  TURNTABLE_MANAGEMENT__TOKEN_REQUIRED: "true",
  TURNTABLE_MANAGEMENT__TOKENS__READER: `{ token = "${READER}", role = "read" }`,
  TURNTABLE_MANAGEMENT__TOKENS__BOSS: `{ token = "${ADMIN}", role = "admin" }`,
};
const VIEWS = ["", "users", "users/1%3A100", "channels", "channels/chat%2Flobby", "services", "services/forum", "sessions", "games", "games/strike%2Fyard", "configuration", "methods", "methods/user/ban", "metrics", "audit", "access"];
const SCREENS = { desktop: { width: 1280, height: 800 }, landscape: { width: 740, height: 360 }, phone: { width: 360, height: 640 } };

scene("the page has a form for the token, sends it as a header, and may do what its role may", async (stage) => {
  const page = await openConsole(stage);
  page.allow(/401|403|Failed to load resource/);
  /** @type {string[]} */
  const addresses = [];
  page.page.on("request", (request) => addresses.push(request.url()));
  await page.see("token").fill("wrong-0123456789");
  await page.see("token-use").click();
  await page.reads("token-error", "The token is in no entry.");
  await page.see("token").fill(READER);
  await page.see("token-use").click();
  await page.reads("health", "ready");
  await page.reads("connections", /^0$/);
  await screenshot(page, "token");
  // A reload of the tab needs no other one.
  await page.page.reload();
  await page.reads("connections", /^0$/);
  await page.page.goto(`${stage.server.management_url}/#/users/1%3Amel`);
  await page.see("kick").click();
  await page.see("confirm").click();
  await page.page.locator("dialog .field-error").filter({ hasText: "needs the role operate; the token has the role read" }).waitFor();
  for (const address of addresses) assert.doesNotMatch(address, /0123456789/);
  const stored = await page.page.evaluate(() => [localStorage.length, document.cookie, sessionStorage.length]);
  assert.deepEqual(stored, [0, "", 1]);
  await page.see("cancel").click();
  await page.reads("caller", "read");
  await page.see("caller").click();
  await page.reads("access-facts", "reader");
  await page.see("token-forget").click();
  await page.see("token").waitFor();
  // Another tab has none.
  const other = await openConsole(stage);
  other.allow(/401|Failed to load resource/);
  await other.see("token").waitFor();
}, { settings: TOKENS });

scene("a page of another site can neither call nor read nor show the console", async (stage) => {
  const { server } = stage;
  const mel = await client(server, "1:mel");
  const evil = createServer((_, answer) => answer.setHeader("content-type", "text/html").end("<!doctype html><title>evil</title>")).listen(0, "127.0.0.1");
  await once(evil, "listening");
  try {
    const page = await stage.open(`http://localhost:${evil.address().port}/`);
    page.allow(/./);
    const outcome = await page.page.evaluate(async (url) => {
      const read = (path, init) => fetch(url + path, init).then((answer) => answer.type, () => "failed");
      const kick = JSON.stringify({ userId: "1:mel" });
      const shown = (name, attributes) => new Promise((resolve) => {
        const node = Object.assign(document.createElement(name), attributes);
        node.onload = () => resolve("loaded");
        node.onerror = () => resolve("failed");
        document.body.append(node);
      });
      return {
        call: await read("/rpc/user/kick", { method: "POST", body: kick }),
        blind: await read("/rpc/user/kick", { method: "POST", body: kick, mode: "no-cors" }),
        get: await read("/user/kick/1:mel", { mode: "no-cors" }),
        metrics: await read("/metrics"),
        script: await shown("script", { src: `${url}/console/main.js`, type: "module" }),
        image: await shown("img", { src: `${url}/favicon.svg` }),
      };
    }, server.management_url);
    assert.equal(outcome.call, "failed");
    assert.equal(outcome.metrics, "failed");
    assert.equal(outcome.script, "failed");
    assert.equal(outcome.image, "failed");
    // What a page sends without reading the answer does nothing either.
    assert.deepEqual(await call(server, "user/listAll"), ["1:mel"]);
    assert.equal(mel.state, "online");
    // A link is followed by its user.
    await page.page.evaluate((url) => { location.href = `${url}/#/users/1%3Amel`; }, server.management_url);
    await page.reads("user-state", "online");
  } finally {
    evil.close();
    evil.closeAllConnections();
    mel.close();
  }
});

for (const [name, viewport] of Object.entries(SCREENS)) {
  for (const dark of [false, true]) {
    scene(`all views fit a ${name} in ${dark ? "dark" : "light"} mode, with enough contrast`, async (stage) => {
      const mel = await client(stage.server, "1:100");
      await mel.attributes.set({ name: "Melanie".repeat(20) });
      await mel.join("strike/yard", { game: "strike" });
      await (await mel.channel("chat/lobby")).publish({ text: "x".repeat(300) });
      await call(stage.server, "user/ban", { userId: "1:101", seconds: 60, reason: "x".repeat(90) });
      const page = await openConsole(stage, "", { viewport, dark, touch: name !== "desktop" });
      await page.reads("connections", /^1$/);
      for (const view of VIEWS) {
        await page.page.goto(`${stage.server.management_url}/#/${view}`);
        await page.page.locator("main h1").first().waitFor();
        const { wide } = await overflow(page);
        assert.ok(wide <= 0, `${view}: ${wide} pixels wider than the screen`);
        assert.deepEqual(await faint(page), [], view);
        const cut = await page.page.locator(".figure .detail").evaluateAll((nodes) => nodes.filter((node) => node.scrollWidth > node.clientWidth).map((node) => node.textContent));
        assert.deepEqual(cut, [], "second lines that are cut");
        await screenshot(page, `${name}-${dark ? "dark" : "light"}-${view.replaceAll(/[^a-z]+/gi, "-") || "overview"}`);
      }
      mel.close();
    }, { settings: { TURNTABLE_SERVICES__FORUM__PROVIDERS: '["1:900"]' } });
  }
}

scene("keys open the search, move in it and leave it; a dialog takes them and gives the focus back", async (stage) => {
  const mel = await client(stage.server, "1:mel");
  const page = await openConsole(stage);
  await page.reads("connections", /^1$/);
  const { keyboard } = page.page;
  await keyboard.press("/");
  await keyboard.type("user/kick");
  await page.see("result").first().waitFor();
  await keyboard.press("Enter");
  await page.reads("title", "user/kick");
  await keyboard.press("/");
  await keyboard.type("me");
  await page.see("result").filter({ hasText: "1:mel" }).waitFor();
  await keyboard.press("Escape");
  assert.equal(await page.see("search-results").isVisible(), false);
  // In a field it is a character.
  await page.see("field-reason").fill("");
  await page.see("field-reason").press("/");
  assert.equal(await page.see("field-reason").inputValue(), "/");
  await page.page.goto(`${stage.server.management_url}/#/users/1%3Amel`);
  await page.see("kick").focus();
  await keyboard.press("Enter");
  await page.see("confirm-dialog").waitFor();
  await keyboard.press("Escape");
  await page.see("confirm-dialog").waitFor({ state: "detached" });
  assert.equal(await page.page.evaluate(() => document.activeElement.dataset.testid), "kick");
  mel.close();
});

scene("a server that hangs is reported, and the page goes on when it answers again", async (stage) => {
  const page = await openConsole(stage);
  await page.reads("health", "ready");
  page.allow(/TimeoutError|signal timed out|Failed to load|net::/);
  stage.server.child.kill("SIGSTOP");
  await page.reads("health", "no answer");
  await page.reads("problem", "The server does not answer. What is shown is what it was before.");
  stage.server.child.kill("SIGCONT");
  await page.reads("health", "ready");
  await page.see("problem").waitFor({ state: "hidden" });
});

scene("a server that does not answer is reported, and the page goes on with the next one", async (stage) => {
  const page = await openConsole(stage);
  await page.reads("health", "ready");
  page.allow(/ERR_CONNECTION|Failed to load|Failed to fetch|net::/);
  await stage.server.stop();
  await page.reads("health", "no answer");
  await page.reads("problem", "The server does not answer.");
  await stage.server.start();
  await page.reads("health", "ready");
  await page.see("problem").waitFor({ state: "hidden" });
});
