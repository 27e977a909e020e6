/**
 * Presence of other users, and the status of this user.
 *
 * Subscriptions are retained: after a reconnection that started a new session
 * the library subscribes again.
 * @module
 */
import { Emitter } from "./emitter.js";
export type PresenceState = "online" | "offline" | "busy" | "idle";
export type Status = "online" | "idle" | "busy" | "invisible";
export type LookupEntry = {
    state: PresenceState;
    /**
     * Unix ms; omitted for a connected user
     */
    last_seen?: number;
    /**
     * number of connected sessions
     */
    devices?: number;
    /**
     * the note of the status
     */
    note?: any;
};
export type FriendsEvents = {
    /**
     *   `snapshot`: the first states of a subscription, not changes
     */
    change: {
        changes: Record<string, PresenceState>;
        snapshot: boolean;
    };
};
/** @extends {Emitter<FriendsEvents>} */
export declare class Friends extends Emitter<FriendsEvents> {
    #private;
    /**
     * Subscribes to users, in addition to earlier subscriptions.
     * @param {string[]} ids
     * @returns {Promise<Record<string, PresenceState>>} the states of `ids`; rejects with a TurntableError
     */
    subscribe(ids: string[]): Promise<Record<string, PresenceState>>;
    /**
     * Unsubscribes from users.
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
     * Sets the user's own status. The client sets it again after a reconnection.
     * @param {Status} state
     * @param {any} [note] shown to others by `lookup`
     * @returns {Promise<void>}
     */
    status(state: Status, note?: any): Promise<void>;
    /**
     * Queries presence once, without a subscription.
     * @param {string[]} ids
     * @returns {Promise<Record<string, LookupEntry>>}
     */
    lookup(ids: string[]): Promise<Record<string, LookupEntry>>;
}
