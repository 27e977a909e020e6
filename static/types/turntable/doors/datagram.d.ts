/**
 * Datagrams, what tunnels carry: `{"id", "path", "data"}` down, and up
 * `{"tunnel", "path": "/server", "data": MESSAGE}`. What goes up is sent by
 * requests of its own, all that is said within one turn in one request, one
 * request after the other so that the order stands.
 * @module
 */
import type { ConnectionHooks, Target } from "./door.js";
/**
 * The message that a datagram holds. On a channel's path the data is what was
 * published, with who did that, where in its order and when beside it;
 * everywhere else it is a message.
 * @param {any} datagram
 * @returns {any} undefined where it holds none
 */
export declare function messageOf(datagram: any): any;
export declare class Sender {
    #private;
    /** The tunnel's id, once it is known. */
    tunnel: string;
    /**
     * @param {Target} target
     * @param {ConnectionHooks} hooks
     * @param {(code: number, reason: string) => void} failed
     */
    constructor(target: Target, hooks: ConnectionHooks, failed: (code: number, reason: string) => void);
    get idle(): boolean;
    /** @param {string} text */
    send(text: string): void;
    /**
     * Sends a text as it is, as a request of its own.
     * @param {string} text
     */
    raw(text: string): void;
    /** What waits still goes out; what becomes of it is nobody's business any more. */
    close(): void;
}
