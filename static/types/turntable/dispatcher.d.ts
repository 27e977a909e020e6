/**
 * Dispatches each received message to its handler.
 * @module
 */
import type { Attributes } from "./attributes.js";
import type { Channels } from "./channels.js";
import type { Clock } from "./clock.js";
import type { ClientEvents } from "./events.js";
import type { Friends } from "./friends.js";
import type { JoinOptions, Room } from "./room.js";
import type { Rooms } from "./rooms.js";
import type { Services } from "./services.js";
export type Handlers = {
    emit: <K extends keyof ClientEvents>(event: K, detail: ClientEvents[K]) => void;
    join: (channel: string, options: JoinOptions) => Promise<Room>;
    decline: (channel: string) => void;
    goaway: (reconnect_ms: number, url: string | undefined) => void;
    friends: Friends;
    rooms: Rooms;
    channels: Channels;
    services: Services;
    attributes: Attributes;
    clock: Clock;
};
/** @import { Attributes } from "./attributes.js" */
/** @import { Channels } from "./channels.js" */
/** @import { Clock } from "./clock.js" */
/** @import { ClientEvents } from "./events.js" */
/** @import { Friends } from "./friends.js" */
/** @import { JoinOptions, Room } from "./room.js" */
/** @import { Rooms } from "./rooms.js" */
/** @import { Services } from "./services.js" */
/**
 * @typedef {object} Handlers
 * @property {<K extends keyof ClientEvents>(event: K, detail: ClientEvents[K]) => void} emit
 * @property {(channel: string, options: JoinOptions) => Promise<Room>} join
 * @property {(channel: string) => void} decline
 * @property {(reconnect_ms: number, url: string | undefined) => void} goaway
 * @property {Friends} friends
 * @property {Rooms} rooms
 * @property {Channels} channels
 * @property {Services} services
 * @property {Attributes} attributes
 * @property {Clock} clock
 */
export declare class Dispatcher {
    #private;
    /** @param {Handlers} handlers */
    constructor(handlers: Handlers);
    /**
     * @param {string} command
     * @param {any} data
     * @param {any} id
     */
    dispatch(command: string, data: any, id: any): void;
}
