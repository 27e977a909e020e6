/**
 * Timers, clocks and random numbers. Tests replace them, so that they need not
 * wait for real time.
 * @module
 */

/**
 * @typedef {object} Environment
 * @property {(fn: () => void, ms: number) => any} setTimeout
 * @property {(timer: any) => void} clearTimeout
 * @property {() => number} random from 0 (inclusive) to 1 (exclusive)
 * @property {() => number} local ms of a monotonic clock with an arbitrary epoch
 * @property {() => number} unix the system time in Unix ms
 */

/** Timers of platforms have 31 bits: what is longer would fire at once. */
const TIMER_MAX_MS = 2 ** 31 - 1;

/**
 * @param {Partial<Environment>} [given]
 * @returns {Environment}
 */
export function environment(given = {}) {
  return {
    // The browser's timers require the window as `this`.
    setTimeout: (fn, ms) => setTimeout(fn, Math.min(ms, TIMER_MAX_MS)),
    clearTimeout: (timer) => clearTimeout(timer),
    random: () => Math.random(),
    local: () => performance.now(),
    unix: () => Date.now(),
    ...given,
  };
}
