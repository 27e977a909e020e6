/**
 * A channel, a path on which messages are published, as one holder has it: each
 * successful join has an object of its own. They share the subscription and its
 * position (`ChannelState`).
 * @module
 */

import { opaque } from "./binary.js";
import { Emitter } from "./emitter.js";

/** @import { ChannelState } from "./channel_state.js" */
/** @import { TurntableError } from "./error.js" */
/** @import { Session } from "./session.js" */

/**
 * @typedef {object} ChannelOptions
 * @property {boolean} [subpaths] whether to receive messages of paths below as well
 * @property {{epoch: string, offset: number}} [since] the last position of an earlier subscription
 * @property {number} [history] number of past messages to request: they follow the join, and the
 *   rejoin of a new session that cannot get all that was missed
 * @property {AbortSignal} [signal] leaves for this holder when it is aborted, also before the answer
 */

/**
 * @typedef {object} ChannelMessage
 * @property {string} channel the path of the publication
 * @property {string} id
 * @property {number} offset
 * @property {string} [epoch] with the first message of each life of the path, with which
 *   offsets begin again at 1
 * @property {string} [from] without it the operator published
 * @property {number} time Unix ms of the server's clock
 * @property {any} data
 */

/**
 * @typedef {object} ChannelEvents
 * @property {ChannelMessage} message
 * @property {{recovered: boolean}} joined joined again after a reconnection, or for messages that
 *   were missed; `recovered`: every one of them follows
 * @property {{epoch: string, offset: number}} gap messages may have been lost during a
 *   reconnection, by a fault of the server, or because the client reads too slowly. It also comes
 *   where none is known to be missing, as the server refused the request for missed messages.
 *   `epoch` and `offset` are the position from which the channel continues
 * @property {{changes?: Record<string, "joined" | "left">, count: number}} members who joined and
 *   left, where the channel shows its members; without `changes` only their number is known
 * @property {{reason: "removed" | "refused" | "closed", error?: TurntableError}} left
 *   without `leave()`: removed (the session ended to which the server had given the channel by
 *   itself), refused when joining again, or the client was closed
 */

/** @extends {Emitter<ChannelEvents>} */
export class Channel extends Emitter {
  #session;
  #state;
  #release;

  /**
   * @internal
   * @param {Session} session
   * @param {ChannelState} state
   * @param {(channel: Channel) => Promise<void>} release ends this holder's hold
   */
  constructor(session, state, release) {
    super(session.gate);
    this.#session = session;
    this.#state = state;
    this.#release = release;
  }

  /** The channel's path. */
  get path() {
    return this.#state.path;
  }

  /** The epoch in which offsets are counted. */
  get epoch() {
    return this.#state.epoch;
  }

  /** The offset of the last message. */
  get offset() {
    return this.#state.offset;
  }

  /** Whether the server guaranteed at the last join that no message was missed. */
  get recovered() {
    return this.#state.recovered;
  }

  /**
   * The users on the channel, oneself included. Empty where the server does not show them, or has
   * too many and sends their number only.
   * @returns {ReadonlySet<string>}
   */
  get members() {
    return this.#state.members;
  }

  /** The number of users on the channel; undefined where the server does not show it. */
  get count() {
    return this.#state.count;
  }

  /** Whether messages of paths below are received: whether a holder requested them. */
  get subpaths() {
    return this.#state.subpaths;
  }

  /**
   * Publishes on this channel's path.
   * @param {any} data
   * @returns {Promise<{id: string, offset: number, epoch: string}>} rejects with a TurntableError
   */
  async publish(data) {
    return this.#session.request("publish", { channel: this.path, data: opaque(data, "publish") });
  }

  /**
   * Ends this holder's hold, once. The last holder leaves the channel. From then on
   * this object emits nothing.
   * @returns {Promise<void>}
   */
  async leave() {
    await this.#release(this);
  }

  /**
   * @internal the channel is over for this client
   * @param {"removed" | "refused" | "closed"} reason
   * @param {TurntableError} [error]
   */
  ended(reason, error) {
    this.emit("left", error ? { reason, error } : { reason });
    this.mute();
  }
}
