/**
 * The end of a session: `bye` in a request of its own. It ends the session
 * whatever its transport is, attached or not, and is repeated until it is
 * answered: a session without a goodbye keeps its seats and its presence for
 * the server's grace periods.
 * @module
 */

import { BATCH_MAX, batchMaxOf, datagramOf, endpointUrl, isFinal, responseError, takeBatch } from "./transports/transport.js";

/** @import { Environment } from "./environment.js" */
/** @import { Sent } from "./sent_log.js" */

/** Delays before the repetitions, in ms: about half a minute in all. */
const DELAYS_MS = [0, 100, 200, 500, 1000, 2000, 4000, 8000, 15000];

const UNREF_MS = 500;
/** How many answers of something else than the server the commands before a goodbye outlast: about 16 seconds. */
const FOREIGN_MAX = 7;
/** Maximum time for one answer. The connection of an abandoned request is closed, so that the next request has another. */
const ANSWER_MS = 3000;

/** Maximum bytes of a request that outlives its page; browsers refuse larger ones. */
export const KEEPALIVE_MAX = 60_000;

/**
 * Whether a request can outlive its page.
 * @param {string} body
 */
export function outlives(body) {
  return new TextEncoder().encode(body).length < KEEPALIVE_MAX;
}

/** Whether the page is being left: only requests with `keepalive` outlive it, and no timer does. */
let leaving = false;
if (typeof globalThis.addEventListener === "function" && typeof globalThis.document === "object") {
  const listen = (/** @type {string} */ event, /** @type {() => void} */ listener) => globalThis.addEventListener(event, listener, { capture: true });
  /** @type {any} */
  let timer;
  const leave = () => {
    clearTimeout(timer);
    leaving = true;
  };
  listen("pagehide", leave);
  listen("pageshow", () => (leaving = false));
  listen("beforeunload", () => {
    leave();
    // A page may stay after this event: after a link to a mail address, or if its user decides so.
    timer = setTimeout(() => (leaving = false));
  });
}

/** Whether the page is being left. */
export function pageLeaves() {
  return leaving;
}

/**
 * Repeats an attempt until it succeeds, for about half a minute and the time without answers.
 * @param {Environment} environment
 * @param {(signal: AbortSignal) => Promise<boolean>} attempt whether the server has answered; a
 *   rejection counts as false. The signal ends its requests.
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
    const abort = new AbortController();
    const limit = environment.setTimeout(() => abort.abort(), ANSWER_MS);
    limit?.unref?.();
    const answered = await attempt(abort.signal).catch(() => false);
    environment.clearTimeout(limit);
    if (answered) return true;
  }
  return false;
}

/**
 * Ends a session, behind the commands that may not have arrived: the server skips those that it has
 * by their numbers.
 * @param {{url: string, environment: Environment, fetch: any}} target
 * @param {string} session the secret
 * @param {readonly Sent[]} [unconfirmed]
 * @returns {Promise<boolean>} whether the server has answered
 */
export async function sayGoodbye({ url, environment, fetch }, session, unconfirmed = []) {
  if (!fetch) return false;
  // Without the server's numbers a repetition might be carried out twice.
  let open = unconfirmed.filter((entry) => entry.numbered()).map(({ text, number, blank }) => ({ text: blank ? undefined : text, number }));
  const options = { method: "POST", keepalive: true, cache: "no-store" };
  /** How many of the commands the last request had, and whether it had the goodbye. */
  let count = 0;
  let complete = false;
  /** How many of them a request may have, and whether the goodbye has one of its own: requests were too large. */
  let count_max = open.length;
  let alone = false;
  /** How many messages the server takes in one request. */
  let bound = BATCH_MAX + 1;
  let foreign = 0;
  const tunnel = (/** @type {AbortSignal} */ signal) => {
    // The server takes requests of a limited size; a page that is left can send one.
    const texts = takeBatch([...open], Math.min(count_max, BATCH_MAX, bound)).map(({ text }) => text);
    count = texts.length;
    complete = (count === open.length && (count === 0 || (!alone && count < bound))) || leaving;
    if (complete) texts.splice(bound - 1);
    if (complete) texts.push('{"command":"bye","data":{}}');
    const body = `[${texts.map((text) => datagramOf(session, text)).join(",")}]`;
    return fetch(endpointUrl(url, "tunnel/send", { n: open[0]?.number }), {
      ...options,
      signal,
      keepalive: outlives(body),
      // This content type needs no CORS preflight request, which a page that is left cannot await.
      headers: { "Content-Type": "text/plain;charset=UTF-8" },
      body,
    });
  };
  const poll = (/** @type {AbortSignal} */ signal) =>
    fetch(endpointUrl(url, "poll"), {
      ...options,
      signal,
      headers: { "Content-Type": "application/json", "Turntable-Session": session },
      credentials: "omit",
      body: JSON.stringify([{ f: "$av:bye" }]),
    });
  return untilAnswered(environment, async (signal) => {
    for (;;) {
      const response = await tunnel(signal);
      const max = response.status === 429 ? batchMaxOf(429, await responseError(response)) : undefined;
      if (max !== undefined && max < bound) {
        bound = max;
        continue;
      }
      if (response.ok && !complete) {
        open = open.slice(count);
      } else if (response.status === 413 && count > 0) {
        if (count > 1) count_max = count >> 1;
        else if (complete && !alone) alone = true;
        else {
          // What is too large alone never arrives; its number counts. The others may go together again.
          open = open[0].text === undefined ? [] : [{ ...open[0], text: undefined }, ...open.slice(1)];
          [count_max, alone] = [open.length, false];
        }
      } else if (open.length > 0 && !response.ok && response.status !== 410) {
        if (response.status === 429 || response.status >= 500) return false;
        const error = await responseError(response);
        // A gateway may do so for a while, or permit no tunnels at all.
        if (error.foreign) foreign += 1;
        if (error.foreign && foreign <= FOREIGN_MAX) return false;
        // The server reports a gap, or takes no such request: then `bye` alone.
        const accepted = response.status === 409 ? error.details?.accepted : undefined;
        const rest = Number.isSafeInteger(accepted) ? open.filter(({ number }) => number > accepted) : [];
        open = rest.length < open.length ? rest : [];
      } else {
        // The server may have disabled tunnels.
        return isFinal(response.status === 404 ? await poll(signal) : response);
      }
    }
  });
}
