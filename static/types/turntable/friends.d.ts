/**
 * Other users' presence, and one's own status.
 *
 * Who is watched is kept, not queued: after a reconnection that had to begin a
 * new session the library subscribes again.
 * @module
 */
import { Emitter } from "./emitter.js";
export type PresenceState = "online" | "offline" | "busy" | "idle";
export type Status = "online" | "idle" | "busy" | "invisible";
export type LookupEntry = {
    state: PresenceState;
    /**
     * Unix ms; left out for a user that is there now
     */
    last_seen?: number;
    /**
     * how many of its sessions are connected
     */
    devices?: number;
    /**
     * what it said with its status
     */
    note?: any;
};
export type FriendsEvents = {
    /**
     *   `first`: a snapshot, the answer to a subscription, rather than news
     */
    change: {
        changes: Record<string, PresenceState>;
        first: boolean;
    };
};
/** @extends {Emitter<FriendsEvents>} */
export declare class Friends extends Emitter<FriendsEvents> {
    #private;
    /**
     * Watches users, beside those already watched.
     * @param {string[]} ids
     * @returns {Promise<Record<string, PresenceState>>} the state of each of `ids`
     */
    subscribe(ids: string[]): Promise<Record<string, PresenceState>>;
    /**
     * Watches users no longer.
     * @param {string[]} ids
     * @returns {Promise<void>}
     */
    unsubscribe(ids: string[]): Promise<void>;
    /**
     * The last known state of a watched user.
     * @param {string} id
     * @returns {PresenceState | undefined}
     */
    get(id: string): PresenceState | undefined;
    /**
     * The last known states of all watched users.
     * @returns {ReadonlyMap<string, PresenceState>}
     */
    get all(): ReadonlyMap<string, PresenceState>;
    /**
     * Says how one is oneself. Kept over reconnections.
     * @param {Status} state
     * @param {any} [note] anything others may see in `lookup`
     * @returns {Promise<void>}
     */
    status(state: Status, note?: any): Promise<void>;
    /**
     * Asks once, without watching.
     * @param {string[]} ids
     * @returns {Promise<Record<string, LookupEntry>>}
     */
    lookup(ids: string[]): Promise<Record<string, LookupEntry>>;
}
