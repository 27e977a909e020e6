/**
 * Detects dead connections. A browser answers the server's pings itself and
 * does not expose them to the page. The heartbeat therefore sends a probe at
 * intervals. Any received message counts as activity; without activity within
 * the timeout after a probe, the connection is dead.
 * @module
 */
import type { Environment } from "./environment.js";
export declare class Heartbeat {
    #private;
    /**
     * @param {{environment: Environment, interval_ms: number}} options interval_ms: maximum
     *   interval between probes
     * @param {() => void} probe sends a probe
     * @param {() => void} dead called when the timeout passes without activity
     */
    constructor({ environment, interval_ms }: {
        environment: Environment;
        interval_ms: number;
    }, probe: () => void, dead: () => void);
    /**
     * @param {number | undefined} heartbeat_ms the server's heartbeat: the timeout after
     *   a probe; probes are sent at least twice as often
     */
    start(heartbeat_ms: number | undefined): void;
    stop(): void;
    /** Something was received. */
    activity(): void;
}
