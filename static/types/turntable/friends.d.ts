/**
 * Presence of other users, and the status of this user.
 *
 * Subscriptions are retained: after a reconnection that started a new session
 * the library subscribes again. Each successful `subscribe` holds its ids; the
 * server hears of the first holder of an id and of the last one.
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
    /**
     * the public attributes; omitted if there are none
     */
    profile?: Record<string, any>;
};
export type FriendsEvents = {
    /**
     *   `snapshot`: the first states of a subscription, not changes
     */
    change: {
        changes: Record<string, PresenceState>;
        snapshot: boolean;
    };
    /**
     * public attributes of watched
     * users: all of a user first, then changes; null if one was removed
     */
    profile: {
        changes: Record<string, Record<string, any>>;
    };
};
export type Hold = {
    ids: Set<string>;
    forget: () => void;
};
export type Waiter = {
    ids: string[];
    hold: Hold;
    resolve: (states: Record<string, PresenceState>) => void;
    reject: (error: any) => void;
};
/** @extends {Emitter<FriendsEvents>} */
export declare class Friends extends Emitter<FriendsEvents> {
    #private;
    /**
     * Subscribes to users, in addition to earlier subscriptions. Each successful
     * call holds its ids until an `unsubscribe`, or until `signal` is aborted.
     * @param {string[]} ids
     * @param {{signal?: AbortSignal}} [options]
     * @returns {Promise<Record<string, PresenceState>>} the states of `ids`, an object of this call's
     *   own; rejects with a TurntableError
     */
    subscribe(ids: string[], { signal }?: {
        signal?: AbortSignal;
    }): Promise<Record<string, PresenceState>>;
    /**
     * Ends a subscription. The server is unsubscribed from those that have no other.
     * @param {string[] | Record<string, PresenceState>} subscribed the states that `subscribe` resolved
     *   with: ends that call's hold, once. Or ids: ends the oldest hold of each
     * @returns {Promise<void>}
     */
    unsubscribe(subscribed: string[] | Record<string, PresenceState>): Promise<void>;
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
     * The public attributes of a watched user, as its name and score.
     * @param {string} id
     * @returns {Record<string, any>} empty if there are none
     */
    profile(id: string): Record<string, any>;
    /**
     * Sets the user's own status. The client sets it again after a reconnection, with the
     * identification of a new session.
     * @param {Status} state
     * @param {any} [note] shown to others by `lookup`
     * @returns {Promise<void>}
     */
    status(state: Status, note?: any): Promise<void>;
    /**
     * Blocks users: for them this user is offline, and they cannot invite or call it. They
     * are not notified. The list outlives the session.
     * @param {string[]} ids
     * @returns {Promise<string[]>} all users that are blocked; rejects with a TurntableError
     */
    block(ids: string[]): Promise<string[]>;
    /**
     * Ends what `block` began.
     * @param {string[]} ids
     * @returns {Promise<string[]>} all users that are still blocked
     */
    unblock(ids: string[]): Promise<string[]>;
    /**
     * The users that this user blocks.
     * @returns {Promise<string[]>}
     */
    blocked(): Promise<string[]>;
    /**
     * Queries presence once, without a subscription.
     * @param {string[]} ids
     * @returns {Promise<Record<string, LookupEntry>>}
     */
    lookup(ids: string[]): Promise<Record<string, LookupEntry>>;
}
