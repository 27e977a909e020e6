/**
 * Public attributes of watched users. No network, no events.
 * @module
 */
export declare class Profiles {
    #private;
    /** Users whose profiles are those of a lost session. @returns {ReadonlySet<string>} */
    get stale(): ReadonlySet<string>;
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
    /** A new session gets all profiles anew; those of before are shown until then. */
    reset(): void;
    /**
     * The new session has sent all profiles: who is in none has no public attributes any more.
     * @returns {Record<string, Record<string, any>>} what changed
     */
    settle(): Record<string, Record<string, any>>;
}
