/**
 * Public attributes of watched users. A new session sends all of them behind the first states, and users without
 * any are in none of its messages: when nothing more comes, those of before are over.
 * @module
 */

/** @import { Session } from "./session.js" */

/**
 * @typedef {object} ProfilesHooks
 * @property {(id: string) => {known: boolean} | undefined} watch known: whether the session has sent a state of the
 *   user. undefined: it is not watched
 * @property {(changes: Record<string, Record<string, any>>) => void} changed
 */

/** How long behind the states of a new session the last of the profiles may come. */
const LAST_MS = 2000;

export class Profiles {
  #session;
  #hooks;
  /** @type {Map<string, Map<string, any>>} */
  #profiles = new Map();
  /** Users whose profiles are those of a lost session. @type {Set<string>} */
  #stale = new Set();
  /** Until the profiles of a new session count as complete. @type {any} */
  #timer;

  /**
   * @param {Session} session
   * @param {ProfilesHooks} hooks
   */
  constructor(session, hooks) {
    this.#session = session;
    this.#hooks = hooks;
  }

  /**
   * @param {string} id
   * @returns {Record<string, any>} empty if there are none
   */
  get(id) {
    return Object.fromEntries(this.#profiles.get(id) ?? []);
  }

  /** @param {any} data of a `profiles` */
  received(data) {
    this.#change(Object.entries(data ?? {}).filter(([id]) => this.#hooks.watch(id)));
    this.settle();
  }

  /** The session has sent something, or goes on: what is left may follow for a while. */
  settle() {
    const { environment, closed } = this.#session;
    environment.clearTimeout(this.#timer);
    if (this.#stale.size === 0 || closed) return;
    for (const id of this.#stale) if (this.#hooks.watch(id)?.known === false) return;
    this.#timer = environment.setTimeout(() => {
      // Without a connection they come when the session is resumed.
      if (this.#session.online) this.#change([...this.#stale].map((id) => [id, {}]));
    }, LAST_MS);
  }

  /** @param {[string, any][]} profiles */
  #change(profiles) {
    /** @type {[string, Record<string, any>][]} */
    const changes = [];
    for (const [id, attributes] of profiles) {
      const profile = this.#profiles.get(id) ?? new Map();
      // The first message of a new session has all of a user: what it does not have was removed.
      const gone = this.#stale.delete(id) ? [...profile.keys()].map((key) => [key, null]) : [];
      const current = { ...Object.fromEntries(gone), ...attributes };
      const changed = Object.entries(current).filter(([key, value]) => !same(profile.get(key), value));
      for (const [key, value] of changed) {
        if (value === null) profile.delete(key);
        else profile.set(key, value);
      }
      if (profile.size > 0) this.#profiles.set(id, profile);
      else this.#profiles.delete(id);
      if (changed.length > 0) changes.push([id, Object.fromEntries(changed)]);
    }
    if (changes.length > 0) this.#hooks.changed(Object.fromEntries(changes));
  }

  /** @param {string} id that is watched no longer */
  delete(id) {
    this.#profiles.delete(id);
    this.#stale.delete(id);
  }

  /** A new session gets all profiles anew; those of before are shown until then. */
  reset() {
    this.#stale = new Set(this.#profiles.keys());
  }

  /** The client is closed. */
  close() {
    this.#session.environment.clearTimeout(this.#timer);
  }
}

/**
 * @param {any} a
 * @param {any} b
 */
function same(a, b) {
  return JSON.stringify(a ?? null) === JSON.stringify(b ?? null);
}
