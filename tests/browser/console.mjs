/** The page of the management listener, for its tests: how it is opened, looked at and measured. */

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { after } from "node:test";
import { fileURLToPath } from "node:url";

import { connect } from "../../static/turntable.js";
import { WebSocket } from "../client/harness.mjs";

const SCREENSHOTS = fileURLToPath(new URL("../../target/screenshots/", import.meta.url));

/** Text that would run if it became markup, and that reorders what is around it. */
export const HOSTILE = `"><img src=x onerror="document.title='owned'"><script>document.title='owned'</script>\u202e`;

/**
 * Opens a view of the console.
 * @param {{server: import("./harness.mjs").Server, open: Function}} stage
 * @param {string} [view]  "users/1%3Amel"
 * @param {object} [options]  of `open`
 * @returns {Promise<import("./harness.mjs").Visitor>}
 */
export function openConsole({ server, open }, view = "", options = {}) {
  return open(`${server.management_url}/#/${view}`, options);
}

/** @type {Set<{close: () => void}>} */
const clients = new Set();

// Those of a scene that failed would go on connecting.
after(() => {
  for (const tt of clients) tt.close();
});

/**
 * A client in Node, once it is online.
 * @param {import("./harness.mjs").Server} server
 * @param {string} user
 * @param {object} [options]
 */
export async function client(server, user, options = {}) {
  const tt = connect(server.url, { user, WebSocket, ...options });
  clients.add(tt);
  await tt.ready;
  return tt;
}

/**
 * Calls a method, as a program does.
 * @param {import("./harness.mjs").Server} server
 * @param {string} method
 * @param {object} [params]
 */
export async function call(server, method, params = {}) {
  const answer = await fetch(`${server.management_url}/rpc/${method}`, { method: "POST", body: JSON.stringify(params) });
  return answer.json();
}

/** Stores a screenshot in target/screenshots. @param {import("./harness.mjs").Visitor} visitor  @param {string} name */
export async function screenshot(visitor, name) {
  mkdirSync(SCREENSHOTS, { recursive: true });
  await visitor.page.screenshot({ path: join(SCREENSHOTS, `console-${name}.png`) });
}

/** How much wider and higher the page is than the screen, in pixels. @param {import("./harness.mjs").Visitor} visitor */
export function overflow(visitor) {
  return visitor.page.evaluate(() => {
    const { scrollWidth, scrollHeight } = document.documentElement;
    return { wide: scrollWidth - innerWidth, high: scrollHeight - innerHeight };
  });
}

/**
 * The texts with less contrast than WCAG 2.2 requires (AA: 4.5, 3 where it is large).
 * @param {import("./harness.mjs").Visitor} visitor
 */
export function faint(visitor) {
  return visitor.page.evaluate(() => {
    const parts = (/** @type {string} */ colour) => (colour.match(/[\d.]+/g) ?? []).map(Number);
    const light = (/** @type {number[]} */ [red, green, blue]) => [red, green, blue]
      .map((part) => part / 255)
      .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
      .reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0);
    const behind = (/** @type {Element|null} */ node) => {
      for (let at = node; at; at = at.parentElement) {
        const colour = parts(getComputedStyle(at).backgroundColor);
        if (colour.length === 3 || colour[3] === 1) return colour;
      }
      return [255, 255, 255];
    };
    const found = [];
    for (const node of document.querySelectorAll("body *")) {
      const hasText = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent?.trim());
      if (!hasText || !node.checkVisibility() || node.matches(":disabled, .skip")) continue;
      const style = getComputedStyle(node);
      const [one, other] = [light(parts(style.color)), light(behind(node))].sort((a, b) => b - a);
      const contrast = (one + 0.05) / (other + 0.05);
      if (contrast < (parseFloat(style.fontSize) >= 24 ? 3 : 4.5)) found.push(`${node.textContent?.trim().slice(0, 40)}: ${contrast.toFixed(2)}`);
    }
    return found;
  });
}

/** Fails if a text became markup, a script ran, or a text, seen or read out, reorders what is beside it. @param {import("./harness.mjs").Visitor} visitor */
export async function isText(visitor) {
  const [images, title, text] = await visitor.page.evaluate(() => {
    const attributes = [...document.querySelectorAll("*")].flatMap((node) => (
      ["aria-label", "aria-description", "title", "placeholder", "alt"].map((name) => node.getAttribute(name) ?? "")));
    const texts = [document.body.textContent, ...attributes].join(" ");
    return [document.querySelectorAll("img[src=x], main script").length, document.title, texts];
  });
  if (images !== 0 || title === "owned") throw new Error(`a text became markup: ${images} elements, title ${title}`);
  const turned = /.{0,40}[\u202a-\u202e\u2066-\u2069].{0,40}/u.exec(`${title} ${text}`);
  if (turned) throw new Error(`a character that reorders text is in the page: ${JSON.stringify(turned[0])}`);
}
