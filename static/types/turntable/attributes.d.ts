/**
 * Live attributes of one's own user, shared by all of its sessions.
 * @module
 */
import { Emitter } from "./emitter.js";
export type AttributesEvents = {
    /**
     * others' changes; null where one was removed
     */
    change: {
        changes: Record<string, any>;
    };
};
/** @import { Session } from "./session.js" */
/**
 * @typedef {object} AttributesEvents
 * @property {{changes: Record<string, any>}} change others' changes; null where one was removed
 */
/** @extends {Emitter<AttributesEvents>} */
export declare class Attributes extends Emitter<AttributesEvents> {
    #private;
    /**
     * @param {string} key
     * @returns {any}
     */
    get(key: string): any;
    /** @returns {ReadonlyMap<string, any>} */
    get all(): ReadonlyMap<string, any>;
    /**
     * Sets attributes; null removes one. One's own changes are there once the
     * server has them, and are not told as `change`.
     * @param {Record<string, any>} changes
     * @returns {Promise<void>}
     */
    set(changes: Record<string, any>): Promise<void>;
}
