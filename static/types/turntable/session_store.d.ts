/**
 * Stores the session in sessionStorage, so that it outlives a reload of the page.
 *
 * sessionStorage belongs to one tab, but a duplicated tab gets a copy of it, and
 * two pages must not use one session. While a page uses the stored session, the
 * record contains the page's id (`owner`); the page removes it when it is hidden.
 * Each page also holds a Web Lock named by its id. A record with an owner can be
 * used only if the owner's lock is free, because then that page has crashed.
 *
 * A page that the browser restores from its back/forward cache may find that a later
 * page of the tab has continued the session. It begins another one: the messages of
 * the later page, and its commands, are unknown to it. Where the record does not show
 * it, because the later page has just been left or a third one has written since, the
 * server refuses the resume by the number of the connection.
 * @module
 */
import type { Environment } from "./environment.js";
export type StoredSession = {
    /**
     * the secret
     */
    session: string;
    received: number;
    /**
     * id of the last command; later pages must not reuse ids
     */
    last_id: number;
    /**
     * number of the last connection
     */
    attempt: number;
    transport: string;
    welcome: any;
};
export type SessionStoreOptions = {
    /**
     * distinguishes several clients of one page
     */
    name: string;
    url: string;
    environment: Environment;
    storage?: any;
    /**
     * the platform's Web Locks, if available
     */
    locks?: any;
};
export declare class SessionStore {
    #private;
    /** @param {SessionStoreOptions} options */
    constructor({ name, url, environment, storage, locks }: SessionStoreOptions);
    /**
     * The session of an earlier page of this tab. The result is a promise only if
     * a lock has to be checked, so that connecting is not delayed otherwise.
     * @returns {StoredSession | undefined | Promise<StoredSession | undefined>}
     */
    load(): StoredSession | undefined | Promise<StoredSession | undefined>;
    /**
     * Sets the source of the records to write.
     * @param {() => StoredSession | undefined} snapshot
     */
    start(snapshot: () => StoredSession | undefined): void;
    /** The session has changed: schedules a write. */
    changed(): void;
    /** The page is hidden: a later page may use the record. */
    release(): void;
    /**
     * The page was restored from the back/forward cache.
     * @returns {boolean} whether the session is still its own: no later page has continued it
     */
    reclaim(): boolean;
    /** The client is closed: removes the record. */
    clear(): void;
}
