/**
 * Detects dead connections. A browser answers the server's pings itself and
 * does not expose them to the page. The heartbeat therefore sends a probe at
 * intervals, and sooner if nothing arrived while the page needs the connection.
 * Any received message counts as activity. Without activity after a probe the
 * connection is first unsteady, then dead.
 *
 *     silence 2 s ─► probe ─► 3 s: unsteady ─► 7 s: dead
 *
 * Messages of others arrive also where nothing that the client sends does: what was
 * sent and is not confirmed counts as silence. A connection that brings messages but
 * not the answer to a probe is unsteady as well, but gets a second more, because a
 * slow one may have them all in its queue, and is then dead too.
 * @module
 */
import type { Environment } from "./environment.js";
export type HeartbeatHooks = {
    /**
     * whether the page is visible and needs the connection now
     */
    attentive: () => boolean;
    /**
     * local ms since when the oldest request waits for its
     * answer, or a command for its confirmation
     */
    awaiting_since: () => number | undefined;
    /**
     * sends a probe; false if there is none to answer
     */
    probe: () => boolean;
    /**
     * whether the connection answers
     */
    steady: (steady: boolean) => void;
    /**
     * nothing was received for long after a probe
     */
    dead: () => void;
};
export declare class Heartbeat {
    #private;
    /**
     * @param {{environment: Environment, interval_ms: number}} options interval_ms: maximum
     *   interval between probes
     * @param {HeartbeatHooks} hooks
     */
    constructor({ environment, interval_ms }: {
        environment: Environment;
        interval_ms: number;
    }, hooks: HeartbeatHooks);
    /**
     * @param {number | undefined} heartbeat_ms the server's heartbeat: probes are sent at
     *   least twice as often
     */
    start(heartbeat_ms: number | undefined): void;
    stop(): void;
    /** A probe was answered. */
    answered(): void;
    /** Something was received. */
    activity(): void;
    /** Something was sent, or the page became visible: a probe may be due sooner. */
    attend(): void;
    /** Probes at once: the network may have changed. */
    check(): void;
}
