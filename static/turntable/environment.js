/**
 * What the library takes from the world around it: timers, clocks, chance.
 * Tests pass their own and need not sleep.
 * @module
 */

/**
 * @typedef {object} Environment
 * @property {(fn: () => void, ms: number) => any} setTimeout
 * @property {(timer: any) => void} clearTimeout
 * @property {() => number} random 0 up to, but not, 1
 * @property {() => number} local ms on a clock that never steps, whatever its epoch
 * @property {() => number} unix Unix ms of the machine
 */

/**
 * @param {Partial<Environment>} [given]
 * @returns {Environment}
 */
export function environment(given = {}) {
  return {
    // The browser's timers must be called as functions of the window.
    setTimeout: (fn, ms) => setTimeout(fn, ms),
    clearTimeout: (timer) => clearTimeout(timer),
    random: () => Math.random(),
    local: () => performance.now(),
    unix: () => Date.now(),
    ...given,
  };
}
