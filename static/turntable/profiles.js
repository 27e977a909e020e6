/**
 * Public attributes of watched users. No network, no events.
 * @module
 */

export class Profiles {
  /** @type {Map<string, Map<string, any>>} */
  #profiles = new Map();

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
      const changed = Object.entries(attributes ?? {}).filter(([key, value]) => !same(profile.get(key), value));
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
  }

  /**
   * A new session gets all profiles anew; an attribute that it does not get was removed.
   * @returns {Record<string, Record<string, any>>} what changed
   */
  reset() {
    const gone = [...this.#profiles].map(([id, profile]) => [id, Object.fromEntries([...profile.keys()].map((key) => [key, null]))]);
    this.#profiles.clear();
    return Object.fromEntries(gone);
  }
}

/**
 * @param {any} a
 * @param {any} b
 */
function same(a, b) {
  return JSON.stringify(a ?? null) === JSON.stringify(b ?? null);
}
