/**
 * Outgoing messages: encoded, checked against the limits, and sent at once or,
 * while offline, queued in order.
 * @module
 */

import { stringify } from "./binary.js";
import { TurntableError } from "./error.js";

/**
 * @param {string} command
 * @param {any} data
 * @param {any} id
 * @returns {string}
 */
export function encode(command, data, id) {
  return stringify({ command, data: data === undefined ? {} : data, id });
}

/**
 * @typedef {object} Message
 * @property {string} command
 * @property {any} data
 * @property {string} text
 * @property {number | undefined} id
 * @property {boolean} [repeatable] whether executing it twice does no harm
 */

export class Outbox {
  #queue_max;
  #write;
  /** @type {Message[]} */
  #queue = [];

  /** Limits of the server by name; empty if unknown. @type {Record<string, number>} */
  limits = {};

  /**
   * @param {number} queue_max
   * @param {(message: Message) => void} write sends a message now
   */
  constructor(queue_max, write) {
    this.#queue_max = queue_max;
    this.#write = write;
  }

  /** The ids of the queued messages. */
  get ids() {
    return new Set(this.#queue.map(({ id }) => id));
  }

  /**
   * Encodes a message. Throws a TurntableError if it can be neither sent nor
   * queued.
   * @param {string} command
   * @param {any} data
   * @param {number | undefined} id
   * @param {boolean} online
   * @returns {string}
   */
  prepare(command, data, id, online) {
    if (!online && this.#queue.length >= this.#queue_max) {
      const max = this.#queue_max;
      throw new TurntableError("too_many", `the client is offline and its queue is full (${max} of ${max} commands)`, { command, details: { max } });
    }
    const text = encode(command, data, id);
    const max = this.limits.max_message_bytes;
    // The server closes the connection after a message that is too large.
    if (max && text.length * 3 > max && new TextEncoder().encode(text).length > max) {
      throw new TurntableError("too_large", `the message exceeds the server's limit of ${max} bytes`, { command, details: { max } });
    }
    return text;
  }

  /**
   * @param {Message} message
   * @param {boolean} online
   */
  send(message, online) {
    if (online) this.#write(message);
    else this.#queue.push(message);
  }

  /** Sends the queued messages. */
  flush() {
    for (const message of this.#queue.splice(0)) this.#write(message);
  }

  clear() {
    this.#queue = [];
  }
}
