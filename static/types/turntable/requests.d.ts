/**
 * Pending requests by id, and sent commands that are answered only if the
 * server refuses them.
 * @module
 */
import { TurntableError } from "./error.js";
import type { Environment } from "./environment.js";
export type Request = {
    command: string;
    data: any;
    /**
     * whether a lost session rejects it with INTERRUPTED; the
     * caller then sends it again
     */
    interruptible: boolean;
    resolve: (data: any) => void;
    reject: (error: any) => void;
    /**
     * local ms
     */
    sent_at?: number;
    timer?: any;
};
/** @import { Environment } from "./environment.js" */
/**
 * @typedef {object} Request
 * @property {string} command
 * @property {any} data
 * @property {boolean} interruptible whether a lost session rejects it with INTERRUPTED; the
 *   caller then sends it again
 * @property {(data: any) => void} resolve
 * @property {(error: any) => void} reject
 * @property {number} [sent_at] local ms
 * @property {any} [timer]
 */
/** The rejection of an interruptible request whose session is lost. */
export declare const INTERRUPTED: unique symbol;
export declare class Requests {
    #private;
    /**
     * @param {Environment} environment
     * @param {number} timeout_ms
     */
    constructor(environment: Environment, timeout_ms: number);
    /** Whether a request has no answer yet. */
    get open(): boolean;
    /** Local ms since when the oldest one waits for its answer. @returns {number | undefined} */
    get waiting_since(): number | undefined;
    /**
     * @param {any} id
     * @returns {string | undefined} the command whose answer has this id
     */
    commandOf(id: any): string | undefined;
    /**
     * @param {number} id
     * @param {Request} request
     */
    add(id: number, request: Request): void;
    /**
     * Watches a command that is answered only if it is refused.
     * @param {number} id
     * @param {(error: TurntableError) => void} refused
     */
    watch(id: number, refused: (error: TurntableError) => void): void;
    /** @param {number | undefined} id of a command that a later one replaces */
    unwatch(id: number | undefined): void;
    /**
     * Rejects the request with this id, or reports the error of a watched command.
     * @param {any} id
     * @param {any} data of the `error`
     * @returns {boolean} whether the id was known
     */
    reject(id: any, data: any): boolean;
    /**
     * A queued command will not be sent.
     * @param {number | undefined} id
     * @param {TurntableError} error
     * @returns {boolean} whether somebody waits for it
     */
    drop(id: number | undefined, error: TurntableError): boolean;
    /**
     * The request was sent; its timeout starts.
     * @param {number | undefined} id
     */
    sent(id: number | undefined): void;
    /** The connection was lost: timeouts stop, because no answer can arrive. */
    pause(): void;
    /** The session was resumed: the answers arrive, or the commands are repeated. */
    resume(): void;
    /**
     * Removes the request with this id and returns it.
     * @param {any} id
     * @returns {Request | undefined}
     */
    take(id: any): Request | undefined;
    /**
     * Resolves the first matching request with an answer that came without an id.
     * @param {(request: {command: string, data: any}) => boolean} matches
     * @param {any} data
     * @returns {boolean} whether a request matched
     */
    resolveFirst(matches: (request: {
        command: string;
        data: any;
    }) => boolean, data: any): boolean;
    /**
     * The session is lost: a watched command may or may not have been executed.
     * @param {number | undefined} id
     */
    unconfirmed(id: number | undefined): void;
    /**
     * The session is lost: rejects all requests whose answers can no longer arrive.
     * @param {Set<number | undefined>} unsent ids of requests that are still queued; they remain
     */
    lost(unsent: Set<number | undefined>): void;
    /** The client is closed. */
    close(): void;
}
