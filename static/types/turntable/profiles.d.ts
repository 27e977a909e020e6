/**
 * Public attributes of watched users. A new session sends all of them behind the first states, and users without
 * any are in none of its messages: when nothing more comes, those of before are over.
 * @module
 */
import type { Session } from "./session.js";
export type ProfilesHooks = {
    /**
     * known: whether the session has sent a state of the
     * user. undefined: it is not watched
     */
    watch: (id: string) => {
        known: boolean;
    } | undefined;
    changed: (changes: Record<string, Record<string, any>>) => void;
};
export declare class Profiles {
    #private;
    /**
     * @param {Session} session
     * @param {ProfilesHooks} hooks
     */
    constructor(session: Session, hooks: ProfilesHooks);
    /**
     * @param {string} id
     * @returns {Record<string, any>} empty if there are none
     */
    get(id: string): Record<string, any>;
    /** @param {any} data of a `profiles` */
    received(data: any): void;
    /** The session has sent something, or goes on: what is left may follow for a while. */
    settle(): void;
    /** @param {string} id that is watched no longer */
    delete(id: string): void;
    /** A new session gets all profiles anew; those of before are shown until then. */
    reset(): void;
    /** The client is closed. */
    close(): void;
}
