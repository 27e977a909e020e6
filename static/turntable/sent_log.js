/**
 * Commands that were sent in this session and that the server has not confirmed.
 * Both sides count them, beginning with 1 behind the session's first `welcome`;
 * `time`, `resume` and `bye` do not count (docs/protocol.md, Repeating commands).
 * After a reconnection exactly those behind `accepted` are sent again. No
 * timers, no network.
 * @module
 */

/**
 * @typedef {object} Sent
 * @property {string} text
 * @property {number | undefined} id
 * @property {boolean} repeatable whether executing it twice does no harm
 * @property {number} number
 * @property {() => boolean} numbered whether `number` is that of the server
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

  /** The commands without confirmation, in order. @returns {readonly Sent[]} */
  get open() {
    return this.#entries;
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
   * @returns {Sent | undefined} undefined if the command does not count
   */
  add(command, text, id, repeatable) {
    if (UNCOUNTED.has(command)) return undefined;
    this.#count += 1;
    const entry = { text, id, repeatable, number: this.#count, numbered: () => this.#known };
    this.#entries.push(entry);
    return entry;
  }

  /** @param {number} number the server has taken the commands up to this one */
  taken(number) {
    let count = 0;
    while (count < this.#entries.length && /** @type {Sent} */ (this.#entries[count]).number <= number) count += 1;
    this.#entries.splice(0, count);
  }

  /** @param {any} id of a command that was answered; the server took it and all before it */
  answered(id) {
    const entry = this.#entries.find((one) => one.id === id);
    if (entry) this.taken(entry.number);
  }

  /** @param {number} count how many commands of the session the server has taken */
  accepted(count) {
    if (this.#known) this.taken(count);
    this.#known = true;
    this.#renumber(count);
  }

  /** @param {readonly (Sent | undefined)[]} entries the server refused them unread, and does not count them */
  discard(entries) {
    const [oldest] = this.#entries;
    const before = oldest ? oldest.number - 1 : this.#count;
    this.#entries = this.#entries.filter((entry) => !entries.includes(entry));
    this.#renumber(before);
  }

  /** Keeps what may be executed twice; for a server that does not report `accepted`. */
  keepRepeatable() {
    this.#entries = this.#entries.filter(({ repeatable }) => repeatable);
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
    return lost;
  }

  /** @param {number} before the number before that of the first command */
  #renumber(before) {
    for (const [index, entry] of this.#entries.entries()) entry.number = before + index + 1;
    this.#count = before + this.#entries.length;
  }
}
