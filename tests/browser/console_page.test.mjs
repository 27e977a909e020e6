/** The console as a page: tokens, pages of other sites, sizes of screens, light and dark, keys. */

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { once } from "node:events";

import { call, client, faint, openConsole, overflow, screenshot } from "./console.mjs";
import { scene } from "./harness.mjs";

const READER = "reads-0123456789";
const ADMIN = "administers-0123456789";
const OPERATOR = "operates-0123456789";
const TOKENS = {
  TURNTABLE_MANAGEMENT__TOKEN_REQUIRED: "true",
  TURNTABLE_MANAGEMENT__TOKENS__READER: `{ token = "${READER}", role = "read" }`,
  TURNTABLE_MANAGEMENT__TOKENS__OPERATOR: `{ token = "${OPERATOR}", role = "operate" }`,
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
  await page.see("kick").waitFor();
  assert.equal(await page.see("kick").isDisabled(), true);
  assert.equal(await page.see("kick").getAttribute("title"), "This needs the role operate; yours is read.");
  for (const address of addresses) assert.doesNotMatch(address, /0123456789/);
  const stored = await page.page.evaluate(() => [localStorage.length, document.cookie, sessionStorage.length]);
  assert.deepEqual(stored, [0, "", 1]);
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

/** Buttons that lead to a change, by the names that they have in a view of everything. */
const CHANGES = /^(Publish|Kick|Ban|Unban|End sessions|Set|Close|Trace|End|Clear history|Subscribe a user|Unsubscribe a user|Disable|Enable|Change|Roll back|Reload the file|Check a file)$/;

scene("what a role may not do is disabled, and says which role may", async (stage) => {
  const { server } = stage;
  const bearer = (/** @type {string} */ token) => ({ authorization: `Bearer ${token}` });
  const rpc = async (/** @type {string} */ method, /** @type {object} */ params) => (await fetch(`${server.management_url}/rpc/${method}`, { method: "POST", headers: bearer(ADMIN), body: JSON.stringify(params) })).json();
  const mel = await client(server, "1:mel");
  await mel.join("strike/yard", { game: "strike" });
  await (await mel.channel("chat/lobby")).publish({ text: "hello" });
  await rpc("config/set", { config: { "presence.watch_max": 77 } });
  await rpc("user/ban", { userId: "1:tom", seconds: 0 });
  const [{ session }] = await rpc("user/getSessions", { userId: "1:mel" });
  const api = await (await fetch(`${server.management_url}/api`, { headers: bearer(ADMIN) })).json();
  /** What a role may do: the enabled buttons of all views, by name. */
  const enabled = async (/** @type {string} */ token) => {
    const page = await openConsole(stage);
    page.allow(/401|Failed to load resource/);
    await page.see("token").fill(token);
    await page.see("token-use").click();
    await page.reads("connections", /^1$/);
    const names = new Set();
    for (const view of ["users/1%3Amel", "users/1%3Atom", `sessions/${session}`, "channels/chat%2Flobby", "games/strike%2Fyard", "services/forum", "configuration"]) {
      await page.page.goto(`${server.management_url}/#/${view}`);
      const shown = { configuration: "edit-presence.watch_max", services: "service-facts", games: "kick-1:mel" }[view.split("/")[0]];
      await page.see(shown ?? "title").waitFor();
      if (view.startsWith("users")) await page.until(() => document.querySelector('[data-testid="user-state"]').textContent !== "…");
      const buttons = await page.page.locator("main button:visible").evaluateAll((nodes) => nodes.map((node) => ({ name: node.textContent, enabled: !node.disabled, title: node.title })));
      const changes = buttons.filter(({ name }) => CHANGES.test(name));
      assert.ok(changes.length > 0, view);
      for (const { name, enabled, title } of changes) {
        if (enabled) names.add(name);
        else assert.match(title, /^This needs the role (operate|admin); yours is (read|operate)\.$/, `${view}: ${name}`);
      }
    }
    if (token === READER) await screenshot(page, "role-read");
    // Forms of methods are for those that may call them.
    const forms = [];
    for (const name of ["user/kick", "user/publish", "user/erase", "config/check", "session/getTrace", "audit/listAll", "user/getAttributes"]) {
      const [service, method] = name.split("/");
      await page.page.goto(`${server.management_url}/#/methods/${name}`);
      await page.reads("title", name);
      await page.reads("method-form", `Needs the role ${api[service][method].role}`);
      if (await page.see("call").isEnabled()) forms.push(name);
      else assert.match(await page.see("call").getAttribute("title"), /^This needs the role/);
    }
    await page.page.goto(`${server.management_url}/#/audit`);
    await page.see(token === ADMIN ? "audit-table" : "denied").waitFor();
    assert.equal(await page.see("problem").isVisible(), false);
    return { names: [...names].sort(), forms };
  };
  assert.deepEqual(await enabled(READER), { names: [], forms: ["user/getAttributes"] });
  const operator = await enabled(OPERATOR);
  assert.deepEqual(operator.names, ["Ban", "Clear history", "Close", "Disable", "End", "End sessions", "Kick", "Publish", "Set", "Subscribe a user", "Trace", "Unban", "Unsubscribe a user"]);
  assert.deepEqual(operator.forms, ["user/kick", "user/publish", "session/getTrace", "user/getAttributes"]);
  const admin = await enabled(ADMIN);
  assert.deepEqual(admin.names, [...operator.names, "Change", "Check a file", "Reload the file", "Roll back"].sort());
  assert.equal(admin.forms.length, 7);
  mel.close();
}, { settings: { ...TOKENS, TURNTABLE_SERVICES__FORUM__PROVIDERS: '["1:900"]' } });

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
  // Keys of the configuration lead to their view; Enter takes the first result.
  await keyboard.press("/");
  await keyboard.type("watch_max");
  await page.see("result").filter({ hasText: "presence.watch_max" }).waitFor();
  await keyboard.press("Enter");
  await page.reads("title", "Configuration");
  await page.reads("config-table", "presence.watch_max");
  assert.equal(await page.see("config-table").locator("tbody tr").count(), 1);
  await page.page.goto(`${stage.server.management_url}/#/methods/user/kick`);
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
