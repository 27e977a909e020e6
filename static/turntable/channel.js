/**
 * Channels: paths on which messages are published, and the set of joined channels.
 * @module
 */

import { Emitter } from "./emitter.js";
import { normalizeId } from "./room.js";

/** @import { TurntableError } from "./error.js" */
/** @import { DesiredState } from "./desired_state.js" */
/** @import { Session } from "./session.js" */

/**
 * @typedef {object} ChannelOptions
 * @property {boolean} [subpaths] whether to receive messages of paths below as well
 * @property {{epoch: string, offset: number}} [since] the last position of an earlier subscription
 * @property {number} [history] number of past messages to request
 */

/**
 * @typedef {object} ChannelMessage
 * @property {string} channel the path of the publication
 * @property {string} id
 * @property {number} offset
 * @property {string} [epoch] with the first message of each life of the path, with which
 *   offsets begin again at 1
 * @property {string} from
 * @property {number} time Unix ms of the server's clock
 * @property {any} data
 */

/**
 * @typedef {object} ChannelEvents
 * @property {ChannelMessage} message
 * @property {{recovered: boolean}} joined joined again after a reconnection
 * @property {{epoch: string, offset: number}} gap messages may have been lost during a
 *   reconnection; the position from which the channel continues
 * @property {{error?: TurntableError}} left without `leave()`
 */

/** @extends {Emitter<ChannelEvents>} */
export class Channel extends Emitter {
  #session;
  #desired;
  #channels;
  /** @type {ChannelOptions} */
  #options = {};
  #epoch = "";
  #offset = 0;
  #recovered = false;
  /** The highest offset emitted in this epoch. */
  #emitted = -1;

  /** @readonly @type {string} */
  path;
  /** @internal */
  active = false;
  /** @internal whether the subscription belongs to a lost session */
  stale = false;

  /**
   * @internal
   * @param {Channels} channels
   * @param {Session} session
   * @param {DesiredState} desired
   * @param {string} path
   */
  constructor(channels, session, desired, path) {
    super();
    this.#channels = channels;
    this.#session = session;
    this.#desired = desired;
    this.path = path;
  }

  /** The epoch in which offsets are counted. */
  get epoch() {
    return this.#epoch;
  }

  /** The offset of the last message. */
  get offset() {
    return this.#offset;
  }

  /** Whether the server guaranteed at the last join that no message was missed. */
  get recovered() {
    return this.#recovered;
  }

  /** Whether messages of paths below are received. */
  get subpaths() {
    return this.#options.subpaths === true;
  }

  /**
   * Publishes on this channel's path.
   * @param {any} data
   * @returns {Promise<{id: string, offset: number, epoch: string}>} rejects with a TurntableError
   */
  publish(data) {
    return this.#session.request("publish", { channel: this.path, data: data ?? null });
  }

  /** @returns {Promise<void>} */
  async leave() {
    this.active = false;
    this.#channels.delete(this);
    await this.#desired.remove(`channel/${this.path}`, "leavechannel", { channel: this.path });
  }

  /**
   * @internal
   * @param {ChannelOptions} options
   * @returns {Promise<this>}
   */
  async join(options) {
    this.#options = { ...this.#options, ...options };
    const { since, history } = options;
    const data = (/** @type {boolean} */ again) => ({
      channel: this.path,
      subpaths: this.#options.subpaths,
      since: again ? { epoch: this.#epoch, offset: this.#offset } : since,
      history: again ? undefined : history,
    });
    const refused = (/** @type {TurntableError} */ error) => this.ended(error);
    try {
      await this.#desired.set(`channel/${this.path}`, "joinchannel", data, refused);
    } catch (error) {
      if (!this.active) this.#channels.delete(this);
      throw error;
    }
    return this;
  }

  /**
   * @internal
   * @param {any} data of a `joined`
   */
  joined({ epoch, offset, recovered }) {
    const again = this.stale;
    this.active = true;
    this.stale = false;
    this.#recovered = recovered === true;
    if (epoch !== this.#epoch) this.#emitted = -1;
    this.#epoch = epoch;
    // After a recovery the missed messages follow and advance the offset
    // themselves. Advancing it here would skip them if the connection is lost
    // before they arrive.
    if (!(again && this.#recovered)) this.#offset = offset;
    if (!again) return;
    this.emit("joined", { recovered: this.#recovered });
    if (!this.#recovered) this.emit("gap", { epoch, offset });
  }

  /**
   * @internal
   * @param {ChannelMessage} message
   */
  received(message) {
    if (message.channel === this.path) {
      const { offset } = message;
      // Already emitted before a reconnection.
      if (offset <= this.#emitted) return;
      this.#emitted = offset;
      this.#offset = Math.max(this.#offset, offset);
    }
    this.emit("message", message);
  }

  /**
   * @internal
   * @param {TurntableError} [error]
   */
  ended(error) {
    this.active = false;
    this.#channels.delete(this);
    this.#desired.discard(`channel/${this.path}`);
    this.emit("left", error ? { error } : {});
  }
}

/** Channels that are joined or being joined. */
export class Channels {
  #session;
  #desired;
  /** @type {Map<string, Channel>} */
  #channels = new Map();

  /**
   * @param {Session} session
   * @param {DesiredState} desired
   */
  constructor(session, desired) {
    this.#session = session;
    this.#desired = desired;
  }

  /**
   * @param {string} path
   * @param {ChannelOptions} options
   * @returns {Promise<Channel>}
   */
  join(path, options) {
    const key = normalizeId(path);
    const channel = this.#channels.get(key) ?? new Channel(this, this.#session, this.#desired, key);
    this.#channels.set(key, channel);
    return channel.join(options);
  }

  /** @param {Channel} channel */
  delete(channel) {
    if (this.#channels.get(channel.path) === channel) this.#channels.delete(channel.path);
  }

  /** @param {any} data of a `joined` */
  joined(data) {
    const path = normalizeId(data.channel);
    this.#channels.get(path)?.joined(data);
    // The answer may have no id.
    this.#session.resolveFirst((request) => request.command === "joinchannel" && normalizeId(request.data.channel) === path, data);
  }

  /** @param {ChannelMessage} message */
  message(message) {
    let path = String(message?.channel);
    this.#channels.get(path)?.received(message);
    for (let cut = path.lastIndexOf("/"); cut > 0; cut = path.lastIndexOf("/")) {
      path = path.slice(0, cut);
      const parent = this.#channels.get(path);
      if (parent?.subpaths) parent.received(message);
    }
  }

  /** A new session has started. */
  reset() {
    for (const channel of this.#channels.values()) if (channel.active) channel.stale = true;
  }

  close() {
    for (const channel of [...this.#channels.values()]) {
      if (channel.active) channel.ended();
    }
    this.#channels.clear();
  }
}
