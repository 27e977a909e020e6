/**
 * Outgoing messages: encoded, checked against the server's limits, and sent at
 * once or queued: while offline, as long as the server's rates require (`Pacer`),
 * and while it has not confirmed as much as it takes at once: a server that stalls
 * gets all of that in one burst when it goes on. Desired state (joins, subscriptions, the status) goes before
 * everything else; both keep their order. What cannot be sent any more is
 * reported as dropped at once.
 * @module
 */

import { notJson, opaque, stringify } from "./binary.js";
import { TurntableError } from "./error.js";
import { normalizeId } from "./id.js";
import { Pacer, costOf, costOfMessage, costOfRepeat } from "./pacer.js";

/** @import { Environment } from "./environment.js" */
/** @import { Sent } from "./sent_log.js" */

/**
 * @typedef {object} Message
 * @property {string} command
 * @property {any} data
 * @property {string} text
 * @property {number | undefined} id
 * @property {boolean} [repeatable] whether it is desired state, which may be executed twice
 * @property {number} [expires_ms] maximum time in the queue
 * @property {number} [expires_at] local ms
 * @property {string} [behind] a channel whose queued messages are sent before this one
 * @property {string} [merge] a later message with the same key replaces it while it is queued
 * @property {number} [bytes] of the text
 * @property {Map<string, number>} [cost] what it took of the server's rates
 */

/**
 * @typedef {object} OutboxHooks
 * @property {() => boolean} online whether a message written now can reach the server
 * @property {(message: Message) => void} write sends a message now
 * @property {(entry: Sent) => void} repeat sends a message again
 * @property {(text: string) => number} bytesOf how many bytes a message has in the encoding of the connection
 * @property {() => number} envelope how many bytes the connection adds to a message
 * @property {() => {commands: number, cost: Map<string, number>}} load what the server has not confirmed
 * @property {() => boolean} confirm asks the server to confirm; returns whether it is asked
 * @property {(message: Message, error: TurntableError) => void} dropped a queued message will not be sent
 */

/** Maximum number and bytes of commands that the server has not confirmed, where its rates set no lower limit. */
const UNCONFIRMED_MAX = 1000;
const UNCONFIRMED_BYTES_MAX = 1_048_576;
/** Time until another attempt to ask for a confirmation. */
const ASK_AGAIN_MS = 100;
/** A clock exchange only makes sense now: over its rate it is refused, not queued. */
const CLOCK = "time";

/**
 * Throws a TurntableError if the data has no JSON.
 * @param {string} command
 * @param {any} data
 * @param {any} id
 * @returns {string}
 */
export function encode(command, data, id) {
  const message = { command, data: data === undefined ? {} : opaque(data, command), id };
  try {
    return stringify(message);
  } catch (error) {
    throw notJson(command, error);
  }
}

/**
 * @param {any} data of a message
 * @param {string} channel as `normalizeId` writes it
 */
function isOf(data, channel) {
  return typeof data?.channel === "string" && normalizeId(data.channel) === channel;
}

export class Outbox {
  #queue_max;
  #env;
  #hooks;
  #pacer = new Pacer();
  /** What a lost connection did not deliver, before everything else. @type {Sent[]} */
  #repeats = [];
  /** Desired state that waits for its rate. @type {Message[]} */
  #desired = [];
  /** @type {Message[]} */
  #queue = [];
  /** Local ms before which nothing that is queued expires. */
  #expiry = Infinity;
  /** @type {any} */
  #timer;
  /** Whether a message has to wait for an answer. @type {(message: Message) => boolean} */
  isDeferred = () => false;
  /** Whether commands wait for a confirmation. */
  full = false;

  /** Limits of the server by name; empty if unknown. @type {Record<string, any>} */
  limits = {};

  /**
   * @param {number} queue_max
   * @param {Environment} environment
   * @param {OutboxHooks} hooks
   */
  constructor(queue_max, environment, hooks) {
    this.#queue_max = queue_max;
    this.#env = environment;
    this.#hooks = hooks;
  }

  /** Whether messages are queued. */
  get waiting() {
    return this.#queue.length > 0 || this.#repeats.length > 0;
  }

  /**
   * Removes a message that was not sent.
   * @param {number} id
   * @returns {boolean} whether it was queued
   */
  withdraw(id) {
    for (const lane of [this.#desired, this.#queue]) {
      const index = lane.findIndex((message) => message.id === id);
      if (index < 0) continue;
      lane.splice(index, 1);
      this.#schedule();
      return true;
    }
    return false;
  }

  /** The ids of the queued messages. */
  get ids() {
    return new Set([...this.#desired, ...this.#queue].map(({ id }) => id));
  }

  /**
   * Encodes a message. Throws a TurntableError if it can be neither sent nor
   * queued.
   * @param {string} command
   * @param {any} data
   * @param {number | undefined} id
   * @param {boolean} repeatable desired state has no limit: it replaces its last value
   * @param {string} [merge] the key of a queued message whose place it takes, so that a full queue has room
   * @returns {string}
   */
  prepare(command, data, id, repeatable, merge) {
    const max = this.#queue_max;
    if (!repeatable && command !== CLOCK && this.#queue.length >= max && this.#indexOf(merge) < 0) {
      const waits = this.full ? "the server has not confirmed what was sent" : "the server's rates are exhausted";
      const why = this.#hooks.online() ? waits : "the client is offline";
      throw new TurntableError("too_many", `${why} and the queue is full (${max} of ${max} commands)`, { command, details: { max } });
    }
    const text = encode(command, data, id);
    const error = this.tooLarge(command, text);
    if (error) throw error;
    return text;
  }

  /**
   * Throws a TurntableError if a clock exchange is over its rate.
   * @param {Message} message
   */
  send(message) {
    if (message.command === CLOCK && this.#hooks.online()) {
      if (this.#pass(message)) return;
      throw new TurntableError("rate_limited", "too many clock exchanges", { command: CLOCK });
    }
    const lane = message.repeatable ? this.#desired : this.#queue;
    if (message.merge !== undefined) this.#replace(message.merge);
    if (message.expires_ms !== undefined) {
      message.expires_at = this.#env.local() + message.expires_ms;
      this.#expiry = Math.min(this.#expiry, message.expires_at);
    }
    const after = message.behind === undefined ? -1 : this.#lastOf(message.behind);
    if (after >= 0) {
      this.#queue.splice(after + 1, 0, message);
      return;
    }
    if (lane.length === 0 && this.#hooks.online() && this.#pass(message)) return;
    lane.push(message);
    this.#schedule();
  }

  /**
   * Drops what is queued for a channel.
   * @param {string} channel
   * @param {TurntableError} error
   */
  discard(channel, error) {
    const gone = new Set(this.#queue.filter(({ data }) => isOf(data, channel)));
    this.#queue = this.#queue.filter((message) => !gone.has(message));
    for (const message of gone) this.#hooks.dropped(message, error);
    this.#schedule();
  }

  /**
   * @param {string} channel
   * @returns {number} where the last queued message of a channel is; -1: there is none
   */
  #lastOf(channel) {
    for (let index = this.#queue.length - 1; index >= 0; index -= 1) if (isOf(this.#queue[index]?.data, channel)) return index;
    return -1;
  }

  /**
   * Whether a message would be sent at once.
   * @param {string} command
   * @param {any} data
   * @returns {boolean}
   */
  immediate(command, data) {
    const cost = costOf(command, data, this.#hooks.envelope());
    if (!this.#hooks.online() || this.waiting || this.#pacer.delay(cost, this.#env.local()) > 0) return false;
    if (!this.#exceeds(cost)) return true;
    this.#hooks.confirm();
    return false;
  }

  /**
   * Sends again what a lost connection did not deliver, as fast as the rates allow; the rest follows.
   * @param {readonly Sent[]} entries
   */
  repeat(entries) {
    this.#repeats = [...entries];
    this.#repeat();
    this.#schedule();
  }

  #repeat() {
    while (this.#hooks.online() && this.#repeats[0]) {
      const entry = this.#repeats[0];
      const now = this.#env.local();
      const cost = costOfRepeat(entry, this.#hooks.envelope());
      if (!entry.dropped && (this.#pacer.delay(cost, now) > 0 || this.#exceeds(cost))) return;
      if (!entry.dropped) this.#pacer.take(cost, now);
      if (!entry.written) entry.cost = cost;
      this.#repeats.shift();
      this.#hooks.repeat(entry);
    }
  }

  /** A new session has begun. It has not made the calls of the former one. */
  reset() {
    this.#repeats = [];
    this.full = false;
    this.#queue = this.#queue.filter(({ command }) => command !== "reply");
    this.#pacer.start(this.limits.rates, this.#env.local());
  }

  /** The session continues on another connection, perhaps in another page. */
  resumed() {
    this.#pacer.resume(this.limits.rates, this.#env.local());
  }

  /**
   * The server refused a command for its rate.
   * @param {string | undefined} command
   * @param {number} retry_ms
   */
  limited(command, retry_ms) {
    this.#pacer.limited(command, retry_ms, this.#env.local());
  }

  /** The server has confirmed commands, so others may be sent. */
  confirmed() {
    this.#pacer.confirmed(this.#hooks.load().cost, this.#env.local());
    if (this.full) queueMicrotask(() => this.flush());
  }

  /** Sends what is queued, as far as the rates allow. */
  flush() {
    this.full = false;
    this.#repeat();
    for (const lane of [this.#desired, this.#queue]) {
      while (this.#hooks.online() && lane[0]) {
        const message = lane[0];
        const error = this.#expired(message) ?? this.tooLarge(message.command, message.text);
        if (!error && !this.#pass(message)) break;
        // A listener of what was dropped may have closed the client.
        if (lane[0] === message) lane.shift();
        if (error) this.#hooks.dropped(message, error);
      }
    }
    this.#schedule();
  }

  clear() {
    this.take();
  }

  /** Removes what is queued. @returns {Message[]} in the order in which it would be sent */
  take() {
    const messages = [...this.#desired, ...this.#queue];
    this.#repeats = [];
    this.#desired = [];
    this.#queue = [];
    this.#expiry = Infinity;
    this.#env.clearTimeout(this.#timer);
    return messages;
  }

  /**
   * Sends the message if its rate allows it.
   * @param {Message} message
   * @returns {boolean}
   */
  #pass(message) {
    const now = this.#env.local();
    const cost = costOfMessage(message, this.#hooks.envelope());
    // The server counts commands in their order, so nothing overtakes what is repeated.
    if (this.#repeats.length > 0 && message.command !== CLOCK) return false;
    if (this.#pacer.delay(cost, now) > 0 || this.isDeferred(message)) return false;
    if (message.command !== CLOCK && this.#exceeds(cost)) return false;
    this.#pacer.take(cost, now);
    message.cost = cost;
    this.#hooks.write(message);
    return true;
  }

  /**
   * Whether the server has confirmed too little for another command.
   * @param {Map<string, number>} cost
   */
  #exceeds(cost) {
    const { commands, cost: open } = this.#hooks.load();
    const bytes = (open.get("bytes") ?? 0) + (cost.get("bytes") ?? 0);
    const exceeds = commands > 0 && (commands >= UNCONFIRMED_MAX || bytes > UNCONFIRMED_BYTES_MAX || this.#pacer.exceeds(cost, open));
    this.full ||= exceeds;
    return exceeds;
  }

  /** Runs again when the next message may be sent, or when one expires. */
  #schedule() {
    this.#env.clearTimeout(this.#timer);
    const now = this.#env.local();
    // It may be that of a message that was sent meanwhile: then it is counted anew when it is due.
    if (this.#queue.length === 0) this.#expiry = Infinity;
    const due = this.#expiry === Infinity ? [] : [this.#expiry - now];
    if (this.#hooks.online()) {
      const [first] = this.#repeats;
      const costs = first ? [costOfRepeat(first, this.#hooks.envelope())] : [this.#desired, this.#queue].flatMap(([message]) =>
        message && !this.isDeferred(message) ? [costOfMessage(message, this.#hooks.envelope())] : []);
      for (const cost of costs) {
        // What waits for a confirmation is sent when it comes.
        if (!this.#exceeds(cost)) due.push(this.#pacer.delay(cost, now));
        else if (!this.#hooks.confirm()) due.push(ASK_AGAIN_MS);
      }
    }
    if (due.length === 0) return;
    const ms = Math.max(1, due.reduce((least, one) => Math.min(least, one)));
    this.#timer = this.#env.setTimeout(() => {
      this.#expire();
      this.flush();
    }, ms);
  }

  /** Drops what is stale. */
  #expire() {
    const now = this.#env.local();
    if (now < this.#expiry) return;
    /** @type {Map<Message, TurntableError>} */
    const expired = new Map();
    this.#expiry = Infinity;
    for (const message of this.#queue) {
      const error = this.#expired(message);
      if (error) expired.set(message, error);
      else this.#expiry = Math.min(this.#expiry, message.expires_at ?? Infinity);
    }
    if (expired.size === 0) return;
    this.#queue = this.#queue.filter((message) => !expired.has(message));
    for (const [message, error] of expired) this.#hooks.dropped(message, error);
  }

  /** @param {Message} message */
  #expired({ command, expires_at, expires_ms }) {
    if (expires_at === undefined || this.#env.local() < expires_at) return undefined;
    return new TurntableError("timeout", `not sent within ${expires_ms} ms`, { command });
  }

  /** @param {string} merge the key of a queued message that a later one replaces */
  #replace(merge) {
    const index = this.#indexOf(merge);
    if (index >= 0) this.#queue.splice(index, 1);
  }

  /**
   * @param {string | undefined} merge
   * @returns {number} where the queued message with this key is; -1: there is none
   */
  #indexOf(merge) {
    return merge === undefined ? -1 : this.#queue.findIndex((message) => message.merge === merge);
  }

  /**
   * @param {string} command
   * @param {string} text
   * @returns {TurntableError | undefined}
   */
  tooLarge(command, text) {
    const max = Number(this.limits.max_message_bytes) || 0;
    // The server closes the connection after a message that is too large. No encoding has
    // more than three bytes for a character of JSON.
    if (!max || text.length * 3 <= max || this.#hooks.bytesOf(text) <= max) return undefined;
    return new TurntableError("too_large", `the message exceeds the server's limit of ${max} bytes`, { command, details: { max } });
  }
}
