/**
 * Dispatches each received message to its handler.
 * @module
 */
import type { ClientEvents } from "./events.js";
import type { Features } from "./features.js";
import type { JoinOptions, Room } from "./room.js";
export type Handlers = {
    emit: <K extends keyof ClientEvents>(event: K, detail: ClientEvents[K]) => void;
    join: (channel: string, options: JoinOptions) => Promise<Room>;
    decline: (channel: string) => void;
    goaway: (reconnect_ms: number, url: string | undefined) => void;
    features: Features;
};
/** @import { ClientEvents } from "./events.js" */
/** @import { Features } from "./features.js" */
/** @import { JoinOptions, Room } from "./room.js" */
/**
 * @typedef {object} Handlers
 * @property {<K extends keyof ClientEvents>(event: K, detail: ClientEvents[K]) => void} emit
 * @property {(channel: string, options: JoinOptions) => Promise<Room>} join
 * @property {(channel: string) => void} decline
 * @property {(reconnect_ms: number, url: string | undefined) => void} goaway
 * @property {Features} features
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
