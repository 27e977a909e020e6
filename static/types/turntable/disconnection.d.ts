/**
 * Why a connection was lost, and what follows.
 * @module
 */
import type { TurntableError } from "./error.js";
export type Disconnection = {
    /**
     * the close code; 1006 if no close frame was received
     */
    code: number;
    /**
     * its name in CLOSE_CODES, "lost" or "moved"
     */
    reason: string;
    /**
     * the server's explanation, if any
     */
    text: string;
    /**
     * whether the session can be resumed
     */
    resume: boolean;
    /**
     * time until the next attempt, at most; undefined: no further attempt
     */
    retry_ms: number | undefined;
};
/** @import { TurntableError } from "./error.js" */
/**
 * @typedef {object} Disconnection
 * @property {number} code the close code; 1006 if no close frame was received
 * @property {string} reason its name in CLOSE_CODES, "lost" or "moved"
 * @property {string} text the server's explanation, if any
 * @property {boolean} resume whether the session can be resumed
 * @property {number | undefined} retry_ms time until the next attempt, at most; undefined: no further attempt
 */
/** The library's close code for a move to another server; 1000 would end the session. */
export declare const MOVED = 4000;
export declare const REPLACED = 4002;
export declare const HEARTBEAT_MISSED = 4008;
/**
 * Whether the client connects again after a close code; after an unknown one it does.
 * @param {number} code
 */
export declare function reconnects(code: number): boolean;
/**
 * @param {number} code
 * @param {string} text
 * @param {number | undefined} retry_ms
 * @returns {Disconnection}
 */
export declare function disconnection(code: number, text: string, retry_ms: number | undefined): Disconnection;
/**
 * The end of an identification that was refused for good, with the code with which the server
 * closes such a connection. An error that no close code is named after has that of the client's
 * own close.
 * @param {TurntableError} error
 * @returns {{code: number, reason: string}}
 */
export declare function refusal({ code: name, details }: TurntableError): {
    code: number;
    reason: string;
};
