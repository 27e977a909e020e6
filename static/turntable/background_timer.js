/**
 * Timers of a page that is hidden. Browsers run the timers of a page that has
 * been hidden for minutes once a minute, which is too seldom for a client that
 * polls: it would be offline in between. Timers of a worker are not slowed down.
 * This module is also the script of that worker.
 * @module
 */

/** @import { Environment } from "./environment.js" */

const NAME = "turntable timer";
const scope = /** @type {any} */ (globalThis);

if (scope.document === undefined && scope.name === NAME) {
  scope.onmessage = (/** @type {any} */ { data: { id, ms } }) => setTimeout(() => scope.postMessage(id), ms);
}

/** @type {any} */
let worker;
let unavailable = false;
let last_id = 0;
/** @type {Map<number, () => void>} */
const pending = new Map();

/**
 * Calls `fn` after `ms`, by a timer of the environment, and of a worker while the
 * page is hidden.
 * @param {Environment} environment
 * @param {() => void} fn
 * @param {number} ms
 * @returns {() => void} cancels the timer
 */
export function backgroundTimeout(environment, fn, ms) {
  let done = false;
  /** @type {number | undefined} */
  let id;
  const cancel = () => {
    done = true;
    environment.clearTimeout(timer);
    if (id !== undefined) pending.delete(id);
  };
  const due = () => {
    if (done) return;
    cancel();
    fn();
  };
  // Whichever timer is first. This one runs alone if there is no worker.
  const timer = environment.setTimeout(due, ms);
  if (scope.document?.visibilityState === "hidden" && start()) {
    last_id += 1;
    id = last_id;
    pending.set(id, due);
    // As those of the environment, the timers of a worker have 31 bits.
    worker.postMessage({ id, ms: Math.min(ms, 2 ** 31 - 1) });
  }
  return cancel;
}

/** Starts the worker; false if the page may have none. */
function start() {
  if (worker || unavailable) return !unavailable;
  try {
    worker = new scope.Worker(new URL(import.meta.url), { type: "module", name: NAME });
    worker.onmessage = (/** @type {any} */ { data }) => pending.get(data)?.();
    worker.onerror = () => (unavailable = true);
  } catch {
    unavailable = true;
  }
  return !unavailable;
}
