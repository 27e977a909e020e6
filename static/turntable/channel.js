/**
 * Channels: paths on which messages are published, and the set of joined channels.
 * @module
 */

import { Emitter } from "./emitter.js";
import { Holding } from "./holding.js";
import { normalizeId } from "./room.js";

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
 * @property {string} from
 * @property {number} time Unix ms of the server's clock
 * @property {any} data
 */

/**
 * @typedef {object} ChannelEvents
 * @property {ChannelMessage} message
 * @property {{recovered: boolean}} joined joined again after a reconnection; `recovered`: every
 *   message that was missed follows
 * @property {{epoch: string, offset: number}} gap messages may have been lost during a
 *   reconnection or by a fault of the server; the position from which the channel continues
 * @property {{changes?: Record<string, "joined" | "left">, count: number}} members who joined and
 *   left, where the channel shows its members; without `changes` only their number is known
 * @property {{error?: TurntableError}} left without `leave()`
 */

/** @extends {Emitter<ChannelEvents>} */
export class Channel extends Emitter {
  #session;
  #holding;
  #subpaths = false;
  #epoch = "";
  #offset = 0;
  #recovered = false;
  /** The highest offset emitted in this epoch. */
  #emitted = -1;
  /** The most past messages that a holder requested. */
  #history = 0;
  /** The position that the first join asked for. @type {ChannelOptions["since"]} */
  #since;
  /** The users on the channel. @type {Set<string>} */
  #members = new Set();
  /** How many they are; undefined where the server does not show it. @type {number | undefined} */
  #count;
  /** Whether past messages arrive: those up to `#offset` are not all here yet. */
  #catching_up = false;

  /** @readonly @type {string} */
  path;
  /** @internal */
  active = false;
  /** @internal whether the subscription belongs to a lost session */
  stale = false;

  /**
   * @internal
   * @param {Holding} holding
   * @param {Session} session
   * @param {string} path
   */
  constructor(holding, session, path) {
    super(session.gate);
    this.#holding = holding;
    this.#session = session;
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

  /**
   * The users on the channel, oneself included. Empty where the server does not show them, or has
   * too many and sends their number only.
   * @returns {ReadonlySet<string>}
   */
  get members() {
    return this.#members;
  }

  /** The number of users on the channel; undefined where the server does not show it. */
  get count() {
    return this.#count;
  }

  /** Whether messages of paths below are received: whether a holder requested them. */
  get subpaths() {
    return this.#subpaths;
  }

  /**
   * Publishes on this channel's path.
   * @param {any} data
   * @returns {Promise<{id: string, offset: number, epoch: string}>} rejects with a TurntableError
   */
  publish(data) {
    return this.#session.request("publish", { channel: this.path, data: data ?? null });
  }

  /**
   * One holder less: each successful `channel` is one, and the last one leaves.
   * From then on this object emits nothing.
   * @returns {Promise<void>}
   */
  async leave() {
    if (this.active) await this.#holding.release();
  }

  /** @internal the last holder has left */
  retire() {
    this.active = false;
    this.mute();
  }

  /**
   * @internal
   * @param {ChannelOptions} options
   * @param {boolean} again whether the channel is joined again in a new session
   * @returns {Record<string, any>} the data of `joinchannel`
   */
  joinData({ subpaths, since, history }, again) {
    if (!again) this.#since = since;
    const offset = this.#catching_up ? this.#emitted : this.#offset;
    return {
      channel: this.path,
      // The server has one subscription: what one holder requested must not end for it.
      subpaths: subpaths || this.#subpaths || undefined,
      since: again ? { epoch: this.#epoch, offset } : since,
      history: again ? this.#history || undefined : history,
    };
  }

  /**
   * @internal
   * @param {ChannelOptions} options of a join that succeeded
   * @returns {this}
   */
  acquired({ subpaths, history }) {
    this.#subpaths ||= subpaths === true;
    this.#history = Math.max(this.#history, history ?? 0);
    return this;
  }

  /**
   * @internal
   * @param {any} data of a `joined`
   */
  joined({ epoch, offset, recovered, members }) {
    const again = this.stale;
    const first = !this.active;
    // The server lost the channel to a fault and began it anew.
    const replaced = !first && !again && epoch !== this.#epoch;
    this.active = true;
    this.stale = false;
    this.#recovered = recovered === true;
    this.#membersAre(members);
    if (epoch !== this.#epoch) this.#emitted = -1;
    this.#epoch = epoch;
    // After a recovery the missed messages follow and advance the offset
    // themselves. Advancing it here would skip them if the connection is lost
    // before they arrive.
    const since = this.#since;
    if (first && this.#recovered && since && since.epoch === epoch) this.#offset = since.offset;
    else if (!(again && this.#recovered)) this.#offset = offset;
    this.#catching_up = false;
    if (!again && !replaced) return;
    this.emit("joined", { recovered: this.#recovered });
    if (!this.#recovered) this.emit("gap", { epoch, offset });
  }

  /**
   * @param {any} members of a `joined`: states by user, or their number, or nothing
   */
  #membersAre(members) {
    const counted = typeof members === "number";
    this.#members = new Set(counted ? [] : Object.keys(members ?? {}));
    this.#count = counted ? members : members && this.#members.size;
  }

  /**
   * @internal
   * @param {any} members of a `memberchange`: changes by user, or the number of members
   */
  membersChanged(members) {
    if (!this.active) return;
    if (typeof members === "number") {
      this.#membersAre(members);
      this.emit("members", { count: members });
      return;
    }
    const changes = members ?? {};
    // Behind a number all members follow; none is known then.
    for (const [user, change] of Object.entries(changes)) {
      if (change === "left") this.#members.delete(user);
      else this.#members.add(user);
    }
    this.#count = this.#members.size;
    this.emit("members", { changes, count: this.#count });
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
      this.#catching_up = offset < this.#offset;
      this.#offset = Math.max(this.#offset, offset);
    }
    this.emit("message", message);
  }

  /**
   * @internal
   * @param {TurntableError} [error]
   */
  ended(error) {
    if (!this.active) return;
    this.active = false;
    this.emit("left", error ? { error } : {});
    this.mute();
  }
}

/** @typedef {{holding: Holding, channel: Channel}} Subscription */

/** Channels that are joined or being joined. */
export class Channels {
  #session;
  /** @type {Map<string, Subscription>} */
  #subscriptions = new Map();

  /** @param {Session} session */
  constructor(session) {
    this.#session = session;
    session.holdBack(({ command, data }) => command === "publish" && this.#joins(String(data?.channel)));
  }

  /**
   * Whether a join with subpaths that covers the path is not answered yet. The
   * server makes it known to all owners of paths first, so a publish behind it
   * would overtake it and not reach its sender.
   * @param {string} channel
   */
  #joins(channel) {
    for (let path = normalizeId(channel), cut = 1; cut > 0; path = path.slice(0, cut)) {
      const subscription = this.#subscriptions.get(path);
      const { channel: joined, holding } = subscription ?? {};
      if (holding?.joining && (joined?.subpaths || holding.requested.some(({ subpaths }) => subpaths))) return true;
      cut = path.lastIndexOf("/");
    }
    return false;
  }

  /**
   * @param {string} path
   * @param {ChannelOptions} options
   * @returns {Promise<Channel>} rejects with the outcome of this join, whatever other joins of the
   *   channel get
   */
  join(path, options) {
    const key = normalizeId(path);
    return (this.#subscriptions.get(key) ?? this.#add(key)).holding.acquire(options);
  }

  /**
   * @param {string} key
   * @returns {Subscription}
   */
  #add(key) {
    const holding = new Holding(this.#session, {
      join: "joinchannel",
      leave: "leavechannel",
      place: { channel: key },
      data: (options, again) => subscription.channel.joinData(options, again),
      acquired: (options) => subscription.channel.acquired(options),
      released: () => this.#renew(subscription),
      unused: () => {
        if (this.#subscriptions.get(key) === subscription) this.#subscriptions.delete(key);
      },
      refused: (error) => {
        holding.ended();
        subscription.channel.ended(error);
        this.#renew(subscription);
      },
    });
    const subscription = { holding, channel: new Channel(holding, this.#session, key) };
    this.#subscriptions.set(key, subscription);
    return subscription;
  }

  /**
   * The channel object ends with its last holder; a later join gets a new one.
   * @param {Subscription} subscription
   */
  #renew(subscription) {
    subscription.channel.retire();
    subscription.channel = new Channel(subscription.holding, this.#session, subscription.channel.path);
  }

  /**
   * @param {any} data of a `joined`
   * @param {any} id of the request, whose caller has its answer already
   */
  joined(data, id) {
    const path = normalizeId(data.channel);
    this.#subscriptions.get(path)?.channel.joined(data);
    if (id === undefined) this.#session.resolveFirst((request) => request.command === "joinchannel" && normalizeId(request.data.channel) === path, data);
  }

  /** @param {any} data of a `memberchange` */
  memberChange(data) {
    this.#subscriptions.get(normalizeId(String(data?.channel)))?.channel.membersChanged(data.members);
  }

  /** @param {ChannelMessage} message */
  message(message) {
    let path = String(message?.channel);
    this.#received(path, message, false);
    for (let cut = path.lastIndexOf("/"); cut > 0; cut = path.lastIndexOf("/")) {
      path = path.slice(0, cut);
      this.#received(path, message, true);
    }
  }

  /**
   * @param {string} path
   * @param {ChannelMessage} message
   * @param {boolean} below whether the message is of a path below
   */
  #received(path, message, below) {
    const channel = this.#subscriptions.get(path)?.channel;
    if (channel && (!below || channel.subpaths)) channel.received(message);
  }

  /** A new session has started. */
  reset() {
    for (const { channel } of this.#subscriptions.values()) if (channel.active) channel.stale = true;
  }

  /** @param {boolean} resumed */
  restore(resumed) {
    for (const { holding } of [...this.#subscriptions.values()]) holding.restore(resumed);
  }

  /** @param {TurntableError} error */
  close(error) {
    const subscriptions = [...this.#subscriptions.values()];
    this.#subscriptions.clear();
    for (const { holding, channel } of subscriptions) {
      holding.close(error);
      channel.ended();
    }
  }
}
