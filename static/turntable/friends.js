/**
 * Presence of other users, and the status of this user.
 *
 * Subscriptions are retained: after a reconnection that started a new session
 * the library subscribes again.
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
 */

/**
 * @typedef {object} FriendsEvents
 * @property {{changes: Record<string, PresenceState>, snapshot: boolean}} change
 *   `snapshot`: the first states of a subscription, not changes
 */

/** Maximum number of ids per message. */
const CHUNK = 256;

/** @extends {Emitter<FriendsEvents>} */
export class Friends extends Emitter {
  #session;
  #desired;
  /** Watched ids: whether the subscription was sent, and whether a state was received. @type {Map<string, {sent: boolean, known: boolean}>} */
  #watched = new Map();
  /** Ids to unsubscribe from on a resumed session. @type {Set<string>} */
  #unwatched = new Set();
  /** @type {Map<string, PresenceState>} */
  #states = new Map();
  /** @type {Set<{ids: string[], resolve: (states: Record<string, PresenceState>) => void, reject: (error: any) => void}>} */
  #waiters = new Set();

  /**
   * @internal
   * @param {Session} session
   * @param {DesiredState} desired
   */
  constructor(session, desired) {
    super();
    this.#session = session;
    this.#desired = desired;
  }

  /**
   * Subscribes to users, in addition to earlier subscriptions.
   * @param {string[]} ids
   * @returns {Promise<Record<string, PresenceState>>} the states of `ids`; rejects with a TurntableError
   */
  subscribe(ids) {
    const wanted = [...new Set(ids)];
    if (this.#session.closed) return Promise.reject(closedError("subscribe"));
    for (const id of wanted) {
      if (!this.#watched.has(id)) this.#watched.set(id, { sent: false, known: false });
      this.#unwatched.delete(id);
    }
    return new Promise((resolve, reject) => {
      this.#waiters.add({ ids: wanted, resolve, reject });
      if (this.#session.online) this.#sendSubscriptions();
      this.#resolveWaiters();
    });
  }

  /**
   * Unsubscribes from users.
   * @param {string[]} ids
   * @returns {Promise<void>}
   */
  async unsubscribe(ids) {
    const gone = ids.filter((id) => this.#watched.has(id));
    for (const id of gone) {
      if (this.#watched.get(id)?.sent) this.#unwatched.add(id);
      this.#watched.delete(id);
      this.#states.delete(id);
    }
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
   * @param {boolean} resumed
   */
  restore(resumed) {
    if (resumed) {
      this.#sendUnsubscriptions().catch(() => {});
    } else {
      this.#unwatched.clear();
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

  /** Sends the subscriptions that were not sent yet. */
  #sendSubscriptions() {
    const ids = [...this.#watched].filter(([, watch]) => !watch.sent).map(([id]) => id);
    for (let start = 0; start < ids.length; start += CHUNK) {
      void this.#sendSubscription(ids.slice(start, start + CHUNK));
    }
  }

  /** @param {string[]} ids */
  async #sendSubscription(ids) {
    for (const id of ids) {
      const watch = this.#watched.get(id);
      if (watch) watch.sent = true;
    }
    try {
      await this.#session.request("subscribe", ids, { interruptible: true });
    } catch (error) {
      const refused = error !== INTERRUPTED && /** @type {TurntableError} */ (error).code !== "timeout";
      for (const id of ids) {
        const watch = this.#watched.get(id);
        if (!watch || watch.known) continue;
        watch.sent = false;
        if (refused) this.#watched.delete(id);
      }
      if (error === INTERRUPTED) return;
      for (const waiter of [...this.#waiters]) {
        if (!waiter.ids.some((id) => ids.includes(id))) continue;
        this.#waiters.delete(waiter);
        waiter.reject(error);
      }
    }
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

/** @param {string} command */
function closedError(command) {
  return new TurntableError("unavailable", "the client is closed", { command });
}
