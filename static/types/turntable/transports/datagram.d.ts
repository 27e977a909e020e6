/**
 * Datagrams, the units of a tunnel. Received: `{"id", "path", "data"}`. Sent:
 * `{"tunnel", "path": "/server", "data": MESSAGE}`. Datagrams are sent by
 * separate requests: those of one event-loop turn share a request, and requests
 * follow one after another, which preserves their order.
 *
 * A request numbers its datagrams (`n`). It is repeated until it is answered: the
 * server skips the datagrams that it took before, and refuses a request that
 * leaves a gap (409), which says how many it took. A reloaded page does not know
 * its numbers and asks first. What is stale when it is repeated keeps its number: a
 * datagram without effect takes its place. The identification has no number; a repeated
 * one is answered with another welcome.
 *
 * The server answers a request at once, so a request without an answer was lost, or
 * its connection is dead. It is abandoned, which closes the connection, and repeated.
 * Answers to requests prove nothing about the stream of received messages.
 * @module
 */
import type { Outgoing, Target, TransportHooks } from "./transport.js";
/**
 * Decodes the message of a datagram. On a channel's path, `data` is the
 * published data; sender, offset and time are fields beside it, and `message` is
 * the message's id where the datagram has another one. On every other path,
 * `data` is a message.
 * @param {any} datagram
 * @returns {any} undefined if the datagram contains no message
 */
export declare function messageOf(datagram: any): any;
export type Outcome = "answered" | "repeat" | "smaller" | "failed";
/** @typedef {"answered" | "repeat" | "smaller" | "failed"} Outcome of a request; smaller: the rest of it is repeated */
export declare class Sender {
    #private;
    /** The tunnel's id, once known. */
    tunnel: string;
    /** The number of the connection; a request that comes behind one of a later connection is dropped. */
    attempt: number;
    /**
     * @param {Target} target
     * @param {TransportHooks} hooks
     * @param {(code: number, reason: string) => void} failed
     */
    constructor(target: Target, hooks: TransportHooks, failed: (code: number, reason: string) => void);
    get idle(): boolean;
    /**
     * @param {string} text
     * @param {Outgoing["entry"]} entry
     */
    send(text: string, entry: Outgoing["entry"]): void;
    /**
     * A message came. With the welcome the session is known, which a later page may continue; a refused identification
     * begins none.
     * @param {any} message
     */
    received(message: any): void;
    /**
     * Sends a text unchanged as a separate request.
     * @param {string} text
     */
    raw(text: string): void;
    /** Ends the requests; a later connection repeats what was not taken. */
    close(): void;
    /**
     * Sends what is pending, the goodbye included, in one request that takes the place
     * of the one under way, or in several if it is more than a request may have. Each is
     * repeated until it is answered.
     * @returns {Promise<void>}
     */
    finish(): Promise<void>;
}
