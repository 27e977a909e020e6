/**
 * The way of commands to the server: counts what is written, confirms it by
 * answers and clock exchanges, and repeats what a lost connection did not
 * deliver.
 * @module
 */

import { SentLog } from "./sent_log.js";

/** @import { Message } from "./outbox.js" */
/** @import { Sent } from "./sent_log.js" */

/** Number of commands after which the server is asked to confirm them. */
const CONFIRM_EVERY = 200;

export class Uplink {
  #connection;
  #confirm;
  /** How many commands were sent before each open clock exchange, by t0. @type {Map<any, number>} */
  #marks = new Map();

  /** @readonly */
  log = new SentLog();

  /**
   * @param {{write: (text: string, entry?: Sent) => void}} connection
   * @param {() => void} confirm performs a clock exchange
   */
  constructor(connection, confirm) {
    this.#connection = connection;
    this.#confirm = confirm;
  }

  /**
   * Sends a command now, and counts it.
   * @param {Message} message
   */
  write({ command, data, text, id, repeatable = false }) {
    const entry = this.log.add(command, text, id, repeatable);
    if (command === "time") this.#marks.set(data?.t0, this.log.count);
    this.#connection.write(text, entry);
    // An answer to `time` confirms what was sent before it.
    if (entry && entry.number % CONFIRM_EVERY === 0) this.#confirm();
  }

  /** @param {any} t0 of an answered clock exchange: the server has taken what was sent before it */
  exchanged(t0) {
    const number = this.#marks.get(t0);
    if (number === undefined) return;
    this.log.taken(number);
    for (const [mark, count] of this.#marks) if (count <= number) this.#marks.delete(mark);
  }

  /**
   * The session was resumed.
   * @param {any} accepted how many commands the server has taken, if it said so
   * @param {boolean} numbered whether the transport numbers the commands, so that the server skips
   *   repeated ones
   */
  resumed(accepted, numbered) {
    this.#marks.clear();
    if (Number.isSafeInteger(accepted)) this.log.accepted(accepted);
    else if (!numbered) this.log.keepRepeatable();
  }

  /**
   * A new session has begun.
   * @returns {(number | undefined)[]} ids of commands of the lost session that were not confirmed
   */
  reset() {
    this.#marks.clear();
    return this.log.reset(true).map(({ id }) => id);
  }

  /** Sends again what the server did not take, in its order. */
  repeat() {
    for (const entry of [...this.log.open]) this.#connection.write(entry.text, entry);
  }
}
