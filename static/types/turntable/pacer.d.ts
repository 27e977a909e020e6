/**
 * How fast commands may be sent. The server has a token bucket per class of work
 * (docs/protocol.md, Rates); this one has the same with a margin, so that what a
 * client queued while it was offline is not refused when it is sent. The rates are
 * those of the server's `welcome`, or its defaults if it has none. After a refusal
 * with `retry_ms` the class waits that long: a client that waits is never closed for
 * its rate. The refusals of one burst count once, and the rate recovers. A server that
 * stalls takes what it has not confirmed when it goes on, so this bucket is never
 * fuller than the server's may be then. `now` is an argument; no timers.
 * @module
 */
import type { Sent } from "./sent_log.js";
export type Rate = {
    per_second: number;
    burst: number;
};
export type Cost = Map<string, number>;
/**
 * @param {string} command
 * @param {any} data
 * @param {number} bytes of the message
 * @returns {Cost}
 */
export declare function costOf(command: string, data: any, bytes: number): Cost;
/**
 * What a message takes of the server's rates.
 * @param {{command: string, data: any, text: string, bytes?: number}} message
 * @param {number} envelope bytes that a request adds to it
 */
export declare function costOfMessage(message: {
    command: string;
    data: any;
    text: string;
    bytes?: number;
}, envelope: number): Cost;
/**
 * What a command takes of the server's rates when it is repeated.
 * @param {Sent} entry
 * @param {number} [envelope] bytes that a request adds to it
 */
export declare function costOfRepeat(entry: Sent, envelope?: number): Cost;
export declare class Pacer {
    #private;
    /**
     * A session begins: its buckets are full.
     * @param {Record<string, Rate> | undefined} rates of the server, by class
     * @param {number} now
     */
    start(rates: Record<string, Rate> | undefined, now: number): void;
    /**
     * A session continues. Its buckets are as they were, unless the server has other
     * rates now, or an earlier page has sent from them.
     * @param {Record<string, Rate> | undefined} rates of the server, by class
     * @param {number} now
     */
    resume(rates: Record<string, Rate> | undefined, now: number): void;
    /**
     * How long a command has to wait.
     * @param {Cost} cost
     * @param {number} now
     * @returns {number} ms; 0: it may be sent now
     */
    delay(cost: Cost, now: number): number;
    /**
     * Whether a command, with those that the server has not confirmed, is more than the server takes at once.
     * @param {Cost} cost
     * @param {Cost} open of those
     */
    exceeds(cost: Cost, open: Cost): boolean;
    /**
     * A command is sent.
     * @param {Cost} cost
     * @param {number} now
     */
    take(cost: Cost, now: number): void;
    /**
     * The server has confirmed commands.
     * @param {Cost} open of those that it has not confirmed
     * @param {number} now
     */
    confirmed(open: Cost, now: number): void;
    /**
     * The server refused a command for its rate, so its limit is lower than assumed.
     * @param {string | undefined} command
     * @param {number} retry_ms
     * @param {number} now
     */
    limited(command: string | undefined, retry_ms: number, now: number): void;
}
