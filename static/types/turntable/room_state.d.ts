/**
 * What is known of one room, for all holders of its seat. No network, no events.
 * @module
 */
import type { Action, JoinOptions } from "./room.js";
export type Member = {
    team: string | undefined;
    /**
     * `away`: disconnected, its seat is reserved
     */
    state: "joined" | "away";
};
/** @import { Action, JoinOptions } from "./room.js" */
/**
 * @typedef {object} Member
 * @property {string | undefined} team
 * @property {"joined" | "away"} state `away`: disconnected, its seat is reserved
 */
export declare class RoomState {
    /** The room's id. @readonly @type {string} */
    readonly channel: string;
    /** This user's id in the room. @type {string | undefined} */
    self: string | undefined;
    /** This user's team. @type {string | undefined} */
    team: string | undefined;
    /** The game's name. @type {string | undefined} */
    game: string | undefined;
    /** The stored state for late joiners. @type {any} */
    stored: any;
    /** @type {Map<string, Member>} */
    members: Map<string, Member>;
    /** Whether this client is a member. */
    active: boolean;
    /** Whether members and state belong to a lost session. */
    stale: boolean;
    /** @param {string} channel */
    constructor(channel: string);
    /**
     * The data of `joingame`.
     * @param {JoinOptions} options
     * @param {string} user
     * @returns {Record<string, any>}
     */
    joinData({ team, game }: JoinOptions, user: string): Record<string, any>;
    /** @param {JoinOptions} options of a join that succeeded */
    acquired({ game }: JoinOptions): void;
    /**
     * @param {any} data of a `joined`
     * @returns {boolean} whether the room was joined again in a new session
     */
    joined(data: any): boolean;
    /** @param {Record<string, any>} changes of a `memberchange` */
    changed(changes: Record<string, any>): void;
    /**
     * Whether a `memberchange` ends the membership of this client.
     * @param {Record<string, any>} changes
     * @param {string} self
     */
    isRemoved(changes: Record<string, any>, self: string): boolean;
    /** @param {Action[]} actions */
    acted(actions: Action[]): void;
}
