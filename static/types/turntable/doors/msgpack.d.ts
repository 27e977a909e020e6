/**
 * The WebSocket with the wire format v2: the same messages in binary frames of
 * MessagePack, `[number]`, `[number, data]` or `[number, data, id]` with the
 * command's number of the protocol's tables. The encoder is loaded only when
 * such a connection is opened first. A server that does not take the
 * subprotocol speaks v1, and is understood.
 * @module
 */
import type { Door } from "./door.js";
/** @import { Door } from "./door.js" */
/** @import { Codec } from "../../vendor/msgpack/index.mjs" */
export declare const SUBPROTOCOL = "turntable.v2.msgpack";
/**
 * The command that a number stands for.
 * @param {"in" | "out"} direction as a client sees it
 * @param {number} number
 * @returns {string | undefined}
 */
export declare function nameOf(direction: "in" | "out", number: number): string | undefined;
export type Coder = {
    encode: (message: any) => Uint8Array<ArrayBuffer>;
    decode: (bytes: ArrayBuffer) => any;
};
/**
 * The encoder and decoder of v2 messages, loaded at the first call.
 * @returns {Promise<Coder>}
 */
export declare function coder(): Promise<Coder>;
/** @type {Door} */
export declare const msgpack: Door;
