/**
 * The available transports by name, in default order of preference.
 * @module
 */
import type { Transport } from "./transport.js";
export type TransportName = "websocket" | "tunnel" | "longpoll" | "poll";
/** @import { Transport } from "./transport.js" */
/** @typedef {"websocket" | "tunnel" | "longpoll" | "poll"} TransportName */
/** @type {readonly TransportName[]} */
export declare const TRANSPORTS: readonly TransportName[];
/**
 * The platform interfaces that transports use, or the given replacements.
 * @param {{WebSocket?: any, EventSource?: any, fetch?: any}} [given] EventSource: null disables it
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
 * Creates the named transports that the platform supports.
 * @param {object} options
 * @param {readonly string[]} options.names in order of preference
 * @param {string} options.encoding of WebSocket frames, "v1" or "v2"
 * @param {{heartbeat_ms?: number, number?: number}} options.poll
 * @param {{WebSocket: any, EventSource: any, fetch: any}} options.platform
 * @returns {Transport[]} throws a TypeError for an unknown name, or if none is supported
 */
export declare function createTransports({ names, encoding, poll: poll_options, platform }: {
    names: readonly string[];
    encoding: string;
    poll: {
        heartbeat_ms?: number;
        number?: number;
    };
    platform: {
        WebSocket: any;
        EventSource: any;
        fetch: any;
    };
}): Transport[];
