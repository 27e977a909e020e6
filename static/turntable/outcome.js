/**
 * The outcome of a call, as a promise or for a callback.
 * @module
 */

/** @import { Callback } from "./avatar.js" */

/**
 * Passes the outcome to the callback, or returns the promise.
 * @param {Promise<any>} outcome
 * @param {Callback | undefined} callback
 * @returns {Promise<any> | void}
 */
export function settle(outcome, callback) {
  if (!callback) return outcome;
  outcome.then(
    (result) => callback(result),
    (error) => callback(error, error),
  );
}

/**
 * A failure that the caller does not look at must not end the program.
 * @template {Promise<any> | void} T
 * @param {T} outcome
 * @returns {T}
 */
export function quiet(outcome) {
  outcome?.catch(() => {});
  return outcome;
}
