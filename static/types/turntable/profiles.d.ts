/**
 * Public attributes of watched users. No network, no events.
 * @module
 */
export declare class Profiles {
    #private;
    /**
     * @param {string} id
     * @returns {Record<string, any>} empty if there are none
     */
    get(id: string): Record<string, any>;
    /**
     * @param {any} data of a `profiles`
     * @param {(id: string) => boolean} watched
     * @returns {Record<string, Record<string, any>>} what changed
     */
    changed(data: any, watched: (id: string) => boolean): Record<string, Record<string, any>>;
    /** @param {string} id that is watched no longer */
    delete(id: string): void;
    /**
     * A new session gets all profiles anew; an attribute that it does not get was removed.
     * @returns {Record<string, Record<string, any>>} what changed
     */
    reset(): Record<string, Record<string, any>>;
}
