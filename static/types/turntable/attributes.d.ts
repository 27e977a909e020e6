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
export type AttributeListener = (value: any, key: string) => void;
/** @import { Session } from "./session.js" */
/**
 * @typedef {object} AttributesEvents
 * @property {{changes: Record<string, any>}} change changes by the server or by other
 *   sessions; null if an attribute was removed
 */
/** @callback AttributeListener
 * @param {any} value null if the attribute was removed
 * @param {string} key
 * @returns {void}
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
     * server has confirmed it, as JSON has the values, and emits no `change`.
     * @param {Record<string, any>} changes
     * @returns {Promise<void>} rejects with a TurntableError
     */
    set(changes: Record<string, any>): Promise<void>;
    /**
     * Calls a function with each new value of one attribute, or of any, that the server
     * or another session of the user sets; null if it was removed.
     * @overload
     * @param {string} key
     * @param {AttributeListener} listener
     * @returns {() => void} ends the watch
     */
    /**
     * @overload
     * @param {AttributeListener} listener of every attribute
     * @returns {() => void} ends the watch
     */
    /**
     * @param {string | AttributeListener} key
     * @param {AttributeListener} [listener]
     * @returns {() => void}
     */
    watch(key: string, listener: AttributeListener): () => void;
    /**
     * Calls a function with each new value of one attribute, or of any, that the server
     * or another session of the user sets; null if it was removed.
     * @overload
     * @param {string} key
     * @param {AttributeListener} listener
     * @returns {() => void} ends the watch
     */
    /**
     * @overload
     * @param {AttributeListener} listener of every attribute
     * @returns {() => void} ends the watch
     */
    /**
     * @param {string | AttributeListener} key
     * @param {AttributeListener} [listener]
     * @returns {() => void}
     */
    watch(listener: AttributeListener): () => void;
    /**
     * Ends watches, no matter which caller began them: of one attribute, of one function, or of both;
     * without arguments all of them. The function that `watch` returned ends its own.
     * @param {string | AttributeListener} [key]
     * @param {AttributeListener} [listener]
     */
    unwatch(key?: string | AttributeListener, listener?: AttributeListener): void;
}
