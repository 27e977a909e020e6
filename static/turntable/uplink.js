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
const CONFIRM_EVERY = 64;

export class Uplink {
  #connection;
  #confirm;
  #now;
  /** How many commands were sent before each open clock exchange, by t0. @type {Map<any, number>} */
  #marks = new Map();

  /** @readonly */
  log = new SentLog();

  /**
   * @param {{write: (text: string, entry?: Sent) => void}} connection
   * @param {() => void} confirm performs a clock exchange
   * @param {() => number} now local ms
   */
  constructor(connection, confirm, now) {
    this.#connection = connection;
    this.#confirm = confirm;
    this.#now = now;
  }

  /**
   * Sends a command now, and counts it.
   * @param {Message} message
   */
  write(message) {
    const { command, data, text, id, repeatable = false } = message;
    const entry = this.log.add(command, text, id, repeatable, message);
    if (entry) this.log.write(entry, this.#now());
    else if (command === "time") this.#marks.set(data?.t0, this.log.written);
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

  /** Asks the server to confirm what was sent, unless it is asked. @returns {boolean} whether it is */
  confirm() {
    const { written } = this.log;
    const asked = () => [...this.#marks.values()].includes(written);
    if (!asked()) this.#confirm();
    return asked();
  }

  /** The server refused a clock exchange: none confirms anything. */
  forget() {
    this.#marks.clear();
  }

  /**
   * The session was resumed.
   * @param {any} accepted how many commands the server has taken, if it said so
   * @param {boolean} numbered whether the transport numbers the commands, so that the server skips
   *   repeated ones
   */
  resumed(accepted, numbered) {
    this.#marks.clear();
    this.log.unwrite();
    if (Number.isSafeInteger(accepted)) this.log.accepted(accepted);
    else if (!numbered) this.log.keepRepeatable();
  }

  /**
   * The server says what it has taken, while this connection goes on.
   * @param {number} count of commands of the session
   */
  accepted(count) {
    // Where other numbers were assumed, open exchanges stand for other commands.
    if (!this.log.accepted(count)) this.#marks.clear();
  }

  /**
   * A new session has begun.
   * @returns {(number | undefined)[]} ids of commands of the lost session that were not confirmed
   */
  reset() {
    this.#marks.clear();
    return this.log.reset(true).flatMap(({ id, seen }) => (seen ? [] : [id]));
  }

  /**
   * Removes what is stale. What the server may have keeps its number, and is blank from now on: without it the
   * numbers of those behind it would be wrong.
   * @param {number} now
   * @param {boolean} exact whether the server said what it has taken, so that it has none of these
   * @returns {{expired: Sent[], merged: Sent[]}} what became stale now
   */
  prune(now, exact) {
    const { open } = this.log;
    if (!open.some(({ merge, expires_at }) => merge !== undefined || expires_at !== undefined)) return { expired: [], merged: [] };
    const last = new Map(open.map((entry) => [entry.merge, entry]));
    const merged = open.filter((entry) => entry.merge !== undefined && last.get(entry.merge) !== entry);
    const expired = open.filter((entry) => !merged.includes(entry) && entry.expires_at !== undefined && now >= entry.expires_at);
    const known = new Set([...merged, ...expired].filter(({ blank }) => blank));
    const gone = [...merged, ...expired].filter(({ sent }) => exact || !sent);
    for (const entry of gone) entry.dropped = true;
    this.discard(gone);
    this.log.blank([...merged, ...expired].filter(({ dropped }) => !dropped));
    return { expired: expired.filter((entry) => !known.has(entry)), merged: merged.filter((entry) => !known.has(entry)) };
  }

  /**
   * Removes commands that the server does not count. Those behind them get lower numbers, and so do the
   * commands that open clock exchanges confirm: each stands for the same commands as before.
   * @param {readonly (Sent | undefined)[]} entries
   * @param {boolean} [sure] whether the server has none of them for certain
   */
  discard(entries, sure = true) {
    const numbers = this.log.open.flatMap((entry) => (entries.includes(entry) ? [entry.number] : []));
    for (const [t0, count] of this.#marks) this.#marks.set(t0, count - numbers.filter((number) => number <= count).length);
    this.log.discard(entries, sure);
  }

  /**
   * Sends a command again, unless it was confirmed or removed meanwhile.
   * @param {Sent} entry
   */
  repeat(entry) {
    const [oldest] = this.log.open;
    if (entry.dropped || !oldest || oldest.number > entry.number) return;
    this.log.write(entry, this.#now());
    this.#connection.write(entry.text, entry);
  }
}
