/**
 * The WebSocket with the wire format v1: each message is a text frame of JSON.
 * @module
 */
import type { Connection, ConnectionHooks, Door, Target } from "./door.js";
/** @implements {Connection} */
export declare class WebSocketConnection implements Connection {
    #private;
    /** @protected */
    protected hooks: ConnectionHooks;
    /** @protected @type {any} */
    protected socket: any;
    /** @protected */
    protected over: boolean;
    /**
     * @param {Target} target
     * @param {ConnectionHooks} hooks
     */
    constructor(target: Target, hooks: ConnectionHooks);
    open(): void;
    /**
     * @protected
     * @param {string[]} protocols
     */
    protected connect(protocols: string[]): void;
    get writable(): boolean;
    get idle(): boolean;
    /** @param {string} text */
    send(text: string): void;
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
    protected take(data: any): void;
    /**
     * @protected
     * @param {number} code
     * @param {string} reason
     */
    protected end(code: number, reason: string): void;
}
/** @type {Door} */
export declare const websocket: Door;
