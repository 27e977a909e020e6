/**
 * Other users' presence, and one's own status.
 *
 * Who is watched is kept, not queued: after a reconnection that had to begin a
 * new session the library subscribes again.
 * @module
 */

import { Emitter } from "./emitter.js";
import { TurntableError } from "./error.js";
import { INTERRUPTED } from "./requests.js";

/** @import { Kept } from "./kept.js" */
/** @import { Session } from "./session.js" */

/** @typedef {"online" | "offline" | "busy" | "idle"} PresenceState what others see of a user */
/** @typedef {"online" | "idle" | "busy" | "invisible"} Status what a user says of itself */

/**
 * @typedef {object} LookupEntry
 * @property {PresenceState} state
 * @property {number} [last_seen] Unix ms; left out for a user that is there now
 * @property {number} [devices] how many of its sessions are connected
 * @property {any} [note] what it said with its status
 */

/**
 * @typedef {object} FriendsEvents
 * @property {{changes: Record<string, PresenceState>, first: boolean}} change
 *   `first`: a snapshot, the answer to a subscription, rather than news
 */

/** As many ids as surely fit in one message. */
const CHUNK = 256;

/** @extends {Emitter<FriendsEvents>} */
export class Friends extends Emitter {
  #session;
  #kept;
  /** Watched ids: whether the server has been told, and has told us. @type {Map<string, {told: boolean, known: boolean}>} */
  #watched = new Map();
  /** Ids no longer watched, which a resumed session has to be told. @type {Set<string>} */
  #unwatched = new Set();
  /** @type {Map<string, PresenceState>} */
  #states = new Map();
  /** @type {Set<{ids: string[], resolve: (states: Record<string, PresenceState>) => void, reject: (error: any) => void}>} */
  #waiters = new Set();

  /**
   * @internal
   * @param {Session} session
   * @param {Kept} kept
   */
  constructor(session, kept) {
    super();
    this.#session = session;
    this.#kept = kept;
  }

  /**
   * Watches users, beside those already watched.
   * @param {string[]} ids
   * @returns {Promise<Record<string, PresenceState>>} the state of each of `ids`
   */
  subscribe(ids) {
    const wanted = [...new Set(ids)];
    if (this.#session.closed) return Promise.reject(closed("subscribe"));
    for (const id of wanted) {
      if (!this.#watched.has(id)) this.#watched.set(id, { told: false, known: false });
      this.#unwatched.delete(id);
    }
    return new Promise((resolve, reject) => {
      this.#waiters.add({ ids: wanted, resolve, reject });
      if (this.#session.online) this.#tell();
      this.#serve();
    });
  }

  /**
   * Watches users no longer.
   * @param {string[]} ids
   * @returns {Promise<void>}
   */
  async unsubscribe(ids) {
    const gone = ids.filter((id) => this.#watched.has(id));
    for (const id of gone) {
      if (this.#watched.get(id)?.told) this.#unwatched.add(id);
      this.#watched.delete(id);
      this.#states.delete(id);
    }
    this.#serve();
    if (this.#session.online) await this.#untell();
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
   * Says how one is oneself. Kept over reconnections.
   * @param {Status} state
   * @param {any} [note] anything others may see in `lookup`
   * @returns {Promise<void>}
   */
  async status(state, note) {
    await this.#kept.want("status", "status", () => (note === undefined ? state : { state, note }));
  }

  /**
   * Asks once, without watching.
   * @param {string[]} ids
   * @returns {Promise<Record<string, LookupEntry>>}
   */
  lookup(ids) {
    return this.#session.ask("lookup", ids);
  }

  /**
   * @internal
   * @param {any} data of a `userchange`
   */
  changed(data) {
    /** @type {Record<string, PresenceState>} */
    const changes = {};
    let first = false;
    for (const [id, state] of Object.entries(data ?? {})) {
      const watch = this.#watched.get(id);
      // A change that crossed an unsubscription.
      if (!watch) continue;
      first ||= !watch.known;
      watch.known = true;
      this.#states.set(id, /** @type {PresenceState} */ (state));
      changes[id] = /** @type {PresenceState} */ (state);
    }
    // The answer may come without the id of its subscription.
    const known = (/** @type {string} */ id) => this.#watched.get(id)?.known ?? true;
    while (this.#session.settle(({ command, data: ids }) => command === "subscribe" && ids.every(known), data));
    if (Object.keys(changes).length > 0) this.emit("change", { changes, first });
    this.#serve();
  }

  /**
   * @internal
   * @param {boolean} resumed
   */
  restore(resumed) {
    if (resumed) {
      this.#untell().catch(() => {});
    } else {
      this.#unwatched.clear();
      for (const watch of this.#watched.values()) {
        watch.told = false;
        watch.known = false;
      }
    }
    this.#tell();
  }

  /**
   * @internal
   * @param {TurntableError} error
   */
  end(error) {
    for (const { reject } of this.#waiters) reject(error);
    this.#waiters.clear();
  }

  /** Subscribes to what the server has not been told of. */
  #tell() {
    const ids = [...this.#watched].filter(([, watch]) => !watch.told).map(([id]) => id);
    for (let start = 0; start < ids.length; start += CHUNK) {
      void this.#ask(ids.slice(start, start + CHUNK));
    }
  }

  /** @param {string[]} ids */
  async #ask(ids) {
    for (const id of ids) {
      const watch = this.#watched.get(id);
      if (watch) watch.told = true;
    }
    try {
      await this.#session.ask("subscribe", ids, { kept: true });
    } catch (error) {
      const refused = error !== INTERRUPTED && /** @type {TurntableError} */ (error).code !== "timeout";
      for (const id of ids) {
        const watch = this.#watched.get(id);
        if (!watch || watch.known) continue;
        watch.told = false;
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

  async #untell() {
    const ids = [...this.#unwatched];
    if (ids.length === 0) return;
    this.#unwatched.clear();
    try {
      await this.#session.ask("unsubscribe", ids, { kept: true });
    } catch (error) {
      // To be said again where the session goes on.
      for (const id of ids) if (!this.#watched.has(id)) this.#unwatched.add(id);
      if (error !== INTERRUPTED) throw error;
    }
  }

  /** Answers the subscriptions of which every state is known. */
  #serve() {
    for (const waiter of [...this.#waiters]) {
      if (!waiter.ids.every((id) => this.#watched.get(id)?.known ?? true)) continue;
      this.#waiters.delete(waiter);
      /** @type {Record<string, PresenceState>} */
      const states = {};
      for (const id of waiter.ids) {
        const state = this.#states.get(id);
        if (state !== undefined) states[id] = state;
      }
      waiter.resolve(states);
    }
  }
}

/** @param {string} command */
function closed(command) {
  return new TurntableError("unavailable", "the client is closed", { command });
}
