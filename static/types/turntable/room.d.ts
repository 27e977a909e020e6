/**
 * A game room as one holder has it: each successful `join` has an object of its
 * own. They share the seat and what is known of the room (`RoomState`).
 * @module
 */
import { Emitter } from "./emitter.js";
import { TurntableError } from "./error.js";
import type { Clock } from "./clock.js";
import type { Member } from "./room_state.js";
import type { Session } from "./session.js";
export type JoinOptions = {
    /**
     * the requested team
     */
    team?: string;
    /**
     * users to invite
     */
    invite?: string[];
    /**
     * the game's name in the server's configuration;
     * used when the room is created
     */
    game?: string;
    /**
     * leaves for this holder when it is aborted, also before the answer
     */
    signal?: AbortSignal;
};
export type Action = {
    /**
     * Unix ms of the server's clock, corrected by the server
     */
    timestamp: number;
    from: string;
    data: any;
    team?: string;
};
export type ActOptions = {
    /**
     * in ms of `clock.local()`; default: now
     */
    timestamp?: number;
    /**
     * false: dropped if it cannot be sent at once
     */
    queue?: boolean;
    /**
     * from 0: dropped if it is still queued after this time, or has to be repeated
     */
    expires_ms?: number;
    /**
     * while it is queued, or if it has to be repeated, a later action of the
     * room with the same key replaces it, without `refused`
     */
    merge?: string;
};
export type RoomEvents = {
    /**
     * one action; all members receive the same order
     */
    action: Action;
    /**
     * the actions of one message
     */
    actions: Action[];
    /**
     *   with a reason where an operator sent members away
     */
    members: {
        changes: Record<string, "joined" | "left" | "away" | "back">;
        reason?: string;
    };
    /**
     * joined again after a reconnection; members and state are new
     */
    joined: {
        room: Room;
    };
    /**
     *   without `leave()`: removed (the room ended, or a kick), refused when joining
     *   again, or the client was closed
     */
    left: {
        reason: "removed" | "refused" | "closed";
        error?: TurntableError;
    };
    /**
     * an invited user's answer
     */
    invitereply: {
        user: string;
        accepted: boolean;
    };
    /**
     * actions that were not delivered to
     * any member
     */
    refused: {
        error: TurntableError;
        data: any[];
    };
};
export type RoomContext = {
    session: Session;
    clock: Clock;
    user: () => string;
    /**
     * heard: whether a listener of the room has it
     */
    report: (error: TurntableError, heard: boolean) => void;
};
/** @import { Clock } from "./clock.js" */
/** @import { Member, RoomState } from "./room_state.js" */
/** @import { Session } from "./session.js" */
/**
 * @typedef {object} JoinOptions
 * @property {string} [team] the requested team
 * @property {string[]} [invite] users to invite
 * @property {string} [game] the game's name in the server's configuration;
 *   used when the room is created
 * @property {AbortSignal} [signal] leaves for this holder when it is aborted, also before the answer
 */
/**
 * @typedef {object} Action
 * @property {number} timestamp Unix ms of the server's clock, corrected by the server
 * @property {string} from
 * @property {any} data
 * @property {string} [team]
 */
/**
 * @typedef {object} ActOptions
 * @property {number} [timestamp] in ms of `clock.local()`; default: now
 * @property {boolean} [queue] false: dropped if it cannot be sent at once
 * @property {number} [expires_ms] from 0: dropped if it is still queued after this time, or has to be repeated
 * @property {string} [merge] while it is queued, or if it has to be repeated, a later action of the
 *   room with the same key replaces it, without `refused`
 */
/**
 * @typedef {object} RoomEvents
 * @property {Action} action one action; all members receive the same order
 * @property {Action[]} actions the actions of one message
 * @property {{changes: Record<string, "joined" | "left" | "away" | "back">, reason?: string}} members
 *   with a reason where an operator sent members away
 * @property {{room: Room}} joined joined again after a reconnection; members and state are new
 * @property {{reason: "removed" | "refused" | "closed", error?: TurntableError}} left
 *   without `leave()`: removed (the room ended, or a kick), refused when joining
 *   again, or the client was closed
 * @property {{user: string, accepted: boolean}} invitereply an invited user's answer
 * @property {{error: TurntableError, data: any[]}} refused actions that were not delivered to
 *   any member
 */
/**
 * @typedef {object} RoomContext parts of the client that a room uses
 * @property {Session} session
 * @property {Clock} clock
 * @property {() => string} user
 * @property {(error: TurntableError, heard: boolean) => void} report heard: whether a listener of the room has it
 */
/** @extends {Emitter<RoomEvents>} */
export declare class Room extends Emitter<RoomEvents> {
    #private;
    /** The room's id. */
    get channel(): string;
    /** This user's id in the room. */
    get self(): string;
    /** This user's team, if the game has teams. */
    get team(): string | undefined;
    /** The game's name, as passed to `join`. */
    get game(): string | undefined;
    /** The members by user id. @returns {ReadonlyMap<string, Member>} */
    get members(): ReadonlyMap<string, Member>;
    /** The stored state for late joiners; `undefined` if the game stores none. @returns {any} */
    get state(): any;
    /**
     * Sends an action. An array is sent as several actions, which are accepted or
     * refused together. All members receive accepted actions by `action`, the
     * sender included, with the server's time. While offline, actions are queued;
     * with `queue: false` they are dropped.
     * @param {any | any[]} data
     * @param {ActOptions} [options]
     * @returns {boolean} whether the actions were sent or queued; what is dropped later is
     *   emitted as `refused`. False for an empty array, of which nothing is sent, while `close()` drops
     *   what is queued, and for an object that holds the room no more, which the client's `error` reports
     */
    act(data: any | any[], { timestamp, queue, expires_ms, merge }?: ActOptions): boolean;
    /**
     * Invites users. Their answers are emitted as `invitereply`.
     * @param {string[]} ids
     * @returns {Promise<void>}
     */
    invite(ids: string[]): Promise<void>;
    /**
     * Ends this holder's hold, once. The last holder gives up the seat. From then on
     * this object emits nothing.
     * @returns {Promise<void>}
     */
    leave(): Promise<void>;
}
