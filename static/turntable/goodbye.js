/**
 * The end of a session: `bye` in a request of its own. It ends the session
 * whatever its transport is, attached or not, and is repeated until it is
 * answered: a session without a goodbye keeps its seats and its presence for
 * the server's grace periods.
 * @module
 */

import { endpointUrl } from "./transports/transport.js";

/** @import { Environment } from "./environment.js" */

/** Delays before the repetitions, in ms: about half a minute in all. */
const DELAYS_MS = [0, 100, 200, 500, 1000, 2000, 4000, 8000, 15000];

const UNREF_MS = 500;

/** Whether the page is being left: only requests with `keepalive` outlive it, and no timer does. */
let leaving = false;
if (typeof globalThis.addEventListener === "function" && typeof globalThis.document === "object") {
  for (const event of ["pagehide", "beforeunload"]) globalThis.addEventListener(event, () => (leaving = true), { capture: true });
  globalThis.addEventListener("pageshow", () => (leaving = false), { capture: true });
}

/** Whether the page is being left. */
export function pageLeaves() {
  return leaving;
}

/**
 * Repeats an attempt until it succeeds, for about half a minute.
 * @param {Environment} environment
 * @param {() => Promise<boolean>} attempt whether the server has answered; a rejection counts as false
 * @returns {Promise<boolean>}
 */
export async function untilAnswered(environment, attempt) {
  for (const ms of DELAYS_MS) {
    if (ms > 0) {
      await new Promise((resolve) => {
        const timer = environment.setTimeout(() => resolve(undefined), ms);
        // A program in Node need not stay for a server that is away.
        if (ms >= UNREF_MS) timer?.unref?.();
      });
    }
    if (await attempt().catch(() => false)) return true;
  }
  return false;
}

/**
 * Ends a session.
 * @param {{url: string, environment: Environment, fetch: any}} target
 * @param {string} session the secret
 * @returns {Promise<boolean>} whether the server has answered
 */
export async function sayGoodbye({ url, environment, fetch }, session) {
  if (!fetch) return false;
  const options = { method: "POST", keepalive: true, cache: "no-store" };
  const tunnel = () =>
    fetch(endpointUrl(url, "tunnel/send"), {
      ...options,
      // This content type needs no CORS preflight request, which a page that is left cannot await.
      headers: { "Content-Type": "text/plain;charset=UTF-8" },
      body: JSON.stringify({ tunnel: session, path: "/server", data: { command: "bye", data: {} } }),
    });
  const poll = () =>
    fetch(endpointUrl(url, "poll"), {
      ...options,
      headers: { "Content-Type": "application/json", "Turntable-Session": session },
      credentials: "omit",
      body: JSON.stringify([{ f: "$av:bye" }]),
    });
  return untilAnswered(environment, async () => {
    let response = await tunnel();
    // The server may have disabled tunnels.
    if (response.status === 404) response = await poll();
    // 410: the session is over already.
    return response.ok || (response.status >= 400 && response.status < 500 && response.status !== 429);
  });
}
