/**
 * Timers of a page that is hidden. Browsers run the timers of a page that has
 * been hidden for minutes once a minute, which is too seldom for a client that
 * polls: it would be offline in between. Timers of a worker are not slowed down.
 * This module is also the script of that worker.
 * @module
 */
import type { Environment } from "./environment.js";
/**
 * Calls `fn` after `ms`, by a timer of the environment, and of a worker while the
 * page is hidden.
 * @param {Environment} environment
 * @param {() => void} fn
 * @param {number} ms
 * @returns {() => void} cancels the timer
 */
export declare function backgroundTimeout(environment: Environment, fn: () => void, ms: number): () => void;
