/** The console: overview, users, channels, services, and the forms of all methods. */

import assert from "node:assert/strict";

import { HOSTILE, call, client, isText, openConsole, overflow, screenshot } from "./console.mjs";
import { scene } from "./harness.mjs";

const SERVICES = { TURNTABLE_SERVICES__FORUM__PROVIDERS: '["1:900"]' };

scene("the numbers of the overview follow what clients do", async (stage) => {
  const { server } = stage;
  const page = await openConsole(stage);
  await page.reads("health", "ready");
  await page.reads("connections", /^0$/);
  const [mel, tom] = [await client(server, "1:100"), await client(server, "1:200")];
  await page.reads("connections", /^2$/);
  await page.reads("users", /^2$/);
  await page.reads("transports", "websocket");
  await mel.join("strike/yard", { game: "strike" });
  await page.reads("rooms", /^1$/);
  const chat = await mel.channel("chat/lobby");
  await tom.channel("chat/lobby");
  await page.reads("channels", /^1$/);
  const publishing = setInterval(() => void chat.publish({ text: "hello" }).catch(() => {}), 100);
  await page.reads("messages", /^[1-9][\d.]*\/s$/);
  clearInterval(publishing);
  tom.close();
  await page.reads("connections", /^1$/);
  mel.close();
  await page.reads("connections", /^0$/);
  // It was the same page all the time.
  assert.equal(await page.page.evaluate(() => performance.getEntriesByType("navigation").length), 1);
});

/** @param {import("./harness.mjs").Visitor} page  @param {string} testid  of the number of a chart */
function points(page, testid) {
  return page.see(testid).evaluate((node) => (node.parentElement.querySelector("polyline").getAttribute("points") ?? "").split(" ").length);
}

scene("the overview has what was before it was opened, and says of which time it is", async (stage) => {
  const { server } = stage;
  const [provider, mel] = [await client(server, "1:900"), await client(server, "1:100")];
  await provider.provide("forum", { fail: () => { throw new Error("no"); } });
  for (let count = 0; count < 3; count += 1) await mel.call("forum:fail").catch(() => {});
  await mel.call("nothing:there").catch(() => {});
  // A sample is taken every two seconds.
  const errors = 'turntable_service_errors_total{service="forum",code="internal"}';
  let samples = await call(server, "node/getSamples");
  while (samples.series[errors]?.at(-1) !== 3 || samples.at_ms.length < 4) samples = await call(server, "node/getSamples");
  const page = await openConsole(stage);
  await page.reads("connections", /^2$/);
  assert.ok(await points(page, "connections") >= 3, "its chart begins with the page");
  await page.reads("overview-services", "forum");
  const row = (/** @type {string} */ table, /** @type {string} */ key) => page.see(table).locator(`[data-key="${key}"] td`);
  const heads = (/** @type {string} */ table) => page.see(table).locator("th").allTextContents();
  // The server began less than a minute ago.
  assert.match((await heads("errors-by-code"))[1], /^Last \d+ s$/);
  await page.page.locator("h2", { hasText: /^Services, last \d+ s$/ }).waitFor();
  assert.equal((await row("overview-services", "forum").allTextContents())[2], "3");
  // Failed calls of services are no `error` messages: they are a row that leads to the services.
  assert.deepEqual(await row("errors-by-code", "failed service calls").allTextContents(), ["failed service calls", "3", "3"]);
  await row("errors-by-code", "failed service calls").first().locator("a").click();
  await page.reads("title", "Services");
  await page.reads("services-window", /of the last \d+ s\.$/);
  await page.see("services-table").getByText("forum").click();
  await page.reads("service-facts", /3, 3 in the last \d+ s/);
  // Codes that no call had are not there.
  assert.deepEqual(await page.see("service-errors").locator("tbody td:first-child").allTextContents(), ["internal"]);
  // An answer of a server that has been running for longer.
  const count = 150;
  await page.page.route("**/rpc/node/getSamples", (route) => route.fulfill({ json: {
    now_ms: 1_700_000_000_000,
    at_ms: Array.from({ length: count }, (_, index) => 1_700_000_000_000 - 2000 * (count - index)),
    series: { turntable_connections: Array.from({ length: count }, () => 2), [errors]: Array.from({ length: 31 }, (_, index) => (index < 20 ? 1 : 2)) },
  } }));
  await page.page.reload();
  await page.reads("service-facts", "3, 2 in the last minute");
  await page.page.goto(`${server.management_url}/#/`);
  await page.reads("connections", /^2$/);
  assert.ok(await points(page, "connections") >= count);
  await page.page.locator("h2", { hasText: /^Services, last minute$/ }).waitFor();
  assert.equal((await heads("errors-by-code"))[1], "Last minute");
  assert.deepEqual(await row("errors-by-code", "failed service calls").allTextContents(), ["failed service calls", "2", "3"]);
  mel.close();
  provider.close();
}, { settings: SERVICES });

scene("what a service does is in sight in the overview, also with large numbers", async (stage) => {
  const name = "a-service-with-a-long-name";
  const page = await openConsole(stage, "", { before: (page) => page.route("**/rpc/service/listAll", async (route) => {
    const response = await route.fetch();
    const json = await response.json();
    Object.assign(json.services[name], { state: "disabled", open: 12_345 });
    await route.fulfill({ response, json });
  }) });
  await page.reads("overview-services", "12,345");
  const { inside, whole } = await page.see("overview-services").evaluate((node) => ({ inside: node.parentElement.clientWidth, whole: node.parentElement.scrollWidth }));
  assert.ok(whole <= inside, `${whole} of ${inside} pixels`);
}, { settings: { TURNTABLE_SERVICES__FORUM__PROVIDERS: '["1:900"]', "TURNTABLE_SERVICES__A-SERVICE-WITH-A-LONG-NAME__PROVIDERS": '["1:901"]' } });

scene("workers that do not answer are on the overview, with since when", async (stage) => {
  const page = await openConsole(stage);
  await page.reads("connections", /^0$/);
  assert.equal(await page.see("silent-workers").isVisible(), false);
  await page.page.route("**/metrics", async (route) => {
    const answer = await route.fetch();
    const text = await answer.text();
    await route.fulfill({ response: answer, body: text.replace('worker_silent_ms{worker="0"} 0', 'worker_silent_ms{worker="0"} 65000') });
  });
  await page.reads("silent-workers", /^Worker 0 has not answered since \d\d:\d\d:\d\d$/);
  await page.page.unroute("**/metrics");
  await page.see("silent-workers").waitFor({ state: "hidden" });
});

scene("the overview is one screen, and each number links to what it counts", async (stage) => {
  const mel = await client(stage.server, "1:100");
  const page = await openConsole(stage);
  await page.reads("connections", /^1$/);
  await page.reads("overview-services", "forum");
  assert.deepEqual(await overflow(page), { wide: 0, high: 0 });
  await screenshot(page, "overview");
  const numbers = await page.page.locator(".overview *").evaluateAll((nodes) => nodes
    .filter((node) => node.childElementCount === 0 && node.tagName !== "TH" && /\d/.test(node.textContent) && node.checkVisibility())
    .map((node) => ({ text: node.textContent, link: node.closest("a")?.getAttribute("href"), label: node.getAttribute("aria-label") })));
  assert.deepEqual(numbers.filter(({ link }) => !link), []);
  // In a table a number is read out with what it counts, and the name of its row is the one stop of the Tab key.
  for (const { text, label } of numbers) if (label !== null) assert.match(label, new RegExp(`^${text} .*\\w`));
  const cells = page.page.locator(".overview td.number a");
  assert.equal(await cells.count(), await page.page.locator(".overview td.number a[aria-label][tabindex='-1']").count());
  assert.ok(await cells.count() >= 5);
  const hrefs = (/** @type {string} */ selector) => page.page.locator(selector).evaluateAll((nodes) => [...new Set(nodes.map((node) => node.getAttribute("href")))]);
  const [links, figures] = [await hrefs(".overview a"), await hrefs(".figure a")];
  assert.equal(figures.length, 14, figures.join(" "));
  assert.ok(links.length > figures.length, links.join(" "));
  for (const link of links) {
    await page.page.goto(`${stage.server.management_url}/${link}`);
    await page.page.locator("main h1").first().waitFor();
    assert.equal(await page.see("problem").isVisible(), false, link);
    // Those of the figures have values from the start.
    const isFigure = figures.includes(link) && link.startsWith("#/metrics/");
    if (isFigure) await page.see("metrics-table").locator("tbody tr").first().waitFor();
  }
  // The number itself is the link.
  await page.page.goto(`${stage.server.management_url}/#/`);
  await page.see("connections").click();
  await page.reads("title", "Sessions");
  await page.page.goBack();
  await page.see("rooms-detail").click();
  await page.reads("title", "turntable_invites");
  await page.page.goBack();
  await page.see("transports").locator("td.number a").click();
  await page.reads("title", "turntable_connections_by_transport");
  mel.close();
}, { settings: SERVICES });

scene("a user is found in two clicks, with sessions, attributes and channels", async (stage) => {
  const { server } = stage;
  const mel = await client(server, "1:mel");
  await mel.attributes.set({ name: "Melanie", level: 7 });
  await mel.channel("chat/lobby");
  const page = await openConsole(stage);
  await page.reads("connections", /^1$/);
  await page.page.keyboard.press("/");
  await page.page.keyboard.type("me");
  await page.see("result").filter({ hasText: "1:mel" }).first().click();
  await page.reads("title", "1:mel");
  assert.match(page.page.url(), /#\/users\/1%3Amel$/);
  await page.reads("user-state", "online");
  await page.reads("user-sessions", "websocket");
  await page.reads("user-attributes", "Melanie");
  await page.reads("user-channels", "chat/lobby");
  await mel.friends.status("busy", { until: "six" });
  await page.reads("user-facts", '{\n  "until": "six"\n}');
  await screenshot(page, "user");
  // The view is live, and the selection is in the address.
  await mel.attributes.set({ level: 8 });
  await page.until(() => document.querySelector('[data-testid="user-attributes"] [data-key="level"]')?.textContent.includes("8"));
  await page.page.reload();
  await page.reads("title", "1:mel");
  await page.see("user-channels").getByText("chat/lobby").click();
  await page.reads("channel-members", "1:mel");
  mel.close();
  await page.reads("channel-members", "Nobody is subscribed.");
  // An id without a realm is completed.
  await openConsole(stage, "users/tom").then((other) => other.reads("title", "1:tom"));
});

scene("a kick says what it does, and does it once it is confirmed", async (stage) => {
  const { server } = stage;
  const mel = await client(server, "1:mel");
  const refused = new Promise((resolve) => mel.on("error", resolve));
  const page = await openConsole(stage, "users/1%3Amel");
  await page.reads("user-sessions", "websocket");
  await page.see("kick").click();
  await page.reads("confirm-effect", "Ends 1 session of 1:mel.");
  await page.see("cancel").click();
  assert.deepEqual(await call(server, "user/listAll"), ["1:mel"]);
  await page.see("kick").click();
  await page.see("field-reason").fill("rude");
  assert.match(await page.see("confirm-request").textContent(), /POST \/rpc\/user\/kick\n\{"userId": "1:mel", "reason": "rude"\}/);
  await screenshot(page, "kick");
  // The view may look at the session while it ends.
  page.allow(/session\/get 404|Failed to load resource/);
  await page.see("confirm").click();
  await page.reads("toast", /^Kick 1:mel: 1 session ended$/);
  assert.equal((await refused).message, "rude");
  await page.until(() => document.querySelector('[data-testid="user-sessions"]').hidden);
  assert.equal(await page.see("unban").isVisible(), false);
  // A ban needs its length.
  await page.see("ban").click();
  await page.see("confirm").click();
  await page.page.locator("dialog .field-error").filter({ hasText: "seconds is missing" }).waitFor();
  await page.see("field-seconds").fill("60");
  await page.see("field-reason").fill("very rude");
  await page.see("confirm").click();
  await page.reads("user-state", "banned");
  await page.reads("user-facts", "very rude");
  await page.see("unban").click();
  await page.reads("confirm-effect", "1:mel may connect again.");
  await page.see("confirm").click();
  await page.until(() => document.querySelector('[data-testid="user-state"]').textContent !== "banned");
  await page.see("unban").waitFor({ state: "hidden" });
});

scene("an id that there cannot be is refused once", async (stage) => {
  const page = await openConsole(stage, "users");
  page.allow(/ 400|Failed to load resource/);
  for (const view of ["games", "users", "sessions", "channels"]) {
    const id = `<b/onclick=x>${"room".repeat(200)}`;
    await page.page.goto(`${stage.server.management_url}/#/${view}/${encodeURIComponent(id)}`);
    await page.see("wrong").waitFor();
    assert.equal(await page.page.locator("main button").count(), 0, view);
    await isText(page);
    // Two looks of the page later it has requested nothing more of the kind.
    const calls = [];
    const note = (/** @type {import("playwright-core").Request} */ request) => calls.push(new URL(request.url()).pathname);
    page.page.on("request", note);
    for (let looks = 0; looks < 2; looks += 1) await page.page.waitForResponse(/\/metrics$/);
    page.page.off("request", note);
    assert.deepEqual(calls.filter((path) => path.startsWith("/rpc/")), [], view);
  }
  // The next one is shown.
  await page.page.goto(`${stage.server.management_url}/#/users/1%3Amel`);
  await page.reads("title", "1:mel");
  await page.see("kick").waitFor();
});

scene("register a user, start a session with it, publish to it: three steps, all in pages", async (stage) => {
  const page = await openConsole(stage, "methods/auth/set");
  await page.see("field-userId").fill("1");
  await page.see("field-sessionId").fill("test");
  await page.see("call").click();
  await page.reads("confirm-effect", "The session of your site");
  await page.see("confirm").click();
  await page.reads("result", "true");

  const playground = await stage.open("/playground/", { user: "1:1" });
  playground.allow(/401|unauthorized/);
  await playground.see("disconnect").click();
  await playground.see("identify").selectOption("none");
  await playground.see("connect").click();
  await playground.reads("frames", "idyou");
  await playground.see("template").selectOption("idme");
  await playground.see("data").fill('{"user": "1:1", "credentials": {"sessionId": "test"}}');
  await playground.see("send").click();
  await playground.reads("frames", "welcome");

  await page.page.goto(`${stage.server.management_url}/#/methods`);
  await page.see("method-user-publish").click();
  await page.see("field-userId").fill("1");
  await page.see("field-message").fill("hello from the operator");
  await page.see("call").click();
  await page.reads("confirm-effect", "Sends a message to all sessions of a user.");
  await screenshot(page, "method");
  await page.see("confirm").click();
  await page.reads("result", "1");
  await playground.reads("frames", "hello from the operator");
});

scene("every method of the server has a form", async (stage) => {
  const api = await (await fetch(`${stage.server.management_url}/api`)).json();
  const page = await openConsole(stage, "methods");
  await page.see("method-user-kick").waitFor();
  for (const [service, methods] of Object.entries(api)) {
    for (const [name, { params }] of Object.entries(methods)) {
      await page.page.goto(`${stage.server.management_url}/#/methods/${service}/${name}`);
      await page.reads("title", `${service}/${name}`);
      for (const param of params) await page.see(`field-${param.name}`).waitFor();
    }
  }
  // A call that changes nothing needs no confirmation, and numbers have all their digits.
  await call(stage.server, "user/setAttributes", { userId: 1, attributes: {} });
  await page.page.goto(`${stage.server.management_url}/#/methods/user/setAttributes`);
  await page.see("field-userId").fill("1");
  await page.see("field-attributes").fill('{"big": 12345678901234567890.10}');
  await page.see("call").click();
  await page.see("confirm").click();
  await page.reads("result", "true");
  await page.page.goto(`${stage.server.management_url}/#/methods/user/getAttributes`);
  await page.see("field-userId").fill("1");
  await page.see("call").click();
  await page.reads("result", "12345678901234567890.10");
  // So does one that shows what is private, whatever role it needs.
  await page.page.goto(`${stage.server.management_url}/#/methods/audit/listAll`);
  await page.reads("method-form", /Needs the role (operate|admin): it changes nothing\./);
  await page.see("call").click();
  await page.reads("result", "user/setAttributes");
  // What the server refuses is shown.
  await page.page.goto(`${stage.server.management_url}/#/methods/user/getAttributes`);
  await page.see("field-userId").fill("a b:c d:e");
  page.allow(/response: .*getAttributes 400|Failed to load resource/);
  await page.see("call").click();
  await page.reads("call-error", "userId");
});

scene("services are switched off and on, and their errors and waiting calls are counted", async (stage) => {
  const { server } = stage;
  const page = await openConsole(stage, "services");
  await page.reads("services-table", "forum");
  const provider = await client(server, "1:900");
  await provider.provide("forum", { ask: () => new Promise(() => {}), fail: () => { throw new Error("no"); } });
  const mel = await client(server, "1:100");
  await page.reads("services-table", "enabled");
  void mel.call("forum:ask").catch(() => {});
  await mel.call("forum:fail").catch(() => {});
  await page.until(() => [...document.querySelectorAll('[data-key="forum"] td')].map((cell) => cell.textContent).slice(1, 4).join() === "enabled,1,1");
  await page.see("services-table").getByText("forum").click();
  await page.see("disable").click();
  await page.reads("confirm-effect", "its 1 instance gets none, and 1 call waits now.");
  await page.see("confirm").click();
  await page.reads("service-facts", "disabled");
  await page.reads("toast", /^Disable forum: disabled$/);
  // What has been done already is not offered.
  await page.see("disable").waitFor({ state: "hidden" });
  await page.see("enable").click();
  await page.see("confirm").click();
  await page.reads("service-facts", "enabled");
  await page.see("enable").waitFor({ state: "hidden" });
  // It may be disabled for one user and enabled for the others.
  await page.see("disable").click();
  await page.see("field-userId").fill("1:100");
  await page.see("confirm").click();
  await page.see("toast").filter({ hasText: "Disable forum: disabled for 1:100" }).waitFor();
  await page.see("enable").waitFor();
  await page.reads("service-facts", "1 user");
  assert.equal(await page.see("disable").isVisible(), true);
  mel.close();
  provider.close();
}, { settings: SERVICES });

scene("hostile names, messages and reasons are text in every view", async (stage) => {
  const { server } = stage;
  const eve = await client(server, "1:666");
  await eve.attributes.set({ name: HOSTILE, [HOSTILE.slice(0, 60)]: HOSTILE }).catch(() => eve.attributes.set({ name: HOSTILE }));
  const chat = await eve.channel("chat/<img>").catch(() => eve.channel("chat/eve"));
  await chat.publish({ text: HOSTILE });
  await call(server, "user/ban", { userId: "1:667", seconds: 0, reason: HOSTILE });
  const backwards = await client(server, "1:\u202elive");
  await call(server, "user/ban", { userId: "1:668", seconds: 0, reason: "first\nsecond" });
  const page = await openConsole(stage, "users");
  await page.reads("bans-table", "<img src=x");
  await page.reads("users-table", "1:666");
  // What nobody sees, or what turns others around, is an escape.
  await page.reads("users-table", "1:\\u{202e}live");
  await page.reads("bans-table", "first\\u{a}second");
  const path = (await call(server, "channel/listAll"))[0];
  for (const [view, id, text] of [
    ["users/1%3A666", "user-attributes", "<img src=x"],
    ["users/1%3A667", "user-facts", "<img src=x"],
    ["audit", "audit-table", "<img src=x"],
    [`audit?by=${encodeURIComponent(HOSTILE)}`, "title", "Audit"],
    ["channels", "channels-table", path],
    [`channels/${encodeURIComponent(path)}`, "channel-history", "<img src=x"],
    [`users?find=${encodeURIComponent(HOSTILE)}`, "open-user", "<img src=x"],
    [`channels?find=${encodeURIComponent(HOSTILE)}`, "open-channel", "<img src=x"],
    [`metrics/${encodeURIComponent(HOSTILE)}`, "title", "<img src=x"],
    [`methods/user/kick?userId=${encodeURIComponent(HOSTILE)}`, "title", "user/kick"],
    [encodeURIComponent(HOSTILE), "absent", "<img src=x"],
  ]) {
    await page.page.goto(`${server.management_url}/#/${view}`);
    await page.reads(id, text);
    await isText(page);
  }
  // What is read out is as what is seen.
  const attributes = await page.page.evaluate(async (text) => {
    const { element, setLabel } = await import("/console/dom.js");
    const node = element("p", { "aria-label": text, title: text, placeholder: text, alt: text });
    document.querySelector("main").append(node);
    const made = node.getAttributeNames().map((name) => node.getAttribute(name));
    setLabel(node, `of ${text}`);
    return [...made, node.ariaLabel];
  }, HOSTILE);
  const escaped = HOSTILE.replace("\u202e", "\\u{202e}");
  assert.deepEqual(attributes, [escaped, escaped, escaped, escaped, `of ${escaped}`]);
  await isText(page);
  await page.page.goto(`${server.management_url}/#/users/1%3A666`);
  await page.see("set-attributes").click();
  await page.see("field-attributes").fill(HOSTILE);
  await isText(page);
  page.allow(/400|Failed to load resource/);
  await page.see("confirm").click();
  await page.page.locator("dialog .field-error").filter({ hasText: "attributes" }).waitFor();
  await isText(page);
  // A user whose name reorders text: in a search, in a channel, and in a dialog that changes something.
  await page.see("cancel").click();
  await backwards.channel(path);
  await page.page.goto(`${server.management_url}/#/channels/${encodeURIComponent(path)}`);
  await page.reads("channel-members", "1:\\u{202e}live");
  await isText(page);
  await page.page.keyboard.press("/");
  await page.page.keyboard.type("1:\u202eliv");
  await page.reads("result", "1:\\u{202e}live");
  await isText(page);
  await page.see("result").first().click();
  await page.reads("title", "1:\\u{202e}live");
  await page.see("kick").click();
  await page.reads("confirm-effect", "of 1:\\u{202e}live.");
  assert.match(await page.see("confirm-request").textContent(), /"1:\\u\{202e\}live"/);
  await isText(page);
  // The view may look at the session while it ends.
  page.allow(/session\/get 404|Failed to load resource/);
  await page.see("confirm").click();
  await page.reads("toast", "Kick 1:\\u{202e}live: 1 session ended");
  await isText(page);
  backwards.close();
  eve.close();
});
