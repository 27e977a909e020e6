/**
 * The poll: remote calls in batches over plain requests. The server speaks
 * only when it is asked, and it is asked when there is something to send; who
 * wants to hear of others without saying anything sets a heartbeat.
 *
 * Requests of a session are numbered, and one is on its way at a time. One
 * whose answer was lost is made again with the same number and the same body:
 * the server runs nothing twice and gives the same answer, so each call is done
 * once and each message comes once. That survives the connection's end, so the
 * number and the open request belong to the door.
 * @module
 */
import type { Connection, ConnectionHooks, Door, Target } from "./door.js";
export type Batch = {
    session: string;
    number: number;
    body: string;
    texts: string[];
};
export type PollState = {
    /**
     * of the last request
     */
    number: number;
    /**
     * one that has no answer yet
     */
    open: Batch | undefined;
    /**
     * the commands that await an answer, by their ids
     */
    asked: Map<any, string>;
    heartbeat_ms: number;
    connection: PollConnection | undefined;
};
/** @implements {Connection} */
declare class PollConnection implements Connection {
    #private;
    /**
     * @param {Target} target
     * @param {ConnectionHooks} hooks
     * @param {PollState} state
     */
    constructor(target: Target, hooks: ConnectionHooks, state: PollState);
    get writable(): boolean;
    get idle(): boolean;
    open(): void;
    /** @param {string} text */
    send(text: string): void;
    /** @param {string} text */
    raw(text: string): void;
    /** @param {number} code */
    close(code: number): void;
    /** Sets the heartbeat going, or stops it. */
    beat(): void;
}
/**
 * The poll of one client.
 * @param {{heartbeat_ms?: number, number?: number}} [options] number: after which
 *   requests are numbered; where a session is older than the page, it must be larger than the last
 * @returns {Door}
 */
export declare function poll({ heartbeat_ms, number }?: {
    heartbeat_ms?: number;
    number?: number;
}): Door;
export {};
