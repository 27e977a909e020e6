/**
 * The page that the client lives in, where there is one: it tells when the
 * network is back, when it is looked at again, and when it goes.
 * @module
 */
import type { Memory } from "./memory.js";
/** @import { Memory } from "./memory.js" */
export declare class Page {
    #private;
    /**
     * @param {() => void} hurry called when it is worth trying to connect at once
     * @param {Memory | undefined} memory what outlives the page
     */
    constructor(hurry: () => void, memory: Memory | undefined);
    /** Listens no more. */
    end(): void;
}
