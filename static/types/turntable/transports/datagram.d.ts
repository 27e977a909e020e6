/**
 * Datagrams, the units of a tunnel. Received: `{"id", "path", "data"}`. Sent:
 * `{"tunnel", "path": "/server", "data": MESSAGE}`. Datagrams are sent by
 * separate requests: those of one event-loop turn share a request, and requests
 * follow one after another, which preserves their order.
 * @module
 */
import type { Target, TransportHooks } from "./transport.js";
/**
 * Decodes the message of a datagram. On a channel's path, `data` is the
 * published data; sender, offset and time are fields beside it. On every other
 * path, `data` is a message.
 * @param {any} datagram
 * @returns {any} undefined if the datagram contains no message
 */
export declare function messageOf(datagram: any): any;
export declare class Sender {
    #private;
    /** The tunnel's id, once known. */
    tunnel: string;
    /**
     * @param {Target} target
     * @param {TransportHooks} hooks
     * @param {(code: number, reason: string) => void} failed
     */
    constructor(target: Target, hooks: TransportHooks, failed: (code: number, reason: string) => void);
    get idle(): boolean;
    /** @param {string} text */
    send(text: string): void;
    /**
     * Sends a text unchanged as a separate request.
     * @param {string} text
     */
    raw(text: string): void;
    /** Pending messages are still sent; their results are ignored. */
    close(): void;
}
