/**
 * The server's time, estimated from `time` exchanges.
 *
 * The client sends its time t0 and receives the answer at t3. The server adds
 * t1 (received) and t2 (sent) in Unix ms. The round-trip time is
 * d = (t3 - t0) - (t2 - t1), and the offset between the clocks is estimated as
 * ((t1 - t0) + (t2 - t3)) / 2. However asymmetric the path is, the true offset
 * lies within d / 2 of the estimate, plus 1 ms because t1 and t2 are whole
 * milliseconds.
 *
 * Of the last 16 samples the one with the smallest error bound is used (min-RTT
 * filter): queueing only adds delay, so the fastest exchange is the most
 * accurate. The bound grows with age by 100 us per second, which exceeds the
 * drift of quartz clocks, so old samples are replaced. If a new sample
 * contradicts the stored ones (the bounds do not overlap), the stored samples
 * are discarded.
 *
 * On many platforms the local clock stops while the machine sleeps, and the
 * system clock does not. If the two move apart suddenly, the estimate starts
 * anew: with the old one, corrected by the jump, until the next exchange. The
 * server estimates this client's clock too, from the least of what it received
 * over a long time, so a clock that was late would stay late there. The times
 * that are sent are therefore moved forward by the jump and a little more: the
 * server takes a clock that is ahead at once.
 * @module
 */
import type { Environment } from "./environment.js";
import type { Session } from "./session.js";
export type Sample = {
    /**
     * server time minus local time, ms
     */
    offset: number;
    /**
     * round-trip time, ms
     */
    latency: number;
    /**
     * bound of the offset at the time of the sample, ms
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
    /** The local time in ms, used for the timestamps of actions; its epoch is arbitrary. */
    local(): number;
    /** The server's time in Unix ms; before the first connection the system time. */
    now(): number;
    /**
     * The server's time (Unix ms) at a local time.
     * @param {number} local
     */
    toServer(local: number): number;
    /**
     * The local time (ms) at a server time.
     * @param {number} server
     */
    toLocal(server: number): number;
    /** Server time minus local time, ms. */
    get offset(): number;
    /** The round-trip time of the last exchange in ms; NaN before the first one. */
    get latency(): number;
    /** The maximum error of `now()` in ms; Infinity before the first exchange. */
    get error(): number;
    /**
     * Performs one exchange now.
     * @returns {Promise<void>} rejects with a TurntableError, for instance while offline
     */
    sync(): Promise<void>;
}
