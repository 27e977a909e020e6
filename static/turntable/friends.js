/**
 * Presence of other users, and the status of this user.
 *
 * Subscriptions are retained: after a reconnection that started a new session
 * the library subscribes again. Each successful `subscribe` holds its ids; the
 * server hears of the first holder of an id and of the last one.
 * @module
 */

import { Emitter } from "./emitter.js";
import { TurntableError, passes, retryMs } from "./error.js";
import { checkUsers, wrongUsers } from "./id.js";
import { Profiles } from "./profiles.js";
import { INTERRUPTED } from "./requests.js";

/** @import { DesiredState } from "./desired_state.js" */
/** @import { Session } from "./session.js" */

/** @typedef {"online" | "offline" | "busy" | "idle"} PresenceState as seen by other users */
/** @typedef {"online" | "idle" | "busy" | "invisible"} Status as set by the user */

/**
 * @typedef {object} LookupEntry
 * @property {PresenceState} state
 * @property {number} [last_seen] Unix ms; omitted for a connected user
 * @property {number} [devices] number of connected sessions
 * @property {any} [note] the note of the status
 * @property {Record<string, any>} [profile] the public attributes; omitted if there are none
 */

/**
 * @typedef {object} FriendsEvents
 * @property {{changes: Record<string, PresenceState>, snapshot: boolean}} change
 *   `snapshot`: the first states of a subscription, not changes
 * @property {{changes: Record<string, Record<string, any>>}} profile public attributes of watched
 *   users: all of a user first, then changes; null if one was removed
 */

/**
 * @typedef {{ids: Set<string>, forget: () => void}} Hold the ids that one `subscribe` still holds;
 *   `forget` takes its listener from the caller's signal
 */

/** @typedef {{ids: string[], hold: Hold, resolve: (states: Record<string, PresenceState>) => void, reject: (error: any) => void}} Waiter */

/** Maximum number of ids per message. */
const CHUNK = 256;

/** @extends {Emitter<FriendsEvents>} */
export class Friends extends Emitter {
  #session;
  #desired;
  #report;
  /**
   * Watched ids: the holders in the order of their calls, whether the subscription
   * was sent, and whether a state was received.
   * @type {Map<string, {holds: Set<Hold>, sent: boolean, known: boolean}>}
   */
  #watched = new Map();
  /** Ids of which the session has a subscription that has ended, and that no other one was sent for. @type {Set<string>} */
  #unwatched = new Set();
  /** @type {Map<string, PresenceState>} */
  #states = new Map();
  #profiles;
  /** The state of the last `status`. @type {Status | undefined} */
  #chosen;
  /** @type {Set<Waiter>} */
  #waiters = new Set();
  /** The holds by the states that their calls resolved with. @type {WeakMap<object, Hold>} */
  #holds = new WeakMap();

  /**
   * @internal
   * @param {Session} session
   * @param {DesiredState} desired
   * @param {(error: TurntableError) => void} report an error of no call
   */
  constructor(session, desired, report) {
    super(session.gate);
    this.#session = session;
    this.#desired = desired;
    this.#report = report;
    this.#profiles = new Profiles(session, {
      watch: (id) => this.#watched.get(id),
      changed: (changes) => this.emit("profile", { changes }),
    });
  }

  /**
   * Subscribes to users, in addition to earlier subscriptions. Each successful
   * call holds its ids until an `unsubscribe`, or until `signal` is aborted.
   * @param {string[]} ids
   * @param {{signal?: AbortSignal}} [options]
   * @returns {Promise<Record<string, PresenceState>>} the states of `ids`, an object of this call's
   *   own; rejects with a TurntableError
   */
  subscribe(ids, { signal } = {}) {
    const wrong = wrongUsers(ids);
    if (wrong) return Promise.reject(wrong);
    const wanted = [...new Set(ids)];
    if (this.#session.closed) return Promise.reject(closedError("subscribe"));
    if (signal?.aborted) return Promise.reject(signal.reason);
    /** @type {Hold} */
    const hold = { ids: new Set(wanted), forget: () => {} };
    for (const id of wanted) {
      const watch = this.#watched.get(id) ?? { holds: new Set(), sent: false, known: false };
      watch.holds.add(hold);
      this.#watched.set(id, watch);
    }
    return new Promise((resolve, reject) => {
      /** @type {Waiter} */
      const waiter = {
        ids: wanted,
        hold,
        resolve,
        reject: (error) => {
          hold.forget();
          reject(error);
        },
      };
      const abort = () => {
        this.#waiters.delete(waiter);
        reject(signal?.reason);
        this.#end([...hold.ids].map((id) => [id, hold])).catch(() => {});
      };
      signal?.addEventListener("abort", abort, { once: true });
      hold.forget = () => signal?.removeEventListener("abort", abort);
      this.#waiters.add(waiter);
      if (this.#session.online) this.#sendSubscriptions();
      this.#resolveWaiters();
    });
  }

  /**
   * Ends a subscription. The server is unsubscribed from those that have no other.
   * @param {string[] | Record<string, PresenceState>} subscribed the states that `subscribe` resolved
   *   with: ends that call's hold, once. Or ids: ends the oldest hold of each
   * @returns {Promise<void>}
   */
  async unsubscribe(subscribed) {
    if (!Array.isArray(subscribed)) {
      const hold = this.#holds.get(subscribed);
      if (!hold) throw new TypeError("users must be an array of ids, or what subscribe resolved with");
      await this.#end([...hold.ids].map((id) => [id, hold]));
      return;
    }
    checkUsers(subscribed);
    await this.#end([...new Set(subscribed)].map((id) => [id, [...(this.#watched.get(id)?.holds ?? [])][0]]));
  }

  /** @param {[string, Hold | undefined][]} list */
  async #end(list) {
    for (const [id, hold] of list) this.#release(id, hold);
    this.#resolveWaiters();
    if (this.#session.online) await this.#sendUnsubscriptions();
  }

  /**
   * The last known state of a watched user.
   * @param {string} id
   * @returns {PresenceState | undefined}
   */
  get(id) {
    return this.#states.get(id);
  }

  /**
   * The last known states of all watched users.
   * @returns {ReadonlyMap<string, PresenceState>}
   */
  get all() {
    return this.#states;
  }

  /**
   * The public attributes of a watched user, as its name and score.
   * @param {string} id
   * @returns {Record<string, any>} empty if there are none
   */
  profile(id) {
    return this.#profiles.get(id);
  }

  /**
   * The state that an identification carries, so that others never see another one. A note,
   * which the server may refuse, follows with the status itself.
   * @internal
   * @returns {Status | undefined} undefined: the server decides
   */
  get chosen() {
    return this.#chosen === "online" ? undefined : this.#chosen;
  }

  /**
   * Sets the user's own status. The client sets it again after a reconnection, with the
   * identification of a new session.
   * @param {Status} state
   * @param {any} [note] shown to others by `lookup`
   * @returns {Promise<void>}
   */
  async status(state, note) {
    const before = this.#chosen;
    this.#chosen = state;
    try {
      await this.#desired.set("status", "status", () => (note === undefined ? state : { state, note }));
    } catch (error) {
      // Refused; or the client is closed.
      if (this.#chosen === state) this.#chosen = before;
      throw error;
    }
  }

  /**
   * Blocks users: for them this user is offline, and they cannot invite or call it. They
   * are not notified. The list outlives the session.
   * @param {string[]} ids
   * @returns {Promise<string[]>} all users that are blocked; rejects with a TurntableError
   */
  async block(ids) {
    checkUsers(ids);
    return this.#blocked({ add: ids });
  }

  /**
   * Ends what `block` began.
   * @param {string[]} ids
   * @returns {Promise<string[]>} all users that are still blocked
   */
  async unblock(ids) {
    checkUsers(ids);
    return this.#blocked({ remove: ids });
  }

  /**
   * The users that this user blocks.
   * @returns {Promise<string[]>}
   */
  async blocked() {
    return this.#blocked({});
  }

  /** @param {{add?: string[], remove?: string[]}} changes */
  async #blocked(changes) {
    const answer = await this.#session.request("block", changes);
    return answer?.blocked ?? [];
  }

  /**
   * Queries presence once, without a subscription.
   * @param {string[]} ids
   * @returns {Promise<Record<string, LookupEntry>>}
   */
  async lookup(ids) {
    checkUsers(ids);
    return this.#session.request("lookup", ids);
  }

  /**
   * @internal
   * @param {any} data of a `userchange`
   */
  changed(data) {
    /** @type {Map<string, PresenceState>} */
    const changes = new Map();
    let snapshot = false;
    for (const [id, state] of Object.entries(data ?? {})) {
      const watch = this.#watched.get(id);
      // Sent before the server processed the unsubscription.
      if (!watch) continue;
      snapshot ||= !watch.known;
      watch.known = true;
      this.#states.set(id, /** @type {PresenceState} */ (state));
      changes.set(id, /** @type {PresenceState} */ (state));
    }
    // The answer to a subscription may have no id.
    const known = (/** @type {string} */ id) => this.#watched.get(id)?.known ?? true;
    while (this.#session.resolveFirst(({ command, data: ids }) => command === "subscribe" && ids.every(known), data));
    if (changes.size > 0) this.emit("change", { changes: Object.fromEntries(changes), snapshot });
    this.#resolveWaiters();
    this.#profiles.settle();
  }

  /**
   * @internal
   * @param {any} data of a `profiles`
   */
  profilesChanged(data) {
    this.#profiles.received(data);
  }

  /**
   * @internal
   * @param {boolean} resumed
   */
  restore(resumed) {
    if (resumed) {
      this.#sendUnsubscriptions().catch(() => {});
      this.#profiles.settle();
    } else {
      this.#unwatched.clear();
      this.#profiles.reset();
      for (const watch of this.#watched.values()) {
        watch.sent = false;
        watch.known = false;
      }
    }
    this.#sendSubscriptions();
  }

  /**
   * @internal
   * @param {TurntableError} error
   */
  close(error) {
    for (const { reject } of this.#waiters) reject(error);
    this.#waiters.clear();
    this.#profiles.close();
    for (const { holds } of this.#watched.values()) for (const { forget } of holds) forget();
  }

  /**
   * @param {string} id
   * @returns {[string, PresenceState][]} empty if no state is known
   */
  #entry(id) {
    const state = this.#states.get(id);
    return state === undefined ? [] : [[id, state]];
  }

  /**
   * One holder less.
   * @param {string} id
   * @param {Hold | undefined} hold
   */
  #release(id, hold) {
    const watch = this.#watched.get(id);
    if (!watch || !hold || !withdraw(hold, id)) return;
    watch.holds.delete(hold);
    if (watch.holds.size > 0) return;
    if (watch.sent) this.#unwatched.add(id);
    this.#watched.delete(id);
    this.#states.delete(id);
    this.#profiles.delete(id);
  }

  /**
   * Sends the subscriptions that were not sent yet. Callers share a list if it has room
   * for all of their ids; the server accepts or refuses a list as a whole.
   */
  #sendSubscriptions() {
    /** @type {Set<string>} */
    let list = new Set();
    for (const { ids } of this.#waiters) {
      const both = new Set([...list, ...ids]);
      if (list.size > 0 && both.size > CHUNK) {
        this.#sendUnsent([...list]);
        list = new Set(ids);
      } else {
        list = both;
      }
    }
    this.#sendUnsent([...list]);
    // Those of callers who have their answers.
    this.#sendUnsent([...this.#watched.keys()]);
  }

  /** @param {string[]} ids those that were sent already are left out */
  #sendUnsent(ids) {
    const unsent = ids.filter((id) => this.#watched.get(id)?.sent === false);
    for (let start = 0; start < unsent.length; start += CHUNK) this.#sendSubscription(unsent.slice(start, start + CHUNK));
  }

  /** @param {string[]} ids */
  #sendSubscription(ids) {
    const sent = ids.map((id) => this.#watched.get(id));
    for (const watch of sent) if (watch) watch.sent = true;
    const unwatched = ids.filter((id) => this.#unwatched.delete(id));
    this.#session.ask("subscribe", ids, { interruptible: true }, (error) => {
      if (!error) return;
      for (const id of unwatched) this.#unwatched.add(id);
      // Nobody is watched because of this request; an id that was subscribed anew meanwhile has its own.
      const open = ids.filter((id, index) => sent[index] && this.#watched.get(id) === sent[index] && !sent[index].known);
      for (const id of open) /** @type {{sent: boolean}} */ (this.#watched.get(id)).sent = false;
      if (error !== INTERRUPTED && open.length > 0 && !this.#session.closed) this.#refused(open, error);
      if (error !== INTERRUPTED && this.#session.online) this.#sendUnsubscriptions().catch(() => {});
    });
  }

  /**
   * A list is refused as a whole, and each caller gets the outcome of its own ids.
   * If the list has ids of others too, it is sent again in parts, one per caller.
   * @param {string[]} ids
   * @param {TurntableError} error
   */
  #refused(ids, error) {
    const waiting = [...this.#waiters].filter((waiter) => ids.some((id) => waiter.ids.includes(id)));
    const [first] = waiting;
    if (!first) {
      this.#lost(ids, error);
      return;
    }
    const own = ids.every((id) => first.ids.includes(id));
    const others = own ? this.#reject(waiting, error) : waiting;
    for (const waiter of others) this.#sendUnsent(waiter.ids);
    this.#sendUnsent(ids);
  }

  /**
   * The server refuses subscriptions of an earlier session, whose callers have
   * their answers.
   * @param {string[]} ids
   * @param {TurntableError} error
   */
  #lost(ids, error) {
    if (passes(error)) {
      this.#session.environment.setTimeout(() => this.#session.online && this.#sendUnsent(ids), retryMs(error));
      return;
    }
    for (const id of ids) {
      for (const hold of this.#watched.get(id)?.holds ?? []) withdraw(hold, id);
      this.#watched.delete(id);
      this.#states.delete(id);
      this.#profiles.delete(id);
    }
    this.#report(error);
  }

  /**
   * Rejects the first waiter.
   * @param {Waiter[]} waiting
   * @param {TurntableError} error
   * @returns {Waiter[]} the others
   */
  #reject([first, ...others], error) {
    if (!first) return others;
    this.#waiters.delete(first);
    for (const id of first.ids) this.#release(id, first.hold);
    first.reject(error);
    return others;
  }

  async #sendUnsubscriptions() {
    // Those that are watched again have another subscription.
    const ids = [...this.#unwatched].filter((id) => !this.#watched.has(id));
    if (ids.length === 0) return;
    for (const id of ids) this.#unwatched.delete(id);
    try {
      await this.#session.request("unsubscribe", ids, { interruptible: true });
    } catch (error) {
      // To be sent again if the session is resumed.
      for (const id of ids) if (!this.#watched.get(id)?.sent) this.#unwatched.add(id);
      if (error !== INTERRUPTED) throw error;
    }
  }

  /** Resolves the promises whose ids all have a known state. */
  #resolveWaiters() {
    for (const waiter of [...this.#waiters]) {
      if (!waiter.ids.every((id) => this.#watched.get(id)?.known ?? true)) continue;
      this.#waiters.delete(waiter);
      const states = Object.fromEntries(waiter.ids.flatMap((id) => this.#entry(id)));
      this.#holds.set(states, waiter.hold);
      if (waiter.hold.ids.size === 0) waiter.hold.forget();
      waiter.resolve(states);
    }
  }
}

/**
 * @param {Hold} hold
 * @param {string} id
 * @returns {boolean} whether the id was in it
 */
function withdraw(hold, id) {
  const was_in = hold.ids.delete(id);
  if (hold.ids.size === 0) hold.forget();
  return was_in;
}

/** @param {string} command */
function closedError(command) {
  return new TurntableError("unavailable", "the client is closed", { command });
}
