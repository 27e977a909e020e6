/**
 * Keeps the session over a reload of its page, in sessionStorage, which is a
 * tab's own. A tab that is duplicated takes a copy along, and two tabs must
 * not fight over one session, so a page marks the record as its own while it
 * uses it and takes the mark off when it goes. A record with a mark is another
 * page's, unless the lock that this page held is free: then it has crashed.
 * @module
 */
import type { Environment } from "./environment.js";
export type Record = {
    session: string;
    received: number;
    /**
     * the last id of a command: answers to the older page must not be taken for others
     */
    last_id: number;
    door: string;
    welcome: any;
};
export type MemoryOptions = {
    /**
     * of what is kept, one per client of a page
     */
    name: string;
    url: string;
    environment: Environment;
    storage?: any;
    /**
     * the platform's Web Locks, where there are any
     */
    locks?: any;
};
export declare class Memory {
    #private;
    /** @param {MemoryOptions} options */
    constructor({ name, url, environment, storage, locks }: MemoryOptions);
    /**
     * What an earlier page of this tab left. It tells at once where that is
     * clear, so that connecting need not wait.
     * @returns {Record | undefined | Promise<Record | undefined>}
     */
    recall(): Record | undefined | Promise<Record | undefined>;
    /**
     * From now on what `read` says is kept.
     * @param {() => Record | undefined} read
     */
    begin(read: () => Record | undefined): void;
    /** Something has changed. */
    touch(): void;
    /** The page goes, perhaps to come back: others may use the record now. */
    release(): void;
    /** The page is here again as it was. */
    retake(): void;
    /** The client was closed: there is nothing to keep any more. */
    forget(): void;
}
