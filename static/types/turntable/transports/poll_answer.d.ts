/**
 * The answer to a poll: entries in the order of the server, and what some of them say about the request as a whole.
 * @module
 */
import type { ResponseError } from "./transport.js";
/** @import { ResponseError } from "./transport.js" */
export declare const SESSION_HEADER = "Turntable-Session";
/**
 * @param {any} data of a close
 * @returns {number}
 */
export declare function closeCode(data: any): number;
export declare class PollAnswer {
    #private;
    /** @readonly @type {any[]} */
    readonly entries: any[];
    /** The session's secret, where the answer names it. @readonly @type {string | undefined} */
    readonly session: string | undefined;
    /** Whether messages wait behind it. @readonly @type {boolean} */
    readonly waits: boolean;
    /**
     * @param {any[]} entries
     * @param {any} headers
     */
    constructor(entries: any[], headers: any);
    /**
     * Reads all of a response. One that is incomplete, or none of the server, rejects: it counts as lost.
     * @param {any} response
     */
    static read(response: any): Promise<PollAnswer>;
    /** The entry of the welcome to a takeover. Where there was none it is a message of the session. */
    get welcome(): any;
    /** The code with which the server closes the connection. @returns {number | undefined} */
    get close(): number | undefined;
    /** An error that answers no entry of the request. @returns {ResponseError | undefined} */
    get error(): ResponseError | undefined;
    /**
     * The request did not get its session, and nothing of it was carried out.
     * @returns {{status: number, error: ResponseError} | undefined} what an error response says in this case
     */
    get refusal(): {
        status: number;
        error: ResponseError;
    } | undefined;
}
