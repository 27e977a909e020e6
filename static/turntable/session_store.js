/**
 * Stores the session in sessionStorage, so that it outlives a reload of the page.
 *
 * sessionStorage belongs to one tab, but a duplicated tab gets a copy of it, and
 * two pages must not use one session. While a page uses the stored session, the
 * record contains the page's id (`owner`); the page removes it when it is hidden.
 * Each page also holds a Web Lock named by its id. A record with an owner can be
 * used only if the owner's lock is free, because then that page has crashed.
 *
 * A page that the browser restores from its back/forward cache may find that a later
 * page of the tab has continued the session. It begins another one: the messages of
 * the later page, and its commands, are unknown to it. Where the record does not show
 * it, because the later page has just been left or a third one has written since, the
 * server refuses the resume by the number of the connection.
 * @module
 */

/** @import { Environment } from "./environment.js" */

/**
 * @typedef {object} StoredSession
 * @property {string} session the secret
 * @property {number} received
 * @property {number} last_id id of the last command; later pages must not reuse ids
 * @property {number} attempt number of the last connection
 * @property {string} transport
 * @property {any} welcome
 */

/**
 * @typedef {object} SessionStoreOptions
 * @property {string} name distinguishes several clients of one page
 * @property {string} url
 * @property {Environment} environment
 * @property {any} [storage]
 * @property {any} [locks] the platform's Web Locks, if available
 */

/** Delay between a change and the write; a page that is hidden writes at once. */
const WRITE_MS = 200;
/** Command ids, and connections, that a page may have used after its last write. */
const IDS_MARGIN = 1000;

/** How many clients of this page store their session under a key, by storage. @type {WeakMap<object, Map<string, number>>} */
const clients = new WeakMap();

export class SessionStore {
  #key;
  #env;
  #storage;
  #locks;
  #owner;
  /** @type {() => StoredSession | undefined} */
  #snapshot = () => undefined;
  /** @type {any} */
  #timer;
  /** @type {() => void} */
  #unlock = () => {};
  #open = true;
  /** Whether the record is one of a later page, until this page has a session to store. */
  #is_later = false;

  /** @param {SessionStoreOptions} options */
  constructor({ name, url, environment, storage = platformStorage(), locks = globalThis.navigator?.locks }) {
    this.#key = `turntable ${name} ${url}`;
    this.#env = environment;
    this.#storage = storage;
    this.#locks = locks;
    this.#owner = Math.floor(environment.random() * 2 ** 52).toString(36) + environment.unix().toString(36);
  }

  /**
   * The session of an earlier page of this tab. The result is a promise only if
   * a lock has to be checked, so that connecting is not delayed otherwise.
   * @returns {StoredSession | undefined | Promise<StoredSession | undefined>}
   */
  load() {
    this.#lock();
    if (this.#count(1) > 1) console.warn(`turntable: persist: another client of this page stores its session under the same name and user (${this.#key}); give each a name of its own: persist: "name"`);
    const found = this.#read();
    if (!found) return undefined;
    const { owner, ...record } = found;
    const after = (/** @type {any} */ number) => (Number(number) || 0) + IDS_MARGIN;
    const usable = { ...record, last_id: after(record.last_id), attempt: after(record.attempt) };
    if (owner === undefined) return usable;
    if (!this.#locks) return undefined;
    return Promise.resolve(
      this.#locks.request(lockName(owner), { ifAvailable: true }, (/** @type {any} */ lock) => lock !== null),
    ).then((free) => (free ? usable : undefined), () => undefined);
  }

  /**
   * Sets the source of the records to write.
   * @param {() => StoredSession | undefined} snapshot
   */
  start(snapshot) {
    this.#snapshot = snapshot;
  }

  /** The session has changed: schedules a write. */
  changed() {
    if (this.#timer !== undefined || !this.#open) return;
    this.#timer = this.#env.setTimeout(() => this.#write(this.#owner), WRITE_MS);
  }

  /** The page is hidden: a later page may use the record. */
  release() {
    if (this.#open) this.#write(undefined);
  }

  /**
   * The page was restored from the back/forward cache.
   * @returns {boolean} whether the session is still its own: no later page has continued it
   */
  reclaim() {
    if (!this.#open) return true;
    const own = this.#snapshot();
    const found = this.#read();
    this.#is_later = own !== undefined && found?.session === own.session && found.attempt > own.attempt;
    if (!this.#is_later) this.#write(this.#owner);
    return !this.#is_later;
  }

  /** The client is closed: removes the record. */
  clear() {
    if (!this.#open) return;
    this.#open = false;
    this.#count(-1);
    this.#env.clearTimeout(this.#timer);
    try {
      this.#storage?.removeItem(this.#key);
    } catch {
      // Access to the storage is denied.
    }
    this.#unlock();
  }

  /**
   * @param {1 | -1} change a client of this page begins or ends
   * @returns {number} how many there are of this key
   */
  #count(change) {
    if (!this.#storage) return 0;
    const keys = clients.get(this.#storage) ?? new Map();
    clients.set(this.#storage, keys);
    const count = (keys.get(this.#key) ?? 0) + change;
    keys.set(this.#key, count);
    return count;
  }

  /** @param {string | undefined} owner */
  #write(owner) {
    this.#env.clearTimeout(this.#timer);
    this.#timer = undefined;
    const record = this.#snapshot();
    try {
      if (record) this.#storage?.setItem(this.#key, JSON.stringify({ ...record, owner }));
      else if (!this.#is_later) this.#storage?.removeItem(this.#key);
    } catch {
      // The storage is full or access is denied: a reload starts a new session.
    }
    if (record) this.#is_later = false;
  }

  /** @returns {(StoredSession & {owner?: string}) | undefined} */
  #read() {
    try {
      const found = JSON.parse(this.#storage?.getItem(this.#key) ?? "null");
      if (typeof found?.session === "string" && Number.isSafeInteger(found.received)) return found;
    } catch {
      // An unreadable record counts as missing.
    }
    return undefined;
  }

  /** Holds this page's lock until `clear`. */
  #lock() {
    if (!this.#locks) return;
    const released = new Promise((resolve) => {
      this.#unlock = () => resolve(undefined);
    });
    Promise.resolve(this.#locks.request(lockName(this.#owner), () => released)).catch(() => {});
  }
}

/** @param {string} owner */
function lockName(owner) {
  return `turntable ${owner}`;
}

/** sessionStorage; access throws if the browser denies it. */
function platformStorage() {
  try {
    return globalThis.sessionStorage;
  } catch {
    return undefined;
  }
}
