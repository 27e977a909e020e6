/**
 * A game room as one of its members sees it, and the set of rooms joined.
 * @module
 */
import { Emitter } from "./emitter.js";
import { TurntableError } from "./error.js";
import type { Clock } from "./clock.js";
import type { Kept } from "./kept.js";
import type { Session } from "./session.js";
export type JoinOptions = {
    /**
     * the team wished for
     */
    team?: string;
    /**
     * users to invite
     */
    invite?: string[];
    /**
     * the game's name in the server's configuration;
     * counts when the room is created
     */
    game?: string;
};
export type Member = {
    team: string | undefined;
    /**
     * `away`: dropped, its seat is kept
     */
    state: "joined" | "away";
};
export type Action = {
    /**
     * Unix ms of the server, corrected by it
     */
    timestamp: number;
    from: string;
    data: any;
    team?: string;
};
export type RoomEvents = {
    /**
     * one at a time, in the order all members see
     */
    action: Action;
    /**
     * the same, as they came together
     */
    actions: Action[];
    members: {
        changes: Record<string, "joined" | "left" | "away" | "back">;
    };
    /**
     * again, after a reconnection: members and state are new
     */
    joined: {
        room: Room;
    };
    /**
     *   not by `leave()`: removed (the room ended, or a kick), refused on
     *   coming back, or the client was closed
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
     * what `act` was given, and why
     * nobody saw it
     */
    refused: {
        error: TurntableError;
        data: any[];
    };
};
export type RoomContext = {
    session: Session;
    kept: Kept;
    clock: Clock;
    user: () => string;
    fault: (error: TurntableError) => void;
};
/** @import { Clock } from "./clock.js" */
/** @import { Kept } from "./kept.js" */
/** @import { Session } from "./session.js" */
/**
 * @typedef {object} JoinOptions
 * @property {string} [team] the team wished for
 * @property {string[]} [invite] users to invite
 * @property {string} [game] the game's name in the server's configuration;
 *   counts when the room is created
 */
/**
 * @typedef {object} Member
 * @property {string | undefined} team
 * @property {"joined" | "away"} state `away`: dropped, its seat is kept
 */
/**
 * @typedef {object} Action
 * @property {number} timestamp Unix ms of the server, corrected by it
 * @property {string} from
 * @property {any} data
 * @property {string} [team]
 */
/**
 * @typedef {object} RoomEvents
 * @property {Action} action one at a time, in the order all members see
 * @property {Action[]} actions the same, as they came together
 * @property {{changes: Record<string, "joined" | "left" | "away" | "back">}} members
 * @property {{room: Room}} joined again, after a reconnection: members and state are new
 * @property {{reason: "removed" | "refused" | "closed", error?: TurntableError}} left
 *   not by `leave()`: removed (the room ended, or a kick), refused on
 *   coming back, or the client was closed
 * @property {{user: string, accepted: boolean}} invitereply an invited user's answer
 * @property {{error: TurntableError, data: any[]}} refused what `act` was given, and why
 *   nobody saw it
 */
/**
 * @typedef {object} RoomContext what a room needs of its client
 * @property {Session} session
 * @property {Kept} kept
 * @property {Clock} clock
 * @property {() => string} user
 * @property {(error: TurntableError) => void} fault
 */
/** @extends {Emitter<RoomEvents>} */
export declare class Room extends Emitter<RoomEvents> {
    #private;
    /** The room's id. @readonly @type {string} */
    readonly channel: string;
    /** One's own id in the room. */
    get self(): string;
    /** One's own team, where the game has teams. */
    get team(): string | undefined;
    /** The game's name, as given to `join`. */
    get game(): string | undefined;
    /** @returns {ReadonlyMap<string, Member>} */
    get members(): ReadonlyMap<string, Member>;
    /** What the game keeps for those who join late; `undefined` where it keeps nothing. @returns {any} */
    get state(): any;
    /**
     * Acts. An array is several actions, sent together and refused together. They
     * come back in `action`, to the actor like to everybody, with the server's
     * time. Offline they are queued; with `queue: false` they are dropped.
     * @param {any | any[]} data
     * @param {{timestamp?: number, queue?: boolean}} [options] timestamp: on
     *   `clock.local()`; now, if it is not given
     * @returns {boolean} whether it was sent or queued; where not, `refused` tells why
     */
    act(data: any | any[], { timestamp, queue }?: {
        timestamp?: number;
        queue?: boolean;
    }): boolean;
    /**
     * Invites users. Their answers come as `invitereply`.
     * @param {string[]} ids
     * @returns {Promise<void>}
     */
    invite(ids: string[]): Promise<void>;
    /**
     * Leaves, giving the seat up.
     * @returns {Promise<void>}
     */
    leave(): Promise<void>;
}
/** The rooms that are joined or being joined. */
export declare class Rooms {
    #private;
    /** @param {RoomContext} context */
    constructor(context: RoomContext);
    /**
     * @param {string} channel
     * @returns {Room | undefined}
     */
    get(channel: string): Room | undefined;
    /**
     * @param {string} channel
     * @param {JoinOptions} options
     * @returns {Promise<Room>}
     */
    join(channel: string, options: JoinOptions): Promise<Room>;
    /** @param {Room} room */
    delete(room: Room): void;
    /**
     * @param {string} command
     * @param {any} data
     */
    message(command: string, data: any): void;
    /** The session is a new one: what was known of the rooms is old. */
    reset(): void;
    end(): void;
}
/**
 * An id without the leading slash that the server would drop.
 * @param {string} channel
 */
export declare function plain(channel: string): string;
