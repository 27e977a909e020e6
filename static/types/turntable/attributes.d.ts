/**
 * Live attributes of this user, shared by all of the user's sessions.
 * @module
 */
import { Emitter } from "./emitter.js";
export type AttributesEvents = {
    /**
     * changes by the server or by other
     * sessions; null if an attribute was removed
     */
    change: {
        changes: Record<string, any>;
    };
};
/** @import { Session } from "./session.js" */
/**
 * @typedef {object} AttributesEvents
 * @property {{changes: Record<string, any>}} change changes by the server or by other
 *   sessions; null if an attribute was removed
 */
/** @extends {Emitter<AttributesEvents>} */
export declare class Attributes extends Emitter<AttributesEvents> {
    #private;
    /**
     * The value of an attribute.
     * @param {string} key
     * @returns {any} undefined if the attribute is not set
     */
    get(key: string): any;
    /** All attributes. @returns {ReadonlyMap<string, any>} */
    get all(): ReadonlyMap<string, any>;
    /**
     * Sets attributes; null removes one. The change is visible here after the
     * server has confirmed it, and emits no `change`.
     * @param {Record<string, any>} changes
     * @returns {Promise<void>} rejects with a TurntableError
     */
    set(changes: Record<string, any>): Promise<void>;
}
