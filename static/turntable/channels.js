/**
 * The channels that are joined or being joined: one subscription per path, which
 * several holders share.
 * @module
 */

import { Channel } from "./channel.js";
import { ChannelChecks } from "./channel_checks.js";
import { ChannelState } from "./channel_state.js";
import { TurntableError } from "./error.js";
import { Holding } from "./holding.js";
import { normalizeId, wrongId } from "./id.js";

/** @import { ChannelMessage, ChannelOptions } from "./channel.js" */
/** @import { Session } from "./session.js" */

/**
 * @typedef {object} Subscription
 * @property {Holding<Channel>} holding
 * @property {ChannelState} state
 * @property {Channel} [given] the holder without a join: the server subscribed the user by itself
 * @property {any} [offered] a `joined` of the server's own while the join of a new session is not answered
 */

/**
 * @typedef {object} ChannelsHooks
 * @property {() => boolean} listening whether somebody wants the channels to which the server subscribes the user
 * @property {(channel: Channel) => void} given the server subscribed the user by itself
 */

export class Channels {
  #session;
  #hooks;
  /** @type {Map<string, Subscription>} */
  #subscriptions = new Map();
  #checks;

  /**
   * @param {Session} session
   * @param {ChannelsHooks} hooks
   */
  constructor(session, hooks) {
    this.#session = session;
    this.#hooks = hooks;
    this.#checks = new ChannelChecks(session, (subscription) => this.#missed(subscription, subscription.state.offset));
    session.deferBy(({ command, data }) => command === "publish" && this.#joins(String(data?.channel)));
  }

  /**
   * Whether a join with subpaths that covers the path is not answered yet. The
   * server makes it known to all owners of paths first, so a publish behind it
   * would overtake it and not reach its sender.
   * @param {string} channel
   */
  #joins(channel) {
    for (let path = normalizeId(channel), cut = 1; cut > 0; path = path.slice(0, cut)) {
      const { state, holding } = this.#subscriptions.get(path) ?? {};
      if (holding?.joining && (state?.subpaths || holding.requested.some(({ subpaths }) => subpaths))) return true;
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
    const error = wrongId(path, "joinchannel");
    if (error) return Promise.reject(error);
    const key = normalizeId(path);
    return (this.#subscriptions.get(key) ?? this.#add(key)).holding.acquire(options);
  }

  /**
   * @param {string} key
   * @returns {Subscription}
   */
  #add(key) {
    /** @type {Holding<Channel>} */
    const holding = new Holding(this.#session, {
      join: "joinchannel",
      leave: "leavechannel",
      place: { channel: key },
      data: (options, again) => subscription.state.joinData(options, again),
      acquired: (options) => {
        subscription.state.acquired(options);
        return new Channel(this.#session, subscription.state, (channel) => holding.release(channel));
      },
      released: (channel, last) => {
        if (subscription.given === channel) subscription.given = undefined;
        channel.mute();
        if (!last) return;
        this.#renew(subscription);
        this.#checks.next();
      },
      unused: () => {
        if (this.#subscriptions.get(key) === subscription) this.#subscriptions.delete(key);
      },
      refused: (error) => {
        const channels = holding.holders;
        this.#renew(subscription);
        holding.ended();
        for (const channel of channels) channel.ended("refused", error);
        // The user may not join by itself, and is on the channel all the same.
        const { offered } = subscription;
        subscription.offered = undefined;
        if (offered) this.joined(offered, undefined);
      },
      unchanged: () => this.#unchanged(subscription),
    });
    /** @type {Subscription} */
    const subscription = { holding, state: new ChannelState(key) };
    this.#subscriptions.set(key, subscription);
    return subscription;
  }

  /**
   * The subscription is over; a later one knows nothing of it.
   * @param {Subscription} subscription
   */
  #renew(subscription) {
    subscription.state.active = false;
    subscription.state = new ChannelState(subscription.state.path);
  }

  /**
   * @param {any} data of a `joined`
   * @param {any} id of the request, whose caller has its answer already
   */
  joined(data, id) {
    const path = normalizeId(data.channel);
    const subscription = this.#subscriptions.get(path);
    if (id === undefined && !subscription && this.#hooks.listening()) {
      this.#give(path, data);
      return;
    }
    if (id === undefined && subscription && this.#rejoins(subscription)) {
      // The join of the new session knows what was missed; its answer follows.
      subscription.offered = data;
      return;
    }
    if (subscription) subscription.offered = undefined;
    for (const message of subscription?.state.release(data.recovered === true) ?? []) this.#received(path, message, false);
    if (subscription?.state.joined(data)) {
      const { recovered, epoch, offset } = subscription.state;
      for (const channel of subscription.holding.holders) {
        channel.emit("joined", { recovered });
        if (!recovered) channel.emit("gap", { epoch, offset });
      }
    }
    if (id === undefined) this.#session.resolveFirst((request) => request.command === "joinchannel" && normalizeId(request.data.channel) === path, data);
    this.#checks.next();
  }

  /**
   * The server subscribed the user by itself, for instance because the operator did.
   * @param {string} path
   * @param {any} data of the `joined`
   */
  #give(path, data) {
    const subscription = this.#add(path);
    subscription.state.joined(data);
    subscription.given = subscription.holding.adopt({});
    this.#hooks.given(subscription.given);
  }

  /**
   * Whether the channel is joined again in a new session, and the answer is awaited.
   * @param {Subscription} subscription
   */
  #rejoins({ state, holding }) {
    return state.active && state.stale && holding.joining;
  }

  /** @param {any} data of a `memberchange` */
  memberChange(data) {
    const { state, holding } = this.#subscriptions.get(normalizeId(String(data?.channel))) ?? {};
    if (!state?.active || !holding) return;
    const change = state.membersChanged(data.members);
    for (const channel of holding.holders) channel.emit("members", change);
  }

  /** @param {ChannelMessage} message */
  message(message) {
    let path = String(message?.channel);
    const subscription = this.#subscriptions.get(path);
    const own = subscription?.state;
    if (subscription && own?.misses(message)) this.#missed(subscription, message.offset - 1);
    // The answer to the join of a new session brings it again, behind what was missed.
    if (!subscription || own?.defers || !this.#rejoins(subscription)) this.#received(path, message, false);
    // Holders above have received it when it was published, or have a gap.
    if (own?.isPast(message)) return;
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
    const { state, holding } = this.#subscriptions.get(path) ?? {};
    const holders = holding?.holders ?? [];
    // What nobody hears is not received: it may be the past that a join requested which was
    // withdrawn, and the join behind it asks for it too.
    if (!state || holders.length === 0 || (below && !state.subpaths)) return;
    if (state.received(message)) for (const channel of holders) channel.emit("message", message);
  }

  /**
   * The server has left messages out, as the client reads too slowly. It does not say of which
   * channels; where nothing is published any more, no offset shows it.
   * @param {TurntableError} error that belongs to no request
   */
  failed({ code, command, details }) {
    if (code !== "rate_limited" || command !== "joinchannel" || details?.retry_ms > 0) return;
    for (const subscription of this.#subscriptions.values()) this.#checks.add(subscription);
    this.#checks.next();
  }

  /**
   * Requests missed messages, or reports the gap.
   * @param {Subscription} subscription
   * @param {number} offset behind them
   */
  #missed(subscription, offset) {
    const { state, holding, given } = subscription;
    const now_ms = this.#session.environment.local();
    // The user may not be allowed to join by itself what the server gave.
    if (!given && state.askable_in_ms(now_ms) === 0) {
      state.ask(now_ms);
      if (holding.again()) return;
      state.withdraw();
    }
    this.#gap(subscription, offset);
  }

  /**
   * The join for missed messages was refused. The server goes on with the subscription.
   * @param {Subscription} subscription
   */
  #unchanged(subscription) {
    const { state } = subscription;
    const waited = state.withdraw();
    let offset = (waited[0]?.offset ?? state.offset + 1) - 1;
    this.#gap(subscription, offset);
    for (const message of waited) {
      if (message.offset > offset + 1) this.#gap(subscription, message.offset - 1);
      offset = message.offset;
      this.#received(state.path, message, false);
    }
    this.#checks.next();
  }

  /**
   * @param {Subscription} subscription
   * @param {number} offset from which the channel continues
   */
  #gap({ state, holding }, offset) {
    for (const channel of holding.holders) channel.emit("gap", { epoch: state.epoch, offset });
  }

  /** A new session has started. */
  reset() {
    this.#checks.clear();
    for (const subscription of this.#subscriptions.values()) {
      const { state, holding, given } = subscription;
      if (state.active) state.stale = true;
      subscription.offered = undefined;
      if (!given) continue;
      // The server subscribes the new session itself, if it still does.
      subscription.given = undefined;
      holding.disown(given);
      if (holding.holders.length === 0) this.#renew(subscription);
      given.ended("removed", new TurntableError("session_expired", "the server subscribed the session that was lost"));
    }
  }

  /** @param {boolean} resumed */
  restore(resumed) {
    for (const { holding } of [...this.#subscriptions.values()]) holding.restore(resumed);
    this.#checks.next();
  }

  /** @param {TurntableError} error */
  close(error) {
    const subscriptions = [...this.#subscriptions.values()];
    this.#subscriptions.clear();
    this.#checks.clear();
    for (const { holding, state } of subscriptions) {
      const channels = holding.holders;
      state.active = false;
      holding.close(error);
      for (const channel of channels) channel.ended("closed");
    }
  }
}
