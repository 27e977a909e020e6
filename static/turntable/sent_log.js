/**
 * Commands that were sent in this session and that the server has not confirmed.
 * Both sides count them, beginning with 1 behind the session's first `welcome`;
 * `idme`, `time`, `resume` and `bye` do not count (docs/protocol.md, Repeating commands).
 * After a reconnection exactly those behind `accepted` are sent again. No
 * timers, no network.
 * @module
 */

import { costOfMessage, costOfRepeat } from "./pacer.js";

/**
 * @typedef {object} Sent
 * @property {string} text
 * @property {number | undefined} id
 * @property {boolean} repeatable whether executing it twice does no harm
 * @property {number} number
 * @property {() => boolean} numbered whether `number` is that of the server
 * @property {string} command
 * @property {any} data
 * @property {boolean} [written] whether it was handed to this connection
 * @property {number} [written_at] local ms
 * @property {boolean} [sent] whether a frame or request contained it, so that the server may have it
 * @property {boolean} [blank] it is stale: what is repeated is only its number
 * @property {boolean} [dropped] it was removed unsent
 * @property {number} [bytes] of the text
 * @property {Map<string, number>} [cost] what it takes of the server's rates
 * @property {boolean} [seen] whether the server's messages show that it took the command
 * @property {number} [expires_at] local ms
 * @property {number} [expires_ms]
 * @property {string} [merge] a later command with the same key replaces it
 * @property {boolean} [answered] whether a message of the server answered it, so that another answer is a repetition
 * @property {number} [bounces] connections on which no answer to it was the server's
 */

const UNCOUNTED = new Set(["idme", "resume", "time", "bye"]);

export class SentLog {
  /** @type {Sent[]} */
  #entries = [];
  /** The number of the last command. */
  #count = 0;
  /** Whether the numbers are the server's. An earlier page may have sent more than it has stored. */
  #known = true;
  /** The index behind the last entry that was seen. */
  #unseen = 0;
  /** What this connection has of them. @type {{commands: number, cost: Map<string, number>}} */
  #load = { commands: 0, cost: new Map() };

  /** The commands without confirmation, in order. @returns {readonly Sent[]} */
  get open() {
    return this.#entries;
  }

  /**
   * What the server has not confirmed of what this connection has. It is counted as it changes: each command, each
   * answer and each timer reads it.
   * @returns {{commands: number, cost: Map<string, number>}} cost: tokens by class
   */
  get load() {
    return this.#load;
  }

  /** The number up to which the commands were sent on this connection; those behind wait to be repeated. */
  get written() {
    const next = this.#entries.find(({ written }) => !written);
    return next ? next.number - 1 : this.#count;
  }

  /** The number of the last command. */
  get count() {
    return this.#count;
  }

  /**
   * @param {string} command
   * @param {string} text
   * @param {number | undefined} id
   * @param {boolean} repeatable
   * @param {{data?: any, expires_at?: number, expires_ms?: number, merge?: string, bytes?: number, cost?: Map<string, number>}} [more]
   * @returns {Sent | undefined} undefined if the command does not count
   */
  add(command, text, id, repeatable, { data, expires_at, expires_ms, merge, bytes, cost } = {}) {
    if (UNCOUNTED.has(command)) return undefined;
    this.#count += 1;
    /** @type {Sent} */
    const entry = { command, data, text, id, repeatable, expires_at, expires_ms, merge, bytes, cost, number: this.#count, numbered: () => this.#known };
    this.#entries.push(entry);
    return entry;
  }

  /** Local ms since when the oldest command waits for a sign that it has arrived. @returns {number | undefined} */
  get waiting_since() {
    // The server takes commands in their order. Each command reads it, so it is not searched.
    const next = this.#entries[this.#unseen];
    return next?.written ? next.written_at : undefined;
  }

  /**
   * @param {Sent} entry of the log, which this connection has from now on
   * @param {number} [now] local ms
   */
  write(entry, now) {
    if (entry.written) return;
    entry.written = true;
    entry.written_at = now;
    this.#charge(entry, 1);
  }

  /** The next connection has none of them. */
  unwrite() {
    for (const entry of this.#entries) entry.written = false;
    this.#recount();
  }

  /** @param {readonly Sent[]} entries only their numbers are repeated from now on */
  blank(entries) {
    for (const entry of entries) {
      entry.blank = true;
      entry.cost = costOfRepeat(entry);
    }
    this.#recount();
  }

  /** @param {number} number the server has taken the commands up to this one */
  taken(number) {
    let count = 0;
    while (count < this.#entries.length && /** @type {Sent} */ (this.#entries[count]).number <= number) count += 1;
    for (const entry of this.#entries.splice(0, count)) if (entry.written) this.#charge(entry, -1);
    this.#unseen = Math.max(0, this.#unseen - count);
  }

  /** @param {any} id of a command that was answered; the server took it and all before it. Without one nothing is known */
  answered(id) {
    if (id === undefined) return;
    const entry = this.#entries.find((one) => one.id === id);
    if (!entry) return;
    entry.answered = true;
    this.taken(entry.number);
  }

  /**
   * A command was refused.
   * @param {string | undefined} command
   * @param {any} id without one it is the oldest of this name, about
   */
  refused(command, id) {
    this.answered(id);
    if (id !== undefined) return;
    const entry = this.#entries.find((one) => one.id === undefined && one.command === command && !one.answered);
    if (entry) entry.answered = true;
  }

  /**
   * Own actions arrived in a broadcast, so the server took the command. It is not confirmed thereby: another
   * session of the user may have sent equal actions.
   * @param {string} channel
   * @param {any} data of an action
   */
  seen(channel, data) {
    const text = JSON.stringify(data);
    const index = this.#entries.findIndex((one) => one.command === "game" && !one.seen && one.data?.channel === channel
      && one.data.actions.some((/** @type {any} */ action) => JSON.stringify(action.data) === text));
    const entry = this.#entries[index];
    if (!entry) return;
    entry.seen = true;
    this.#unseen = Math.max(this.#unseen, index + 1);
  }

  /**
   * @param {number} count how many commands of the session the server has taken
   * @returns {boolean} whether the numbers of the others are what they were
   */
  accepted(count) {
    if (this.#known) this.taken(count);
    this.#known = true;
    const last = this.#count;
    this.#renumber(count);
    return this.#count === last;
  }

  /**
   * @param {readonly (Sent | undefined)[]} entries the server refused them unread, and does not count them
   * @param {boolean} [sure] false: something else has refused them, so the server may have taken an earlier
   *   copy, and its numbers are not known until it says them
   */
  discard(entries, sure = true) {
    const [oldest] = this.#entries;
    const before = oldest ? oldest.number - 1 : this.#count;
    this.#entries = this.#entries.filter((entry) => !entries.includes(entry));
    this.#recount();
    this.#renumber(before);
    if (!sure) this.#known = false;
  }

  /** Keeps what may be executed twice; for a server that does not report `accepted`. */
  keepRepeatable() {
    this.#entries = this.#entries.filter(({ repeatable }) => repeatable);
    this.#recount();
    this.#renumber(this.#count - this.#entries.length);
  }

  /**
   * @param {boolean} known whether the session is new, so that nothing was counted
   * @returns {readonly Sent[]} the commands of the lost session
   */
  reset(known) {
    const lost = this.#entries;
    this.#entries = [];
    this.#count = 0;
    this.#known = known;
    this.#recount();
    return lost;
  }

  /**
   * @param {Sent} entry
   * @param {1 | -1} sign
   */
  #charge(entry, sign) {
    const { cost } = this.#load;
    entry.cost ??= costOfMessage(entry, 0);
    this.#load.commands += sign;
    for (const [name, count] of entry.cost) cost.set(name, (cost.get(name) ?? 0) + sign * count);
  }

  #recount() {
    this.#load = { commands: 0, cost: new Map() };
    this.#unseen = 0;
    for (const [index, entry] of this.#entries.entries()) {
      if (entry.written) this.#charge(entry, 1);
      if (entry.seen) this.#unseen = index + 1;
    }
  }

  /** @param {number} before the number before that of the first command */
  #renumber(before) {
    for (const [index, entry] of this.#entries.entries()) entry.number = before + index + 1;
    this.#count = before + this.#entries.length;
  }
}
