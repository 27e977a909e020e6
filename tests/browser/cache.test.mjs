/** Pages of one tab that the browser restores from its back/forward cache. */

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";

import { scene } from "./harness.mjs";

/** Connects the page; resolves with how its session began, and its session. */
function connected({ page }, user, transport) {
  return page.evaluate(async ([user, transport]) => {
    const { connect } = await import("/turntable.js");
    // A page without Web Locks, as over plain HTTP.
    const tt = connect(undefined, { user, transports: [transport], persist: true, locks: null });
    const how = [];
    for (const event of ["resumed", "reset"]) tt.on(event, () => how.push(event));
    addEventListener("pageshow", ({ persisted }) => persisted && how.push("restored"));
    Object.assign(window, { tt, how });
    await tt.ready;
    return [how.join(), tt.session];
  }, [user, transport]);
}

/** The browser has loaded a page anew instead of restoring it. The message has its reasons, as JSON. */
class NotRestored extends Error {}

/** What the page has seen since it was left, when the server answers it, and its session. */
async function answered(visitor) {
  await visitor.until(() => window.how === undefined || window.how.includes("restored"));
  const reasons = await visitor.page.evaluate(() => window.how
    ? null : JSON.stringify(performance.getEntriesByType("navigation")[0].notRestoredReasons?.reasons));
  if (reasons) throw new NotRestored(reasons);
  const [seen, session] = await visitor.page.evaluate(async () => {
    // A poll may learn by its first request that a later page has the session.
    await window.tt.request("lookup", []).catch(() => window.tt.request("lookup", []));
    return [window.how.splice(0), window.tt.session];
  });
  return [seen.filter((event) => event !== "restored").join(), session];
}

/** Leaves the page, comes back to it, and forth to the one behind it. */
async function goesOn(visitor, server, transport) {
  const { page } = visitor;
  const user = `1:${randomUUID()}`;
  const [, secret] = await connected(visitor, user, transport);
  await page.goto(`${server.url}/style.css?empty`);
  await page.goBack({ waitUntil: "commit" });
  const [, same] = await answered(visitor);
  assert.equal(same, secret);

  await page.goto(`${server.url}/style.css?second`);
  assert.deepEqual(await connected(visitor, user, transport), ["resumed", secret]);
  await page.goBack({ waitUntil: "commit" });
  const [reset, another] = await answered(visitor);
  assert.equal(reset, "reset");
  assert.notEqual(another, secret);
  await page.goForward({ waitUntil: "commit" });
  const [, session] = await answered(visitor);
  assert.equal(session, secret);
  await page.reload();
  assert.deepEqual(await connected(visitor, user, transport), ["resumed", secret]);
}

for (const transport of ["websocket", "tunnel", "longpoll", "poll"]) {
  scene(`${transport}: a page that comes back goes on, whichever page of the tab has continued its session`, async ({ open, server, t }) => {
    // Documents without a client of their own.
    const visitor = await open("/style.css?first");
    // The connections that the cache ends, the icon, and a resume on its way when the page was restored.
    visitor.allow(/Back-Forward Cache|404|410/);
    try {
      await goesOn(visitor, server, transport);
    } catch (error) {
      // As Chromium 148 and before.
      if (!(error instanceof NotRestored) || !error.message.includes('"websocket"')) throw error;
      t.skip("SKIPPED: this browser restores no page that has a WebSocket");
    }
  }, { restores: true });
}
