/**
 * Signs of life. A browser answers the server's pings by itself but shows them
 * to nobody, so a page cannot see that its line is dead. The pulse therefore
 * asks at intervals; anything that comes is a sign of life, and where nothing
 * comes for a heartbeat after a question, the line is dead.
 * @module
 */
import type { Environment } from "./environment.js";
export declare class Pulse {
    #private;
    /**
     * @param {{environment: Environment, interval_ms: number}} options interval_ms: between two
     *   questions, where the heartbeat asks for no more
     * @param {() => void} ask
     * @param {() => void} dead
     */
    constructor({ environment, interval_ms }: {
        environment: Environment;
        interval_ms: number;
    }, ask: () => void, dead: () => void);
    /**
     * @param {number | undefined} heartbeat_ms the server's: twice in it is asked,
     *   and so long may pass without any sign of life after a question
     */
    start(heartbeat_ms: number | undefined): void;
    stop(): void;
    /** Something came. */
    heard(): void;
}
