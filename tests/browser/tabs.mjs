/** Tabs of one browser that connect through a proxy. */

import { setTimeout as sleep } from "node:timers/promises";

/** Errors that the browser logs for failed requests. */
export const NETWORK = [/^console: /, /^request: /, /^response: .*\/tunnel/];

/**
 * Opens tabs of one browser that connect through the proxy.
 * @returns {Promise<import("playwright-core").Page[]>}
 */
export async function openTabs(open, address, count, options = {}) {
  // A document without a client of its own.
  const blank = `${address}/tunnel/send?d=[]`;
  const first = await open(blank);
  for (const pattern of NETWORK) first.allow(pattern);
  const pages = [first.page];
  while (pages.length < count) {
    const page = await first.page.context().newPage();
    await page.goto(blank);
    pages.push(page);
  }
  for (const [index, page] of pages.entries()) {
    await page.evaluate(
      async ({ user, options }) => {
        const { connect } = await import("/turntable.js");
        window.begun = Date.now();
        const tt = connect(undefined, { user, ...options });
        tt.on("error", () => {});
        window.tt = tt;
        window.times = [];
        tt.on("state", ({ state }) => window.times.push({ state, at: Date.now() }));
      },
      { user: `1:tab-${index}`, options },
    );
  }
  return pages;
}

/** What each tab says, once `wanted` holds for all, or after `limit_ms`. */
export async function settled(pages, wanted, limit_ms) {
  for (const end = Date.now() + limit_ms; ; await sleep(50)) {
    const found = await Promise.all(pages.map((page) => page.evaluate(() => ({ state: window.tt.state, transport: window.tt.transport }))));
    if (found.every(wanted) || Date.now() > end) return found;
  }
}

export const onWebSocket = ({ state, transport }) => state === "online" && transport === "websocket";
