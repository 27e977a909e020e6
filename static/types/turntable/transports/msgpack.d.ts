/**
 * WebSocket with encoding v2: the same messages as binary MessagePack frames,
 * `[number]`, `[number, data]` or `[number, data, id]`. The number identifies
 * the command (docs/protocol.md, 2.1 and 2.2). The codec is loaded when the
 * first such connection opens. If the server does not accept the subprotocol,
 * the connection uses v1.
 * @module
 */
import type { Transport } from "./transport.js";
/** @import { Sent } from "../sent_log.js" */
/** @import { Transport } from "./transport.js" */
/** @import { Codec } from "../../vendor/msgpack/index.mjs" */
export declare const SUBPROTOCOL = "turntable.v2.msgpack";
/**
 * The name of the command with this number.
 * @param {"in" | "out"} direction as seen by the client
 * @param {number} number
 * @returns {string | undefined}
 */
export declare function commandName(direction: "in" | "out", number: number): string | undefined;
export type MessageCodec = {
    encode: (message: any) => Uint8Array<ArrayBuffer>;
    decode: (bytes: ArrayBuffer) => any;
};
/**
 * The codec of v2 messages, loaded at the first call.
 * @returns {Promise<MessageCodec>}
 */
export declare function messageCodec(): Promise<MessageCodec>;
/** @type {Transport} */
export declare const msgpack: Transport;
