/**
 * Polling: remote calls in batches over plain HTTP requests. The server can
 * only answer, and the client sends a request only when it has a message. An
 * idle client that needs events sets a heartbeat: an interval of empty requests.
 *
 * The requests of a session are numbered and sent one at a time. A request
 * whose answer was lost is repeated with the same number and body. The server
 * executes it once and returns the same answer, so each call is executed once
 * and each message arrives once. A request may be repeated on a later
 * connection, so the number and the open request belong to the transport. An empty
 * request begins a session, so that the identification has a number as well. What is
 * stale when it is repeated counts all the same: a command without effect takes its
 * place.
 * @module
 */
import { PollCodec } from "./poll_codec.js";
import type { Sent } from "../sent_log.js";
import type { PollRequest } from "./poll_ending.js";
import type { Target, Transport, TransportConnection, TransportHooks } from "./transport.js";
export type Batch = PollRequest & {
    session: string;
    welcomes: number | undefined;
};
export type PollState = {
    /**
     * of the last request
     */
    number: number;
    /**
     * the request that has no answer yet
     */
    open: Batch | undefined;
    codec: PollCodec;
    heartbeat_ms: number;
    connection: PollConnection | undefined;
};
/** @implements {TransportConnection} */
declare class PollConnection implements TransportConnection {
    #private;
    /**
     * @param {Target} target
     * @param {TransportHooks} hooks
     * @param {PollState} state
     */
    constructor(target: Target, hooks: TransportHooks, state: PollState);
    get writable(): boolean;
    get idle(): boolean;
    open(): void;
    /**
     * @param {string} text
     * @param {Sent} [entry]
     */
    send(text: string, entry?: Sent): void;
    /** @param {string} text */
    raw(text: string): void;
    /** @param {number} code */
    close(code: number): void;
    /** @returns {boolean} whether a request is under way; one is sent if the client polls */
    probe(): boolean;
    /** Schedules the next empty request, or none if the heartbeat is off. */
    schedulePoll(): void;
}
/**
 * Creates the polling transport of one client.
 * @param {{heartbeat_ms?: number, number?: number}} [options] number: of the request
 *   before the first. For a session of an earlier page it must exceed that page's last number.
 * @returns {Transport}
 */
export declare function poll({ heartbeat_ms, number }?: {
    heartbeat_ms?: number;
    number?: number;
}): Transport;
export {};
