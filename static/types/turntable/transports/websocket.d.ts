/**
 * WebSocket with encoding v1: each message is one text frame of JSON.
 * @module
 */
import type { Sent } from "../sent_log.js";
import type { Target, Transport, TransportConnection, TransportHooks } from "./transport.js";
/** @implements {TransportConnection} */
export declare class WebSocketConnection implements TransportConnection {
    #private;
    /** @protected */
    protected hooks: TransportHooks;
    /** @protected @type {any} */
    protected socket: any;
    /** @protected */
    protected closed: boolean;
    /**
     * @param {Target} target
     * @param {TransportHooks} hooks
     */
    constructor(target: Target, hooks: TransportHooks);
    open(): void;
    /**
     * @protected
     * @param {string[]} protocols
     */
    protected connect(protocols: string[]): void;
    get writable(): boolean;
    get idle(): boolean;
    /**
     * @param {string} text
     * @param {Sent} [entry]
     */
    send(text: string, entry?: Sent): void;
    /** @param {string} text */
    raw(text: string): void;
    /**
     * @param {number} code
     * @param {string} reason
     */
    close(code: number, reason: string): void;
    /**
     * @protected
     * @param {any} data of a frame
     */
    protected receive(data: any): void;
    /**
     * @protected
     * @param {number} code
     * @param {string} reason
     */
    protected end(code: number, reason: string): void;
}
/** @type {Transport} */
export declare const websocket: Transport;
