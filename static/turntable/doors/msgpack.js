/**
 * The WebSocket with the wire format v2: the same messages in binary frames of
 * MessagePack, `[number]`, `[number, data]` or `[number, data, id]` with the
 * command's number of the protocol's tables. The encoder is loaded only when
 * such a connection is opened first. A server that does not take the
 * subprotocol speaks v1, and is understood.
 * @module
 */

import { base64, bytesOf, parse, stringify } from "../binary.js";
import { LOST } from "./door.js";
import { WebSocketConnection } from "./websocket.js";

/** @import { Door } from "./door.js" */
/** @import { Codec } from "../../vendor/msgpack/index.mjs" */

export const SUBPROTOCOL = "turntable.v2.msgpack";
const BAD_MESSAGE = 1007;
/** The extension type of numbers that MessagePack has not, by their digits. */
const DECIMAL = 1;

const UP = [
  "idme", "resume", "subscribe", "unsubscribe", "status", "joingame", "leavegame", "game", "declineinvite", "joinchannel",
  "leavechannel", "publish", "call", "reply", "set", "provide", "time", "lookup", "authenticate", "bye",
];
const DOWN = [
  "idyou", "welcome", "userchange", "invite", "invitereply", "joined", "memberchange", "game", "message", "call", "reply",
  "error", "attributes", "service", "time", "goaway",
];
const DOWN_FIRST = 64;
/** The client's commands by name. @type {ReadonlyMap<string, number>} */
const NUMBERS = new Map(UP.map((name, index) => [name, index + 1]));

/**
 * The command that a number stands for.
 * @param {"in" | "out"} direction as a client sees it
 * @param {number} number
 * @returns {string | undefined}
 */
export function nameOf(direction, number) {
  return direction === "in" ? DOWN[number - DOWN_FIRST] : UP[number - 1];
}

/** @typedef {{encode: (message: any) => Uint8Array<ArrayBuffer>, decode: (bytes: ArrayBuffer) => any}} Coder */

/** @type {Promise<Coder> | undefined} */
let loading;

/**
 * The encoder and decoder of v2 messages, loaded at the first call.
 * @returns {Promise<Coder>}
 */
export function coder() {
  loading ??= load().catch((error) => {
    // The next connection tries again.
    loading = undefined;
    throw error;
  });
  return loading;
}

/** @returns {Promise<Coder>} */
async function load() {
  const { Decoder, Encoder, ExtData } = await import("../../vendor/msgpack/index.mjs");
  /** @type {Codec} */
  const extensionCodec = {
    tryToEncode: (value) => {
      const [type, text, ...rest] = extension(value) ?? [];
      if (typeof type !== "number" || typeof text !== "string" || rest.length > 0) return null;
      try {
        return new ExtData(type, bytesOf(text));
      } catch {
        return null;
      }
    },
    decode: (data, type) => (type === DECIMAL ? Number(new TextDecoder().decode(data)) : { $ext: [type, base64(data)] }),
  };
  const encoder = new Encoder({ extensionCodec, maxDepth: 256 });
  const decoder = new Decoder({ extensionCodec });
  return {
    encode: ({ command, data, id }) => {
      const number = NUMBERS.get(command);
      if (number === undefined) throw new TypeError(`v2 has no command ${command}`);
      return encoder.encode(id === undefined ? [number, data] : [number, data, id]);
    },
    decode: (bytes) => {
      const [number, data, id] = /** @type {any[]} */ (decoder.decode(bytes));
      return { command: DOWN[number - DOWN_FIRST], data, ...(id !== undefined && id !== null && { id }) };
    },
  };
}

/**
 * @param {any} value
 * @returns {any[] | undefined}
 */
function extension(value) {
  return Array.isArray(value?.$ext) && Object.keys(value).length === 1 ? value.$ext : undefined;
}

class MsgpackConnection extends WebSocketConnection {
  /** @type {Coder | undefined} */
  #coder;

  /** @override */
  open() {
    coder().then(
      (coder) => {
        if (this.over) return;
        this.#coder = coder;
        this.connect([SUBPROTOCOL]);
        if (this.socket) this.socket.binaryType = "arraybuffer";
      },
      (error) => this.end(LOST, String(error)),
    );
  }

  /**
   * @override
   * @param {string} text
   */
  send(text) {
    if (!this.writable) return;
    if (this.socket.protocol !== SUBPROTOCOL || !this.#coder) {
      this.raw(text);
      return;
    }
    const message = parse(text);
    /** @type {Uint8Array<ArrayBuffer>} */
    let bytes;
    try {
      bytes = this.#coder.encode(message);
    } catch (error) {
      this.hooks.refused([text], { code: "unknown_command", message: String(error) });
      return;
    }
    const { command, data, id } = message;
    this.hooks.traffic("out", "frame", () => stringify(id === undefined ? [NUMBERS.get(command), data] : [NUMBERS.get(command), data, id]), bytes.length);
    this.socket.send(bytes);
  }

  /**
   * @override
   * @protected
   * @param {any} data of a frame
   */
  take(data) {
    if (typeof data === "string" || !this.#coder) {
      super.take(data);
      return;
    }
    /** @type {any} */
    let message;
    try {
      message = this.#coder.decode(data);
    } catch (error) {
      this.close(BAD_MESSAGE, "");
      this.hooks.closed(LOST, `not MessagePack: ${error}`);
      return;
    }
    const { command, data: told, id } = message;
    this.hooks.traffic("in", "frame", () => stringify([DOWN.indexOf(command) + DOWN_FIRST, told, ...(id === undefined ? [] : [id])]), data.byteLength);
    this.hooks.message(message);
  }
}

/** @type {Door} */
export const msgpack = {
  name: "websocket",
  live: true,
  connection: (target, hooks) => new MsgpackConnection(target, hooks),
};
