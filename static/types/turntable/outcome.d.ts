/**
 * The outcome of a call, as a promise or for a callback.
 * @module
 */
import type { Callback } from "./avatar.js";
/** @import { Callback } from "./avatar.js" */
/**
 * Passes the outcome to the callback, or returns the promise.
 * @param {Promise<any>} outcome
 * @param {Callback | undefined} callback
 * @returns {Promise<any> | void}
 */
export declare function settle(outcome: Promise<any>, callback: Callback | undefined): Promise<any> | void;
/**
 * A failure that the caller does not look at must not end the program.
 * @template {Promise<any> | void} T
 * @param {T} outcome
 * @returns {T}
 */
export declare function quiet<T extends Promise<any> | void>(outcome: T): T;
