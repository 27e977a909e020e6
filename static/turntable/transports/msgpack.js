/**
 * WebSocket with encoding v2: the same messages as binary MessagePack frames,
 * `[number]`, `[number, data]` or `[number, data, id]`. The number identifies
 * the command (docs/protocol.md, 2.1 and 2.2). The codec is loaded when the
 * first such connection opens. If the server does not accept the subprotocol,
 * the connection uses v1.
 * @module
 */

import { base64, bytesOf, parse, stringify } from "../binary.js";
import { LOST } from "./transport.js";
import { WebSocketConnection } from "./websocket.js";

/** @import { Sent } from "../sent_log.js" */
/** @import { Transport } from "./transport.js" */
/** @import { Codec } from "../../vendor/msgpack/index.mjs" */

export const SUBPROTOCOL = "turntable.v2.msgpack";
/** `$num` as a key: a map with nothing else is a number that MessagePack cannot represent, in digits. */
const NUMBER_KEY = [0xa4, 0x24, 0x6e, 0x75, 0x6d];

const CLIENT_COMMANDS = [
  "idme", "resume", "subscribe", "unsubscribe", "status", "joingame", "leavegame", "game", "declineinvite", "joinchannel",
  "leavechannel", "publish", "call", "reply", "set", "provide", "time", "lookup", "authenticate", "bye", , , , , , , "block",
];
const SERVER_COMMANDS = [
  "idyou", "welcome", "userchange", "invite", "invitereply", "joined", "memberchange", "game", "message", "call", "reply",
  "error", "attributes", "service", "time", "goaway", , , , , "profiles",
];
const SERVER_FIRST = 64;
/** Numbers of the client commands by name. @type {ReadonlyMap<string, number>} */
const NUMBERS = new Map(CLIENT_COMMANDS.flatMap((name, index) => (name ? [[name, index + 1]] : [])));

/**
 * The name of the command with this number.
 * @param {"in" | "out"} direction as seen by the client
 * @param {number} number
 * @returns {string | undefined}
 */
export function commandName(direction, number) {
  return direction === "in" ? SERVER_COMMANDS[number - SERVER_FIRST] : CLIENT_COMMANDS[number - 1];
}

/**
 * The key that stands for `__proto__` until the map is complete: assigning a property of that name
 * would set the prototype. A lone surrogate has no UTF-8, so no received key is equal to it.
 */
const PROTO = "\ud800__proto__";

/**
 * @param {string} command of the server, or `#NUMBER`
 * @returns {number}
 */
function numberOf(command) {
  return command.startsWith("#") ? Number(command.slice(1)) : SERVER_COMMANDS.indexOf(command) + SERVER_FIRST;
}

/** @typedef {{encode: (message: any) => Uint8Array<ArrayBuffer>, decode: (bytes: ArrayBuffer) => any}} MessageCodec */

/** @type {Promise<MessageCodec> | undefined} */
let loading;

/**
 * The codec of v2 messages, loaded at the first call.
 * @returns {Promise<MessageCodec>}
 */
export function messageCodec() {
  loading ??= load().catch((error) => {
    // Let the next connection retry.
    loading = undefined;
    throw error;
  });
  return loading;
}

/** @returns {Promise<MessageCodec>} */
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
    decode: (data, type) => ({ $ext: [type, base64(data)] }),
  };
  const encoder = new Encoder({ extensionCodec, maxDepth: 256 });
  /** Whether the frame that is being decoded has a key `__proto__`. */
  let proto = false;
  const text = new TextDecoder("utf-8", { ignoreBOM: true });
  // The Decoder refuses the key `__proto__` itself, and drops U+FEFF at the start of a long string.
  class DataDecoder extends Decoder {
    /**
     * @override
     * @param {number} length
     * @param {number} header bytes before the string
     */
    decodeUtf8String(length, header) {
      const start = this.pos + header;
      const end = start + length;
      if (this.bytes.length < end) throw new RangeError("the frame ends within a string");
      const key = this.stateIsMapKey();
      const value = key && this.keyDecoder.canBeCached(length) ? this.keyDecoder.decode(this.bytes, start, length) : text.decode(this.bytes.subarray(start, end));
      this.pos = end;
      if (!key || value !== "__proto__") return value;
      proto = true;
      return PROTO;
    }
  }
  const decoder = new DataDecoder({ extensionCodec });
  return {
    encode: ({ command, data, id }) => {
      const number = NUMBERS.get(command);
      if (number === undefined) throw new TypeError(`v2 has no command ${command}`);
      return encoder.encode(id === undefined ? [number, data] : [number, data, id]);
    },
    decode: (bytes) => {
      proto = false;
      const decoded = decoder.decode(bytes);
      const named = proto ? protoKeys(decoded) : decoded;
      const message = hasNumber(new Uint8Array(bytes)) ? numbers(named) : named;
      if (!Array.isArray(message) || !Number.isInteger(message[0])) throw new TypeError("the frame is not a message");
      const [number, data, id] = message;
      // A number of a newer server is the name of a command that the library ignores.
      const command = SERVER_COMMANDS[number - SERVER_FIRST] ?? `#${number}`;
      return { command, data, ...(id !== undefined && id !== null && { id }) };
    },
  };
}

/**
 * Whether a frame may contain a number in digits; a fast check, because most has none.
 * @param {Uint8Array} bytes
 * @returns {boolean}
 */
function hasNumber(bytes) {
  for (let at = bytes.indexOf(NUMBER_KEY[0]); at >= 0; at = bytes.indexOf(NUMBER_KEY[0], at + 1)) {
    if (NUMBER_KEY.every((byte, index) => bytes[at + index] === byte)) return true;
  }
  return false;
}

/**
 * Gives the maps with the key PROTO the key `__proto__`, as an own property.
 * @param {any} value
 * @returns {any}
 */
function protoKeys(value) {
  if (Array.isArray(value)) return value.map(protoKeys);
  if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key === PROTO ? "__proto__" : key, protoKeys(inner)]));
}

/**
 * Replaces numbers in digits by the numbers, as `JSON.parse` reads them.
 * @param {any} value
 * @returns {any}
 */
function numbers(value) {
  if (Array.isArray(value)) return value.map(numbers);
  if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
  const entries = Object.entries(value);
  const [key, digits] = entries[0] ?? [];
  if (entries.length === 1 && key === "$num" && typeof digits === "string" && /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(digits)) return Number(digits);
  return Object.fromEntries(entries.map(([name, inner]) => [name, numbers(inner)]));
}

/**
 * @param {any} value
 * @returns {any[] | undefined}
 */
function extension(value) {
  return Array.isArray(value?.$ext) && Object.keys(value).length === 1 ? value.$ext : undefined;
}

class MsgpackConnection extends WebSocketConnection {
  /** @type {MessageCodec | undefined} */
  #codec;

  /** @override */
  open() {
    messageCodec().then(
      (codec) => {
        if (this.closed) return;
        this.#codec = codec;
        this.connect([SUBPROTOCOL]);
        if (this.socket) this.socket.binaryType = "arraybuffer";
      },
      (error) => this.end(LOST, String(error)),
    );
  }

  /**
   * @override
   * @param {string} text
   * @param {Sent} [entry]
   */
  send(text, entry) {
    if (!this.writable) return;
    if (this.socket.protocol !== SUBPROTOCOL || !this.#codec) {
      super.send(text, entry);
      return;
    }
    const message = parse(text);
    /** @type {Uint8Array<ArrayBuffer>} */
    let bytes;
    try {
      bytes = this.#codec.encode(message);
    } catch (error) {
      const code = NUMBERS.has(message.command) ? "bad_message" : "unknown_command";
      // The server never gets it, so it does not count.
      this.hooks.discarded([entry], true);
      this.hooks.refused([text], { code, message: String(error) });
      return;
    }
    const { command, data, id } = message;
    this.hooks.traffic("out", "frame", () => stringify(id === undefined ? [NUMBERS.get(command), data] : [NUMBERS.get(command), data, id]), bytes.length);
    if (entry) entry.sent = true;
    this.socket.send(bytes);
  }

  /**
   * @param {string} text a message as JSON
   * @returns {number | undefined} the bytes of its frame; undefined: those of the text
   */
  bytesOf(text) {
    if (this.socket?.protocol !== SUBPROTOCOL || !this.#codec) return undefined;
    try {
      return this.#codec.encode(parse(text)).length;
    } catch {
      // Refused when it is sent.
      return undefined;
    }
  }

  /**
   * @override
   * @protected
   * @param {any} data of a frame
   */
  receive(data) {
    if (typeof data === "string" || !this.#codec) {
      super.receive(data);
      return;
    }
    /** @type {any} */
    let message;
    try {
      message = this.#codec.decode(data);
    } catch (error) {
      // The server counts it, so it is reported and counted like an unreadable text.
      this.hooks.traffic("in", "frame", () => `undecodable: ${error}`, data.byteLength);
      this.hooks.message(undefined);
      return;
    }
    const { command, data: payload, id } = message;
    this.hooks.traffic("in", "frame", () => stringify([numberOf(command), payload, ...(id === undefined ? [] : [id])]), data.byteLength);
    this.hooks.message(message);
  }
}

/** @type {Transport} */
export const msgpack = {
  name: "websocket",
  push: true,
  createConnection: (target, hooks) => new MsgpackConnection(target, hooks),
};
