/**
 * The doors by their names, best first, and which of them can be used here.
 * @module
 */
import type { Door } from "./door.js";
export type DoorName = "websocket" | "tunnel" | "longpoll" | "poll";
/** @import { Door } from "./door.js" */
/** @typedef {"websocket" | "tunnel" | "longpoll" | "poll"} DoorName */
/** @type {readonly DoorName[]} */
export declare const DOORS: readonly DoorName[];
/**
 * What the doors need of the platform, or others in its place.
 * @param {{WebSocket?: any, EventSource?: any, fetch?: any}} [given] EventSource: null for none
 */
export declare function platformOf(given?: {
    WebSocket?: any;
    EventSource?: any;
    fetch?: any;
}): {
    WebSocket: any;
    EventSource: any;
    fetch: any;
};
/**
 * @param {object} options
 * @param {readonly string[]} options.names in the order in which they are tried
 * @param {string} options.wire
 * @param {{heartbeat_ms?: number, number?: number}} options.poll
 * @param {{WebSocket: any, EventSource: any, fetch: any}} options.platform
 * @returns {Door[]} throws a TypeError where there is none
 */
export declare function doorsOf({ names, wire, poll: polled, platform }: {
    names: readonly string[];
    wire: string;
    poll: {
        heartbeat_ms?: number;
        number?: number;
    };
    platform: {
        WebSocket: any;
        EventSource: any;
        fetch: any;
    };
}): Door[];
