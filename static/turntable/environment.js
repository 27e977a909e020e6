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

/**
 * @param {Partial<Environment>} [given]
 * @returns {Environment}
 */
export function environment(given = {}) {
  return {
    // The browser's timers require the window as `this`.
    setTimeout: (fn, ms) => setTimeout(fn, ms),
    clearTimeout: (timer) => clearTimeout(timer),
    random: () => Math.random(),
    local: () => performance.now(),
    unix: () => Date.now(),
    ...given,
  };
}
