/**
 * Watches of attributes: functions that are called with each new value of one
 * attribute, or of any.
 * @module
 */
import type { AttributeListener } from "./attributes.js";
export type Watch = {
    /**
     * undefined: every attribute
     */
    key: string | undefined;
    listener: AttributeListener;
    /**
     * what else ends with it
     */
    end?: () => void;
};
/** @import { AttributeListener } from "./attributes.js" */
/**
 * @typedef {object} Watch
 * @property {string | undefined} key undefined: every attribute
 * @property {AttributeListener} listener
 * @property {() => void} [end] what else ends with it
 */
export declare class WatchList {
    #private;
    /**
     * @param {string | AttributeListener} key the attribute, or the listener of every one
     * @param {AttributeListener} [listener]
     * @returns {Watch}
     */
    add(key: string | AttributeListener, listener?: AttributeListener): Watch;
    /** @param {Watch} watch */
    end(watch: Watch): void;
    /**
     * Ends watches: of one attribute, of one function, or of both; without arguments all of them.
     * @param {string | AttributeListener} [key]
     * @param {AttributeListener} [listener]
     */
    endAll(key?: string | AttributeListener, listener?: AttributeListener): void;
    /** Those that exist now. @returns {Watch[]} */
    get all(): Watch[];
    /**
     * Calls the functions. One that throws is reported, and ends nothing.
     * @param {[string, any][]} changes
     * @param {(error: unknown) => void} report
     * @param {() => boolean} [closed] whether no function is called any more: one of them may close the client
     */
    call(changes: [string, any][], report: (error: unknown) => void, closed?: () => boolean): void;
}
