/**
 * The subscription of one channel for all of its holders: the position up to which
 * messages were emitted. No network, no events.
 * @module
 */

/** @import { ChannelMessage, ChannelOptions } from "./channel.js" */

/** Messages that are remembered. */
const IDS_MAX = 1000;
/** Messages that wait for those that were missed before them. What comes behind these is in the gap. */
const DEFERRED_MAX = 1000;
/** What was missed is requested once in so many ms: a client that is too slow gets more by it. */
const ASK_MS = 10_000;

export class ChannelState {
  /** @readonly @type {string} */
  path;
  /** Whether messages of paths below are received: whether a holder requested them. */
  subpaths = false;
  /** The epoch in which offsets are counted. */
  epoch = "";
  /** The offset of the last message. */
  offset = 0;
  /** Whether the server guaranteed at the last join that no message was missed. */
  recovered = false;
  /** The users on the channel. @type {Set<string>} */
  members = new Set();
  /** How many they are; undefined where the server does not show it. @type {number | undefined} */
  count;
  /** Whether the channel is joined. */
  active = false;
  /** Whether the subscription belongs to a lost session. */
  stale = false;
  /** The highest offset emitted in this epoch. */
  #emitted = -1;
  /** Ids of the last messages, which a rejoin with `history` may bring again. @type {Set<string>} */
  #ids = new Set();
  /** The most past messages that a holder requested. */
  #history = 0;
  /** The position that the first join requested. @type {ChannelOptions["since"]} */
  #since;
  /** Whether past messages arrive: those up to `offset` are not all here yet. */
  #catching_up = false;
  /** How many past messages the last join of a holder requested. */
  #requested = 0;
  /**
   * Before the past messages that a join requested, until the first message arrives: a
   * connection that is lost in between must not lose them.
   * @type {number | undefined}
   */
  #before;
  /** What came behind missed messages that a join again brings. @type {ChannelMessage[] | undefined} */
  #deferred;
  /** When missed messages were requested, in ms. */
  #asked_ms = -Infinity;
  /** The offset of the last `joined`: later messages of the path with lower ones are past. */
  #joined_at = 0;

  /** @param {string} path */
  constructor(path) {
    this.path = path;
  }

  /**
   * @param {ChannelMessage} message
   * @returns {boolean} whether messages of the path itself are missing before it
   */
  misses({ channel, offset, epoch }) {
    if (channel !== this.path || !this.active || this.stale || epoch !== undefined) return false;
    return offset > this.offset + 1;
  }

  /**
   * How long until missed messages may be requested again.
   * @param {number} now_ms
   * @returns {number} in ms; 0: now
   */
  askable_in_ms(now_ms) {
    return Math.max(0, this.#asked_ms + ASK_MS - now_ms);
  }

  /**
   * Missed messages are requested, by a join again from the position of now. Until it is
   * answered messages wait.
   * @param {number} now_ms
   */
  ask(now_ms) {
    this.#asked_ms = now_ms;
    this.#deferred = [];
    this.stale = true;
  }

  /** Whether messages wait for the answer. */
  get defers() {
    return this.#deferred !== undefined;
  }

  /**
   * They cannot be requested: the subscription is as before.
   * @returns {ChannelMessage[]} what waited
   */
  withdraw() {
    this.stale = false;
    return this.release(false);
  }

  /**
   * The channel was joined again.
   * @param {boolean} recovered whether all that was missed follows, and what waited too
   * @returns {ChannelMessage[]} what waited and does not come again, the first DEFERRED_MAX of it
   */
  release(recovered) {
    const deferred = this.#deferred ?? [];
    this.#deferred = undefined;
    return recovered ? [] : deferred;
  }

  /**
   * The data of `joinchannel`.
   * @param {ChannelOptions} options
   * @param {boolean} again whether the channel is joined again in a new session
   * @returns {Record<string, any>}
   */
  joinData({ subpaths, since, history }, again) {
    if (!again) {
      this.#since = since;
      this.#requested = history ?? 0;
    }
    const offset = this.#catching_up ? this.#emitted : (this.#before ?? this.offset);
    return {
      channel: this.path,
      // The server has one subscription: what one holder requested must not end for it.
      subpaths: subpaths || this.subpaths || undefined,
      since: again ? { epoch: this.epoch, offset } : since,
      history: again ? this.#history || undefined : history,
    };
  }

  /** @param {ChannelOptions} options of a join that succeeded */
  acquired({ subpaths, history }) {
    this.subpaths ||= subpaths === true;
    this.#history = Math.max(this.#history, history ?? 0);
  }

  /**
   * @param {any} data of a `joined`
   * @returns {boolean} whether the channel was joined again in a new session, or began anew
   */
  joined({ epoch, offset, recovered, members }) {
    const again = this.stale;
    const first = !this.active;
    // The server lost the channel to a fault and began it anew.
    const replaced = !first && !again && epoch !== this.epoch;
    this.active = true;
    this.stale = false;
    this.recovered = recovered === true;
    this.#membersAre(members);
    if (epoch !== this.epoch) this.#emitted = -1;
    this.epoch = epoch;
    // After a recovery the missed messages follow and advance the offset
    // themselves. Advancing it here would skip them if the connection is lost
    // before they arrive.
    const since = this.#since;
    if (first && this.recovered && since && since.epoch === epoch) this.offset = since.offset;
    else if (!(again && this.recovered)) this.offset = offset;
    this.#catching_up = false;
    this.#joined_at = offset;
    const requested = again ? this.#history : this.#requested;
    if (replaced || offset === 0) this.#before = undefined;
    else if (!this.recovered && requested > 0) this.#before = Math.max(0, this.#emitted, offset - requested);
    return again || replaced;
  }

  /**
   * @param {any} members of a `joined`: states by user, or their number, or nothing
   */
  #membersAre(members) {
    const counted = typeof members === "number";
    this.members = new Set(counted ? [] : Object.keys(members ?? {}));
    this.count = counted ? members : members && this.members.size;
  }

  /**
   * @param {any} members of a `memberchange`: changes by user, or the number of members
   * @returns {{changes?: Record<string, "joined" | "left">, count: number}}
   */
  membersChanged(members) {
    if (typeof members === "number") {
      this.#membersAre(members);
      return { count: members };
    }
    const changes = members ?? {};
    // Behind a number all members follow; none is known then.
    for (const [user, change] of Object.entries(changes)) {
      if (change === "left") this.members.delete(user);
      else this.members.add(user);
    }
    this.count = this.members.size;
    return { changes, count: this.count };
  }

  /**
   * @param {ChannelMessage} message
   * @returns {boolean} false if it was emitted before a reconnection, or waits
   */
  received(message) {
    const { channel, offset, id } = message;
    if (channel !== this.path) return this.#isNew(id);
    if (this.#deferred) {
      if (this.#deferred.length < DEFERRED_MAX) this.#deferred.push(message);
      return false;
    }
    if (offset <= this.#emitted) return false;
    this.#before = undefined;
    this.#emitted = offset;
    this.#catching_up = offset < this.offset;
    this.offset = Math.max(this.offset, offset);
    // After a fault of the server the past is numbered in another epoch.
    return this.#isNew(id);
  }

  /**
   * @param {string} id of a message
   * @returns {boolean} false if it was emitted before
   */
  #isNew(id) {
    if (this.#history === 0) return true;
    if (this.#ids.has(id)) return false;
    this.#ids.add(id);
    for (const oldest of this.#ids) {
      if (this.#ids.size <= IDS_MAX) break;
      this.#ids.delete(oldest);
    }
    return true;
  }

  /**
   * @param {ChannelMessage} message of this path
   * @returns {boolean} whether it was published before the channel was joined
   */
  isPast({ offset }) {
    return this.active && !this.stale && offset <= this.#joined_at;
  }
}
