/**
 * Public attributes of watched users. No network, no events.
 * @module
 */

export class Profiles {
  /** @type {Map<string, Map<string, any>>} */
  #profiles = new Map();
  /** Users whose profiles are those of a lost session. @type {Set<string>} */
  #stale = new Set();

  /** Users whose profiles are those of a lost session. @returns {ReadonlySet<string>} */
  get stale() {
    return this.#stale;
  }

  /**
   * @param {string} id
   * @returns {Record<string, any>} empty if there are none
   */
  get(id) {
    return Object.fromEntries(this.#profiles.get(id) ?? []);
  }

  /**
   * @param {any} data of a `profiles`
   * @param {(id: string) => boolean} watched
   * @returns {Record<string, Record<string, any>>} what changed
   */
  changed(data, watched) {
    /** @type {[string, Record<string, any>][]} */
    const changes = [];
    for (const [id, attributes] of Object.entries(data ?? {})) {
      if (!watched(id)) continue;
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
    return Object.fromEntries(changes);
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

  /**
   * The new session has sent all profiles: who is in none has no public attributes any more.
   * @returns {Record<string, Record<string, any>>} what changed
   */
  settle() {
    const none = Object.fromEntries([...this.#stale].map((id) => [id, {}]));
    return this.changed(none, () => true);
  }
}

/**
 * @param {any} a
 * @param {any} b
 */
function same(a, b) {
  return JSON.stringify(a ?? null) === JSON.stringify(b ?? null);
}
