/**
 * The page that runs the client, if there is one: network, visibility, hidden or
 * restored.
 * @module
 */
import type { SessionStore } from "./session_store.js";
/** @import { SessionStore } from "./session_store.js" */
export declare class PageLifecycle {
    #private;
    /**
     * @param {(network: boolean) => void} changed called when the network or the visibility has
     *   changed: a connection may be dead, or possible again. network: whether it is another one
     * @param {SessionStore | undefined} store
     */
    constructor(changed: (network: boolean) => void, store: SessionStore | undefined);
    /** Whether a user can see the page; true where there is none. */
    get visible(): boolean;
    /** Removes all listeners. */
    close(): void;
}
