/**
 * The lifecycle of the page that runs the client, if there is one: network
 * available, page visible, page hidden or restored.
 * @module
 */
import type { SessionStore } from "./session_store.js";
/** @import { SessionStore } from "./session_store.js" */
export declare class PageLifecycle {
    #private;
    /**
     * @param {() => void} reconnect called when an immediate connection attempt is likely to succeed
     * @param {SessionStore | undefined} store
     */
    constructor(reconnect: () => void, store: SessionStore | undefined);
    /** Removes all listeners. */
    close(): void;
}
