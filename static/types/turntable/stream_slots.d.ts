/**
 * Limits how many pages of a browser keep a request to the server open. Over
 * HTTP/1.1 browsers open six connections to one host: six pages that each read a
 * stream leave none for requests, and block the whole site. Pages of one origin
 * therefore share a few slots, as Web Locks or, on pages that have none, by
 * asking each other on a BroadcastChannel. A page without a slot polls.
 * @module
 */
import type { Environment } from "./environment.js";
export type StreamSlots = {
    /**
     * whether this page may read a stream; it then has a slot
     */
    claim: () => Promise<boolean>;
    release: () => void;
};
/**
 * @typedef {object} StreamSlots
 * @property {() => Promise<boolean>} claim whether this page may read a stream; it then has a slot
 * @property {() => void} release
 */
/**
 * @param {object} options
 * @param {string} options.url of the server
 * @param {Environment} options.environment
 * @param {any} options.locks the platform's Web Locks, if available
 * @param {any} options.BroadcastChannel
 * @returns {StreamSlots | undefined} undefined if nothing limits this page, or pages cannot know each other
 */
export declare function streamSlots({ url, environment, locks, BroadcastChannel }: {
    url: string;
    environment: Environment;
    locks: any;
    BroadcastChannel: any;
}): StreamSlots | undefined;
export type Taker = {
    /**
     * whether a slot was taken, and is this page's now.
     * wanted: whether the claim was not released meanwhile
     */
    take: (wanted: () => boolean) => Promise<boolean>;
    free: () => void;
};
