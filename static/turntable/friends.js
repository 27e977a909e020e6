/**
 * Presence of other users, and the status of this user.
 *
 * Subscriptions are retained: after a reconnection that started a new session
 * the library subscribes again. Each id counts its holders: the server hears of
 * the first one and of the last one.
 * @module
 */

import { Emitter } from "./emitter.js";
import { TurntableError } from "./error.js";
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

/** @typedef {{ids: string[], resolve: (states: Record<string, PresenceState>) => void, reject: (error: any) => void}} Waiter */

/** Maximum number of ids per message. */
const CHUNK = 256;
/** Errors after which the subscriptions of an earlier session are sent again. */
const TEMPORARY = new Set(["timeout", "unavailable", "internal", "rate_limited", "service_down"]);
const RETRY_MS = 2000;

/** @extends {Emitter<FriendsEvents>} */
export class Friends extends Emitter {
  #session;
  #desired;
  #report;
  /**
   * Watched ids: the number of holders, whether the subscription was sent, and
   * whether a state was received.
   * @type {Map<string, {holders: number, sent: boolean, known: boolean}>}
   */
  #watched = new Map();
  /** Ids to unsubscribe from on a resumed session. @type {Set<string>} */
  #unwatched = new Set();
  /** @type {Map<string, PresenceState>} */
  #states = new Map();
  /** Public attributes by user. @type {Map<string, Map<string, any>>} */
  #profiles = new Map();
  /** @type {Set<Waiter>} */
  #waiters = new Set();

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
  }

  /**
   * Subscribes to users, in addition to earlier subscriptions. Each successful
   * call holds its ids until an `unsubscribe`, or until `signal` is aborted.
   * @param {string[]} ids
   * @param {{signal?: AbortSignal}} [options]
   * @returns {Promise<Record<string, PresenceState>>} the states of `ids`; rejects with a TurntableError
   */
  subscribe(ids, { signal } = {}) {
    const wanted = [...new Set(ids)];
    if (this.#session.closed) return Promise.reject(closedError("subscribe"));
    if (signal?.aborted) return Promise.reject(signal.reason);
    for (const id of wanted) {
      const watch = this.#watched.get(id);
      if (watch) watch.holders += 1;
      else this.#watched.set(id, { holders: 1, sent: false, known: false });
      this.#unwatched.delete(id);
    }
    return new Promise((resolve, reject) => {
      /** @type {Waiter} */
      const waiter = {
        ids: wanted,
        resolve,
        reject: (error) => {
          signal?.removeEventListener("abort", abort);
          reject(error);
        },
      };
      const abort = () => {
        this.#waiters.delete(waiter);
        reject(signal?.reason);
        this.unsubscribe(wanted).catch(() => {});
      };
      signal?.addEventListener("abort", abort, { once: true });
      this.#waiters.add(waiter);
      if (this.#session.online) this.#sendSubscriptions();
      this.#resolveWaiters();
    });
  }

  /**
   * Ends one holder's subscription of each of these users. The server is
   * unsubscribed from those that have no other.
   * @param {string[]} ids
   * @returns {Promise<void>}
   */
  async unsubscribe(ids) {
    for (const id of new Set(ids)) this.#release(id);
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
    return Object.fromEntries(this.#profiles.get(id) ?? []);
  }

  /**
   * Sets the user's own status. The client sets it again after a reconnection.
   * @param {Status} state
   * @param {any} [note] shown to others by `lookup`
   * @returns {Promise<void>}
   */
  async status(state, note) {
    await this.#desired.set("status", "status", () => (note === undefined ? state : { state, note }));
  }

  /**
   * Queries presence once, without a subscription.
   * @param {string[]} ids
   * @returns {Promise<Record<string, LookupEntry>>}
   */
  lookup(ids) {
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
  }

  /**
   * @internal
   * @param {any} data of a `profiles`
   */
  profilesChanged(data) {
    /** @type {[string, Record<string, any>][]} */
    const changes = [];
    for (const [id, attributes] of Object.entries(data ?? {})) {
      if (!this.#watched.has(id)) continue;
      const profile = this.#profiles.get(id) ?? new Map();
      const changed = Object.entries(attributes ?? {}).filter(([key, value]) => !same(profile.get(key), value));
      for (const [key, value] of changed) {
        if (value === null) profile.delete(key);
        else profile.set(key, value);
      }
      if (profile.size > 0) this.#profiles.set(id, profile);
      else this.#profiles.delete(id);
      if (changed.length > 0) changes.push([id, Object.fromEntries(changed)]);
    }
    if (changes.length > 0) this.emit("profile", { changes: Object.fromEntries(changes) });
  }

  /** A new session gets all profiles anew; an attribute that it does not get was removed. */
  #forgetProfiles() {
    const gone = [...this.#profiles].map(([id, profile]) => [id, Object.fromEntries([...profile.keys()].map((key) => [key, null]))]);
    this.#profiles.clear();
    if (gone.length > 0) this.emit("profile", { changes: Object.fromEntries(gone) });
  }

  /**
   * @internal
   * @param {boolean} resumed
   */
  restore(resumed) {
    if (resumed) {
      this.#sendUnsubscriptions().catch(() => {});
    } else {
      this.#unwatched.clear();
      this.#forgetProfiles();
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
   */
  #release(id) {
    const watch = this.#watched.get(id);
    if (!watch) return;
    watch.holders -= 1;
    if (watch.holders > 0) return;
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
    this.#session.ask("subscribe", ids, { interruptible: true }, (error) => {
      if (!error) return;
      // Nobody is watched because of this request; an id that was subscribed anew meanwhile has its own.
      const open = ids.filter((id, index) => sent[index] && this.#watched.get(id) === sent[index] && !sent[index].known);
      for (const id of open) /** @type {{sent: boolean}} */ (this.#watched.get(id)).sent = false;
      if (error !== INTERRUPTED && open.length > 0 && !this.#session.closed) this.#refused(open, error);
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
    if (TEMPORARY.has(error.code)) {
      this.#session.environment.setTimeout(() => this.#session.online && this.#sendUnsent(ids), error.details?.retry_ms ?? RETRY_MS);
      return;
    }
    for (const id of ids) this.#watched.delete(id);
    for (const id of ids) this.#states.delete(id);
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
    for (const id of first.ids) this.#release(id);
    first.reject(error);
    return others;
  }

  async #sendUnsubscriptions() {
    const ids = [...this.#unwatched];
    if (ids.length === 0) return;
    this.#unwatched.clear();
    try {
      await this.#session.request("unsubscribe", ids, { interruptible: true });
    } catch (error) {
      // To be sent again if the session is resumed.
      for (const id of ids) if (!this.#watched.has(id)) this.#unwatched.add(id);
      if (error !== INTERRUPTED) throw error;
    }
  }

  /** Resolves the promises whose ids all have a known state. */
  #resolveWaiters() {
    for (const waiter of [...this.#waiters]) {
      if (!waiter.ids.every((id) => this.#watched.get(id)?.known ?? true)) continue;
      this.#waiters.delete(waiter);
      waiter.resolve(Object.fromEntries(waiter.ids.flatMap((id) => this.#entry(id))));
    }
  }
}

/**
 * @param {any} a
 * @param {any} b
 */
function same(a, b) {
  return JSON.stringify(a ?? null) === JSON.stringify(b ?? null);
}

/** @param {string} command */
function closedError(command) {
  return new TurntableError("unavailable", "the client is closed", { command });
}
