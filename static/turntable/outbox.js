/**
 * What the program says on its way out: as text, within the bounds, at once or,
 * while offline, in a queue that keeps the order.
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

export class Outbox {
  #queue_max;
  #write;
  /** @type {{text: string, id: number | undefined}[]} */
  #queue = [];

  /** The largest message that the server takes, in bytes; 0 where unknown. */
  max_message_bytes = 0;

  /**
   * @param {number} queue_max
   * @param {(text: string, id: number | undefined) => void} write sends one now
   */
  constructor(queue_max, write) {
    this.#queue_max = queue_max;
    this.#write = write;
  }

  /** The ids of what is yet to be sent. */
  get ids() {
    return new Set(this.#queue.map(({ id }) => id));
  }

  /**
   * The message as text. Throws a TurntableError where it can neither be sent
   * nor queued.
   * @param {string} command
   * @param {any} data
   * @param {number | undefined} id
   * @param {boolean} online
   * @returns {string}
   */
  take(command, data, id, online) {
    if (!online && this.#queue.length >= this.#queue_max) {
      const max = this.#queue_max;
      throw new TurntableError("too_many", `offline, and ${max} commands are queued already`, { command, details: { max } });
    }
    const text = encode(command, data, id);
    const max = this.max_message_bytes;
    // A server closes the connection over a message that is too large.
    if (max && text.length * 3 > max && new TextEncoder().encode(text).length > max) {
      throw new TurntableError("too_large", `the message is larger than the server's ${max} bytes`, { command, details: { max } });
    }
    return text;
  }

  /**
   * @param {string} text
   * @param {number | undefined} id
   * @param {boolean} online
   */
  put(text, id, online) {
    if (online) this.#write(text, id);
    else this.#queue.push({ text, id });
  }

  /** Sends what was queued. */
  flush() {
    for (const { text, id } of this.#queue.splice(0)) this.#write(text, id);
  }

  clear() {
    this.#queue = [];
  }
}
