/**
 * The page that runs the client, if there is one: network, visibility, hidden or
 * restored.
 * @module
 */
export type PageHooks = {
    /**
     * called when the network or the visibility has
     * changed: a connection may be dead, or possible again. network: whether it is another one
     */
    changed: (network: boolean) => void;
    /**
     * the page is left; the browser may restore it
     */
    hidden: () => void;
    /**
     * from the back/forward cache
     */
    restored: () => void;
};
/**
 * @typedef {object} PageHooks
 * @property {(network: boolean) => void} changed called when the network or the visibility has
 *   changed: a connection may be dead, or possible again. network: whether it is another one
 * @property {() => void} hidden the page is left; the browser may restore it
 * @property {() => void} restored from the back/forward cache
 */
export declare class PageLifecycle {
    #private;
    /** @param {PageHooks} hooks */
    constructor({ changed, hidden, restored }: PageHooks);
    /** Whether a user can see the page; true where there is none. */
    get visible(): boolean;
    /** Removes all listeners. */
    close(): void;
}
