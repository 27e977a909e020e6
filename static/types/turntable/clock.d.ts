/**
 * The server's time, estimated from `time` exchanges.
 *
 * The client notes t0 when it asks and t3 when the answer is there; the server
 * tells t1 (receipt) and t2 (sending) in Unix ms. The round trip on the wire is
 * d = (t3 - t0) - (t2 - t1), and the offset between the clocks is taken as
 * ((t1 - t0) + (t2 - t3)) / 2. However unequal the two ways were, the true
 * offset lies within d / 2 of that, plus 1 ms because t1 and t2 are whole
 * milliseconds.
 *
 * Of the last 16 exchanges the one with the smallest bound counts (the min-RTT
 * filter): queues only ever add delay, so the fastest exchange is the most
 * honest one. A bound grows with age by 100 us per second, more than any
 * quartz drifts, so an old sample gives way in time. Where a new exchange
 * contradicts the kept ones (the bounds do not meet, as after a sleep in which
 * the local clock stood still), the kept ones are thrown away.
 * @module
 */
import type { Environment } from "./environment.js";
import type { Session } from "./session.js";
export type Sample = {
    /**
     * server minus local, ms
     */
    offset: number;
    /**
     * round trip, ms
     */
    latency: number;
    /**
     * bound in ms when it was taken
     */
    error: number;
    /**
     * local ms
     */
    at: number;
};
export declare class Clock {
    #private;
    /**
     * @param {Session} session
     * @param {{environment: Environment, timeout_ms: number}} options
     */
    constructor(session: Session, { environment, timeout_ms }: {
        environment: Environment;
        timeout_ms: number;
    });
    /** The client's own time in ms, as it stamps actions; its epoch means nothing. */
    local(): number;
    /** The server's time in Unix ms; before the first connection the machine's. */
    now(): number;
    /**
     * The server's time (Unix ms) at a local time.
     * @param {number} local
     */
    toServer(local: number): number;
    /**
     * The local time (ms) at a time of the server.
     * @param {number} server
     */
    toLocal(server: number): number;
    /** Server time minus local time, ms. */
    get offset(): number;
    /** The smallest recent round trip in ms; NaN before the first exchange. */
    get latency(): number;
    /** How far, in ms, `now()` may be off; Infinity before the first exchange. */
    get error(): number;
    /**
     * Makes one exchange now.
     * @returns {Promise<void>}
     */
    sync(): Promise<void>;
}
