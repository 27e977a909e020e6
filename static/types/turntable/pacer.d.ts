/**
 * How fast commands may be sent. The server has a token bucket per class of work
 * (docs/protocol.md, Rates); this one has the same with a margin, so that what a
 * client queued while it was offline is not refused when it is sent. The rates are
 * those of the server's `welcome`, or its defaults if it has none. After a refusal
 * with `retry_ms` the class waits that long: a client that waits is never closed for
 * its rate. The refusals of one burst count once, and the rate recovers. `now` is an argument; no timers.
 * @module
 */
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
     * A command is sent.
     * @param {Cost} cost
     * @param {number} now
     */
    take(cost: Cost, now: number): void;
    /**
     * The server refused a command for its rate, so its limit is lower than assumed.
     * @param {string | undefined} command
     * @param {number} retry_ms
     * @param {number} now
     */
    limited(command: string | undefined, retry_ms: number, now: number): void;
}
