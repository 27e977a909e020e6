/**
 * The next attempt to connect, and when it is due.
 * @module
 */
import type { Environment } from "./environment.js";
/** @import { Environment } from "./environment.js" */
export declare class Retry {
    #private;
    /** Whether an attempt is pending. */
    pending: boolean;
    /**
     * @param {Environment} environment
     * @param {() => void} due
     */
    constructor(environment: Environment, due: () => void);
    /** Time until the attempt in ms; undefined if none is pending. @returns {number | undefined} */
    get in_ms(): number | undefined;
    /** @param {number} ms */
    schedule(ms: number): void;
    /** The attempt begins, or is not wanted. */
    cancel(): void;
}
