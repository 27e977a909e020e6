/** The console: sessions and what happened to them, rooms, and the configuration. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";

import { HOSTILE, call, client, isText, openConsole, overflow, screenshot } from "./console.mjs";
import { scene } from "./harness.mjs";

/** The first session of a user. @param {import("./harness.mjs").Server} server  @param {string} userId */
async function sessionOf(server, userId) {
  return (await call(server, "user/getSessions", { userId }))[0].session;
}

scene("why a user was disconnected is two clicks away, with what happened before", async (stage) => {
  const { server } = stage;
  const page = await openConsole(stage, "sessions");
  const mel = await client(server, "1:mel");
  await page.reads("sessions-table", "1:mel");
  await mel.channel("chat/lobby");
  await mel.call("nothing:there").catch(() => {});
  const session = await sessionOf(server, "1:mel");
  await page.see("sessions-table").getByText(session).click();
  await page.reads("session-state", "connected");
  await page.reads("session-facts", "1:mel");
  await page.reads("session-channels", "chat/lobby");
  await page.reads("session-events", "began");
  await page.reads("session-events", "chat/lobby");
  await page.reads("session-events", "not_found to call");
  await screenshot(page, "session");
  page.allow(/session\/get 404|Failed to load resource/);
  await page.see("close-session").click();
  await page.reads("confirm-effect", "Ends this session of 1:mel.");
  await page.see("field-reason").fill("rude");
  await page.see("confirm").click();
  await page.reads("session-state", "ended");
  await page.reads("session-ended", "closed by local: rude; closed with 4005 kicked");
  await page.reads("session-events", "closed by local: rude; closed with 4005 kicked");
  await page.page.goto(`${server.management_url}/#/users/1%3Amel`);
  await page.reads("user-ended", "closed by local: rude; closed with 4005 kicked; its last error was not_found to call");
  const again = await client(server, "1:mel");
  await call(server, "user/kick", { userId: "1:mel", reason: HOSTILE });
  await page.reads("user-ended", 'kicked by local: "><img src=x');
  await isText(page);
  again.close();
  await screenshot(page, "ended");
  await page.page.goto(`${server.management_url}/#/sessions`);
  await page.reads("ended-table", "1:mel");
});

scene("what passes between a session and its client is shown while it is traced", async (stage) => {
  const { server } = stage;
  const mel = await client(server, "1:mel");
  const session = await sessionOf(server, "1:mel");
  const until_ms = Date.now() + 60_000;
  const all = [
    { number: 1, at_ms: Date.now(), direction: "in", bytes: 40, text: '{"command":"publish","data":{"channel":"chat","data":"hello"}}' },
    { number: 2, at_ms: Date.now(), direction: "out", bytes: 90, text: `{"command":"message","data":${JSON.stringify(HOSTILE)}}` },
  ];
  // The answers of the server are given, so that they are always the same.
  const page = await openConsole(stage, `sessions/${session}`, {
    before: async (page) => {
      await page.route("**/api", async (route) => {
        const response = await route.fetch();
        const api = await response.json();
        const [of, since] = [{ name: "session", type: "string" }, { name: "since", type: "count", optional: true }];
        api.session.trace = { description: "Traces.", role: "operate", kind: "change", params: [of, { name: "seconds", type: "seconds" }], result: {} };
        api.session.getTrace = { description: "The trace.", role: "operate", kind: "look", params: [of, since], result: {} };
        await route.fulfill({ response, json: api });
      });
      await page.route("**/rpc/session/trace", (route) => route.fulfill({ json: { until_ms } }));
      await page.route("**/rpc/session/getTrace", (route) => {
        const { since = 0 } = route.request().postDataJSON();
        const last = Math.min(since + 1, all.length);
        return route.fulfill({ json: { on: true, until_ms, complete: true, last, frames: all.slice(since, last) } });
      });
    },
  });
  await page.reads("session-state", "connected");
  await page.reads("trace-state", "Not traced.");
  await page.see("begin-trace").click();
  await page.reads("confirm-effect", "Messages are private");
  assert.equal(await page.see("field-seconds").inputValue(), "60");
  await page.see("confirm").click();
  await page.reads("toast", /^Trace session \w+: until \d\d:\d\d:\d\d$/);
  await page.reads("trace", "publish");
  await page.reads("trace", "<img src=x");
  await page.see("trace").locator("summary").last().click();
  await isText(page);
  await page.reads("trace-state", "Traced until");
  await page.see("trace-filter").fill("hello");
  assert.equal(await page.see("trace").locator("li:visible").count(), 1);
  await screenshot(page, "trace");
  mel.close();
});

scene("sessions are listed by what they send and by what waits for them", async (stage) => {
  const { server } = stage;
  const [mel, tom] = [await client(server, "1:100"), await client(server, "1:200")];
  const chat = await tom.channel("chat/lobby");
  for (let count = 0; count < 20; count += 1) await chat.publish({ count });
  const page = await openConsole(stage, "sessions?order=messages");
  const users = () => page.page.locator('[data-testid="sessions-table"] tbody tr td:nth-child(2)').allTextContents();
  await page.reads("sessions-table", "1:200");
  assert.deepEqual(await users(), ["1:200", "1:100"]);
  await page.see("order").selectOption("queue");
  assert.match(page.page.url(), /order=queue$/);
  await page.reads("sessions-table", "1:100");
  mel.close();
  tom.close();
});

scene("who is in a room, with its actions as they come, a kick and its end", async (stage) => {
  const { server } = stage;
  const [mel, tom] = [await client(server, "1:100"), await client(server, "1:200")];
  const room = await mel.join("strike/yard", { game: "strike" });
  await tom.join("strike/yard", { game: "strike" });
  const page = await openConsole(stage, "games");
  await page.reads("games-table", "strike/yard");
  // From every view, by the search.
  await page.page.keyboard.press("/");
  await page.page.keyboard.type("strike/y");
  await page.see("result").filter({ hasText: "strike/yard" }).first().click();
  await page.reads("title", "strike/yard");
  await page.reads("game-members", "1:100");
  await page.reads("game-members", "1:200");
  room.act({ enter: { said: HOSTILE } });
  await page.reads("game-actions", "<img src=x");
  await isText(page);
  room.act({ enter: { said: "again" } });
  await page.reads("game-actions", "again");
  await screenshot(page, "game");
  await page.see("kick-1:200").click();
  await page.reads("confirm-effect", "1:200 leaves the room, and the other members see it.");
  await page.see("confirm").click();
  await page.see("game-members").getByText("1:200").waitFor({ state: "detached" });
  // The rooms of a user are in its view.
  await page.page.goto(`${server.management_url}/#/users/1%3A100`);
  await page.reads("user-rooms", "strike/yard");
  await page.see("user-rooms").getByText("strike/yard").click();
  await page.reads("game-members", "1:100");
  page.allow(/game\/get(Actions)? 404|Failed to load resource/);
  await page.see("end-game").click();
  await page.reads("confirm-effect", "The room ends for its 1 member");
  await page.see("confirm").click();
  await page.page.goto(`${server.management_url}/#/games`);
  await page.reads("view", "No room has such an id.");
  mel.close();
  tom.close();
});

scene("a key of the configuration is found, changed once its effect is shown, and rolled back", async (stage) => {
  const { server } = stage;
  const page = await openConsole(stage, "configuration");
  await page.see("find-key").fill("watch_max");
  const value = () => page.page.locator('[data-key="presence.watch_max"] td:nth-child(2)').textContent();
  await page.reads("config-table", "presence.watch_max");
  const before = await value();
  await page.see("edit-presence.watch_max").click();
  // Warnings of what is in force anyway are no changes.
  await page.reads("config-diff", /^nothing$/);
  await page.reads("warnings", "services.forum");
  page.allow(/config\/check 400|Failed to load resource/);
  await page.see("config-value").fill("-1");
  await page.see("config-error").waitFor();
  assert.equal(await page.see("config-apply").isDisabled(), true);
  await page.see("config-value").fill("77");
  await page.reads("config-diff", `presence.watch_max: ${before} → 77`);
  await screenshot(page, "config-edit");
  // It belongs to its view.
  await page.page.evaluate(() => { location.hash = "#/users"; });
  await page.see("config-dialog").waitFor({ state: "detached" });
  await page.page.goBack();
  await page.see("edit-presence.watch_max").click();
  await page.see("config-value").fill("77");
  await page.reads("config-diff", `presence.watch_max: ${before} → 77`);
  await call(server, "config/set", { config: { "presence.watch_max": 76 } });
  page.allow(/config\/(check 400|set 409)|Failed to load resource/);
  await page.see("config-apply").click();
  await page.reads("config-diff", "presence.watch_max: 76 → 77");
  await page.reads("config-error", "what changes is shown for version");
  await page.see("config-apply").click();
  await page.until(() => document.querySelector('[data-key="presence.watch_max"] td:nth-child(2)').textContent === "77");
  await page.reads("config-history", "presence.watch_max: 76 → 77");
  await page.reads("config-history", "local");
  await page.see("find-key").fill("");
  await page.see("differs").check();
  await page.reads("config-table", "presence.watch_max");
  assert.match(page.page.url(), /differs=1/);
  await screenshot(page, "configuration");
  assert.equal(await page.page.locator('[data-key="presence.lookup_max"]').count(), 0);
  // Each key that one change had is on a line of its own.
  await call(server, "config/set", { config: { "presence.watch_max": 78, "presence.lookup_max": 55 } });
  await page.until(() => {
    const cells = [...document.querySelectorAll('[data-testid="config-history"] td:nth-child(5)')].map((cell) => cell.textContent.split("\n"));
    return cells.some((lines) => lines.length === 2 && lines.every((line) => /^presence\.(watch|lookup)_max: \d+ → \d+ /.test(line)));
  });
  const versions = await call(server, "config/getHistory");
  // That in force cannot be put in force.
  await page.page.locator('[data-testid="config-history"] tbody tr').first().getByText("in force").waitFor();
  assert.equal(await page.see(`rollback-${versions[0].version}`).count(), 0);
  assert.equal(await page.see(`rollback-${versions[1].version}`).count(), 1);
  const first = versions.at(-1).version;
  // A key with the value that it had in between does not change.
  await call(server, "config/set", { config: { "presence.lookup_max": null } });
  await page.see(`rollback-${first}`).click();
  await page.reads("confirm-effect", `presence.watch_max: 78 → ${before}`);
  assert.doesNotMatch(await page.see("confirm-effect").textContent(), /lookup_max/);
  // Another operator is faster: what it does now is shown before it is carried out.
  await call(server, "config/set", { config: { "presence.watch_max": 79 } });
  page.allow(/config\/(check 400|(rollback|set) 409)|Failed to load resource/);
  await page.see("confirm").click();
  await page.reads("confirm-effect", `presence.watch_max: 79 → ${before}`);
  await page.reads("warnings", "services.forum");
  await page.see("confirm").click();
  await page.see("toast").filter({ hasText: "is in force, with 1 other value" }).waitFor();
  await page.reads("config-history", "rollback");
  await page.page.reload();
  await page.page.goto(`${server.management_url}/#/configuration?find=watch_max`);
  await page.until((was) => document.querySelector('[data-key="presence.watch_max"] td:nth-child(2)')?.textContent === was, before);
  const { wide } = await overflow(page);
  assert.ok(wide <= 0);
}, { settings: { TURNTABLE_SERVICES__FORUM__PROVIDERS: '["1:900"]' } });

scene("a configuration file is checked before the server gets it", async (stage) => {
  const page = await openConsole(stage, "configuration");
  const before = await call(stage.server, "config/getStatus");
  await page.see("config-check").click();
  const pick = (/** @type {string} */ text) => page.see("check-file").setInputFiles({ name: "next.toml", mimeType: "application/toml", buffer: Buffer.from(text) });
  await pick('[presence]\nwatch_max = 77\n[services.forum]\nproviders = ["1:900"]\n');
  await page.reads("config-diff", /presence\.watch_max: \d+ → 77 \(file/);
  await page.reads("warnings", "services.forum");
  // An entry that is new has a line for each value.
  await page.reads("config-diff", /^services\.forum: new \(file\)$/m);
  await page.reads("config-diff", /^ {2}providers = \["1:900"\]$/m);
  await screenshot(page, "check-file");
  page.allow(/config\/check 400|Failed to load resource/);
  await pick("[presence]\nwatch_max = -1\n");
  await page.reads("config-error", "watch_max");
  await page.reads("config-diff", "nothing: it would be refused");
  // It may be pasted, too.
  await page.see("check-text").fill("[presence]\nwatch_max = 78\n");
  await page.reads("config-diff", "→ 78");
  await page.see("config-error").waitFor({ state: "hidden" });
  await page.see("check-close").click();
  await page.see("check-dialog").waitFor({ state: "detached" });
  assert.deepEqual(await call(stage.server, "config/getStatus"), before);
});

scene("what can be done with a row is in sight on small screens", async (stage) => {
  const { server } = stage;
  const users = ["1:100", `1:${"a-very-long-name-of-a-user".repeat(2)}`];
  const clients = [];
  for (const user of users) {
    const tt = await client(server, user);
    await tt.join("strike/yard", { game: "strike" });
    clients.push(tt);
  }
  await call(server, "config/set", { config: { "presence.watch_max": 77 } });
  for (const [width, height] of [[740, 360], [900, 600], [360, 640]]) {
    const page = await openConsole(stage, "games/strike%2Fyard", { viewport: { width, height }, touch: true });
    for (const [view, testid] of [["games/strike%2Fyard", `kick-${users[1]}`], ["configuration", "rollback-1"], ["configuration", "edit-presence.watch_max"]]) {
      await page.page.goto(`${server.management_url}/#/${view}`);
      const button = page.see(testid);
      await button.waitFor();
      const { left, right } = await button.evaluate((node) => node.getBoundingClientRect().toJSON());
      assert.ok(left >= 0 && right <= width, `${view}, ${testid} at ${width}: ${left} to ${right}`);
    }
    await page.page.goto(`${server.management_url}/#/games/strike%2Fyard`);
    await page.see(`kick-${users[0]}`).waitFor();
    await screenshot(page, `room-${width}`);
  }
  for (const tt of clients) tt.close();
});

const FOLDER = mkdtempSync(join(tmpdir(), "turntable-"));
const [CERTIFICATE, KEY] = ["own.pem", "own.key"].map((name) => join(FOLDER, name));
execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-keyout", KEY, "-out", CERTIFICATE], { stdio: "ignore" });
after(() => rmSync(FOLDER, { recursive: true, force: true }));

scene("files of a certificate that are refused are in the view of the configuration, with what is wrong, until they fit", async (stage) => {
  const page = await openConsole(stage, "configuration");
  const refused = page.page.locator('[data-testid="config-status"] div', { hasText: "Refused certificate" }).locator("dd");
  await refused.filter({ hasText: /^none$/ }).waitFor();
  const key = readFileSync(KEY);
  writeFileSync(KEY, "nonsense");
  await refused.filter({ hasText: `server.tls.key = ${KEY}: it has no private key in PEM` }).waitFor();
  await screenshot(page, "certificate");
  writeFileSync(KEY, key);
  await refused.filter({ hasText: /^none$/ }).waitFor();
}, { settings: { TURNTABLE_SERVER__TLS__CERTIFICATE: CERTIFICATE, TURNTABLE_SERVER__TLS__KEY: KEY } });

scene("the audit view lists changes, all of them or by what is entered", async (stage) => {
  const { server } = stage;
  await call(server, "user/ban", { userId: "1:5", seconds: 60, reason: "rude" });
  await call(server, "user/unban", { userId: "1:6" });
  const page = await openConsole(stage, "audit");
  await page.reads("audit-table", "reason: rude");
  await page.reads("audit-table", "userId: 1:6");
  const { gaps, high } = await page.page.evaluate(() => {
    const boxes = [...document.querySelectorAll("[data-testid^=audit-][type=search]")].map((input) => input.getBoundingClientRect());
    const row = document.querySelector("[data-testid=audit-table] tbody tr");
    return { gaps: boxes.slice(1).map((box, index) => box.left - boxes[index].right), high: row.getBoundingClientRect().height };
  });
  assert.equal(gaps.length, 2);
  assert.ok(Math.min(...gaps) >= 8, `between the filters: ${gaps}`);
  assert.ok(high < 40, `a change is one line, not ${high} pixels`);
  await screenshot(page, "audit");
  const shows = async (/** @type {string} */ filter, /** @type {string} */ value, /** @type {string} */ shown, /** @type {string} */ hidden) => {
    await page.see(`audit-${filter}`).fill(value);
    await page.see(`audit-${filter}`).press("Enter");
    await page.see("audit-table").filter({ hasText: shown, hasNotText: hidden }).waitFor();
  };
  await shows("argument", "1:6", "user/unban", "rude");
  await shows("argument", "", "rude", "nobody");
  await shows("method", "user/ban", "rude", "user/unban");
  await page.see("audit-by").fill("somebody");
  await page.see("audit-by").press("Enter");
  await page.page.getByText("No changes.").waitFor();
});
