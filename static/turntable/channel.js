/**
 * Channels: paths that messages are published on, and the set of them joined.
 * @module
 */

import { Emitter } from "./emitter.js";
import { plain } from "./room.js";

/** @import { TurntableError } from "./error.js" */
/** @import { Kept } from "./kept.js" */
/** @import { Session } from "./session.js" */

/**
 * @typedef {object} ChannelOptions
 * @property {boolean} [subpaths] messages of the paths below, too
 * @property {{epoch: string, offset: number}} [since] where an earlier subscription stopped
 * @property {number} [history] how many past messages are wished for
 */

/**
 * @typedef {object} ChannelMessage
 * @property {string} channel the path it was published on
 * @property {string} id
 * @property {number} offset
 * @property {string} from
 * @property {number} time Unix ms of the server
 * @property {any} data
 */

/**
 * @typedef {object} ChannelEvents
 * @property {ChannelMessage} message
 * @property {{recovered: boolean}} joined again, after a reconnection
 * @property {{epoch: string, offset: number}} gap messages may have been missed
 *   over a reconnection; where the channel goes on from
 * @property {{error?: TurntableError}} left not by `leave()`
 */

/** @extends {Emitter<ChannelEvents>} */
export class Channel extends Emitter {
  #session;
  #kept;
  #channels;
  /** @type {ChannelOptions} */
  #options = {};
  #epoch = "";
  #offset = 0;
  #recovered = false;
  /** The highest offset that was given on, in this epoch. */
  #seen = -1;

  /** @readonly @type {string} */
  path;
  /** @internal */
  inside = false;
  /** @internal whether what we know is of a session that is gone */
  stale = false;

  /**
   * @internal
   * @param {Channels} channels
   * @param {Session} session
   * @param {Kept} kept
   * @param {string} path
   */
  constructor(channels, session, kept, path) {
    super();
    this.#channels = channels;
    this.#session = session;
    this.#kept = kept;
    this.path = path;
  }

  /** The life of the channel that offsets count in. */
  get epoch() {
    return this.#epoch;
  }

  /** The place of the last message in the channel's order. */
  get offset() {
    return this.#offset;
  }

  /** Whether the last join could prove that nothing was missed. */
  get recovered() {
    return this.#recovered;
  }

  /** Whether messages of the paths below come too. */
  get subpaths() {
    return this.#options.subpaths === true;
  }

  /**
   * @param {any} data
   * @returns {Promise<{id: string, offset: number, epoch: string}>}
   */
  publish(data) {
    return this.#session.ask("publish", { channel: this.path, data: data ?? null });
  }

  /** @returns {Promise<void>} */
  async leave() {
    this.inside = false;
    this.#channels.delete(this);
    await this.#kept.drop(`channel/${this.path}`, "leavechannel", { channel: this.path });
  }

  /**
   * @internal
   * @param {ChannelOptions} options
   * @returns {Promise<this>}
   */
  async enter(options) {
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
      await this.#kept.want(`channel/${this.path}`, "joinchannel", data, refused);
    } catch (error) {
      if (!this.inside) this.#channels.delete(this);
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
    this.inside = true;
    this.stale = false;
    this.#recovered = recovered === true;
    if (epoch !== this.#epoch) this.#seen = -1;
    this.#epoch = epoch;
    // Where it was recovered, what was missed is yet to come and counts up to
    // `offset` by itself: a drop in between must not skip it.
    if (!(again && this.#recovered)) this.#offset = offset;
    if (!again) return;
    this.emit("joined", { recovered: this.#recovered });
    if (!this.#recovered) this.emit("gap", { epoch, offset });
  }

  /**
   * @internal
   * @param {ChannelMessage} message
   */
  got(message) {
    if (message.channel === this.path) {
      const { offset } = message;
      // Given on already, before a reconnection.
      if (offset <= this.#seen) return;
      this.#seen = offset;
      this.#offset = Math.max(this.#offset, offset);
    }
    this.emit("message", message);
  }

  /**
   * @internal
   * @param {TurntableError} [error]
   */
  ended(error) {
    this.inside = false;
    this.#channels.delete(this);
    this.#kept.forget(`channel/${this.path}`);
    this.emit("left", error ? { error } : {});
  }
}

/** The channels that are joined or being joined. */
export class Channels {
  #session;
  #kept;
  /** @type {Map<string, Channel>} */
  #channels = new Map();

  /**
   * @param {Session} session
   * @param {Kept} kept
   */
  constructor(session, kept) {
    this.#session = session;
    this.#kept = kept;
  }

  /**
   * @param {string} path
   * @param {ChannelOptions} options
   * @returns {Promise<Channel>}
   */
  join(path, options) {
    const key = plain(path);
    const channel = this.#channels.get(key) ?? new Channel(this, this.#session, this.#kept, key);
    this.#channels.set(key, channel);
    return channel.enter(options);
  }

  /** @param {Channel} channel */
  delete(channel) {
    if (this.#channels.get(channel.path) === channel) this.#channels.delete(channel.path);
  }

  /** @param {any} data of a `joined` */
  joined(data) {
    const path = plain(data.channel);
    this.#channels.get(path)?.joined(data);
    // The answer may come without the id of the command.
    this.#session.settle((request) => request.command === "joinchannel" && plain(request.data.channel) === path, data);
  }

  /** @param {ChannelMessage} message */
  message(message) {
    let path = String(message?.channel);
    this.#channels.get(path)?.got(message);
    for (let cut = path.lastIndexOf("/"); cut > 0; cut = path.lastIndexOf("/")) {
      path = path.slice(0, cut);
      const above = this.#channels.get(path);
      if (above?.subpaths) above.got(message);
    }
  }

  /** The session is a new one. */
  reset() {
    for (const channel of this.#channels.values()) if (channel.inside) channel.stale = true;
  }

  end() {
    for (const channel of [...this.#channels.values()]) {
      if (channel.inside) channel.ended();
    }
    this.#channels.clear();
  }
}
