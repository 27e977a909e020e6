/**
 * The rooms that are joined or being joined: one seat per room, which several
 * holders share.
 * @module
 */
import { Holding } from "./holding.js";
import { Room } from "./room.js";
import { RoomState } from "./room_state.js";
import type { TurntableError } from "./error.js";
import type { JoinOptions, RoomContext } from "./room.js";
export type Seat = {
    holding: Holding<Room>;
    state: RoomState;
};
/** @import { TurntableError } from "./error.js" */
/** @import { JoinOptions, RoomContext } from "./room.js" */
/** @typedef {{holding: Holding<Room>, state: RoomState}} Seat */
export declare class Rooms {
    #private;
    /** @param {RoomContext} context */
    constructor(context: RoomContext);
    /**
     * @param {string} channel
     * @returns {Room | undefined} the room of the holder that joined first
     */
    get(channel: string): Room | undefined;
    /**
     * @param {string} channel
     * @param {JoinOptions} options
     * @returns {Promise<Room>} rejects with the outcome of this join, whatever other joins of the
     *   room get
     */
    join(channel: string, options: JoinOptions): Promise<Room>;
    /** Whether the user is in a room. */
    get playing(): boolean;
    /**
     * @param {any} data
     * @param {any} id of the request, whose caller has its answer already
     */
    joined(data: any, id: any): void;
    /**
     * @param {string} command
     * @param {any} data
     */
    message(command: string, data: any): void;
    /** A new session has started: members and state of the rooms are outdated. */
    reset(): void;
    /** @param {boolean} resumed */
    restore(resumed: boolean): void;
    /** @param {TurntableError} error */
    close(error: TurntableError): void;
}
