/**
 * The token by which a guest comes back as itself: in a later session of this page,
 * and, stored in localStorage, in a later page.
 *
 * A server issues guests in one realm, so a record belongs to an address and to that
 * realm; a name distinguishes several guests of one browser.
 * @module
 */

/**
 * @typedef {object} GuestTokenOptions
 * @property {string} url of the server
 * @property {string} name
 * @property {any} storage undefined: the token is not stored for later pages
 */

export class GuestToken {
  #key;
  #storage;
  /** @type {string | undefined} */
  value;
  /** The guest's id. @type {string | undefined} */
  user;

  /** @param {GuestTokenOptions} options */
  constructor({ url, name, storage }) {
    this.#key = `turntable guest ${name} ${url}`;
    this.#storage = storage;
    this.#load();
  }

  /** The proof that the user is this guest; or the request for a new one. */
  get credentials() {
    return this.value === undefined ? { guest: true } : { token: this.value };
  }

  /**
   * @param {string} token of the last welcome
   * @param {any} user
   */
  keep(token, user) {
    this.value = token;
    this.user = user;
    this.#store({ token, user });
  }

  /**
   * The server does not accept the token.
   * @returns {boolean} whether there was one
   */
  forget() {
    const had = this.value !== undefined;
    this.value = undefined;
    this.user = undefined;
    this.#store(undefined);
    return had;
  }

  #load() {
    try {
      const { token, user } = JSON.parse(this.#storage?.getItem(this.#key) ?? "null") ?? {};
      if (typeof token !== "string") return;
      this.value = token;
      this.user = typeof user === "string" ? user : undefined;
    } catch {
      // Access is denied, or the record is unreadable: a new guest.
    }
  }

  /** @param {{token: string, user: any} | undefined} record */
  #store(record) {
    try {
      if (record) this.#storage?.setItem(this.#key, JSON.stringify(record));
      else this.#storage?.removeItem(this.#key);
    } catch {
      // The storage is full or access is denied: the guest is lost with the page.
    }
  }
}

/** localStorage; access throws if the browser denies it. */
export function guestStorage() {
  try {
    return globalThis.localStorage;
  } catch {
    return undefined;
  }
}
