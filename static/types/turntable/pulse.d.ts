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
     * @param {Environment} environment
     * @param {() => void} ask
     * @param {() => void} dead
     */
    constructor(environment: Environment, ask: () => void, dead: () => void);
    /**
     * @param {number} interval_ms between two questions
     * @param {number} patience_ms without any sign of life after a question
     */
    start(interval_ms: number, patience_ms: number): void;
    stop(): void;
    /** Something came. */
    heard(): void;
}
