/**
 * Keeps the session over a reload of its page, in sessionStorage, which is a
 * tab's own. A tab that is duplicated takes a copy along, and two tabs must
 * not fight over one session, so a page marks the record as its own while it
 * uses it and takes the mark off when it goes. A record with a mark is another
 * page's, unless the lock that this page held is free: then it has crashed.
 * @module
 */

/** @import { Environment } from "./environment.js" */

/**
 * @typedef {object} Record
 * @property {string} session
 * @property {number} received
 * @property {number} last_id the last id of a command: answers to the older page must not be taken for others
 * @property {string} door
 * @property {any} welcome
 */

/**
 * @typedef {object} MemoryOptions
 * @property {string} name of what is kept, one per client of a page
 * @property {string} url
 * @property {Environment} environment
 * @property {any} [storage]
 * @property {any} [locks] the platform's Web Locks, where there are any
 */

/** After so long what changed is written; sooner where the page goes. */
const WRITE_MS = 200;
/** Ids that a page may have used after it wrote the last time. */
const IDS_MARGIN = 1000;

export class Memory {
  #key;
  #env;
  #storage;
  #locks;
  #mark;
  /** @type {() => Record | undefined} */
  #read_now = () => undefined;
  /** @type {any} */
  #timer;
  /** @type {() => void} */
  #unlock = () => {};
  #open = true;

  /** @param {MemoryOptions} options */
  constructor({ name, url, environment, storage = sessionStorageOf(), locks = globalThis.navigator?.locks }) {
    this.#key = `turntable ${name} ${url}`;
    this.#env = environment;
    this.#storage = storage;
    this.#locks = locks;
    this.#mark = Math.floor(environment.random() * 2 ** 52).toString(36) + environment.unix().toString(36);
  }

  /**
   * What an earlier page of this tab left. It tells at once where that is
   * clear, so that connecting need not wait.
   * @returns {Record | undefined | Promise<Record | undefined>}
   */
  recall() {
    this.#hold();
    const found = this.#load();
    if (!found) return undefined;
    const { mark, ...record } = found;
    const usable = { ...record, last_id: Number(record.last_id) + IDS_MARGIN };
    if (mark === undefined) return usable;
    if (!this.#locks) return undefined;
    // The lock is free where whoever held it is gone.
    return Promise.resolve(
      this.#locks.request(lockName(mark), { ifAvailable: true }, (/** @type {any} */ lock) => lock !== null),
    ).then((free) => (free ? usable : undefined), () => undefined);
  }

  /**
   * From now on what `read` says is kept.
   * @param {() => Record | undefined} read
   */
  begin(read) {
    this.#read_now = read;
  }

  /** Something has changed. */
  touch() {
    if (this.#timer !== undefined || !this.#open) return;
    this.#timer = this.#env.setTimeout(() => this.#write(this.#mark), WRITE_MS);
  }

  /** The page goes, perhaps to come back: others may use the record now. */
  release() {
    if (this.#open) this.#write(undefined);
  }

  /** The page is here again as it was. */
  retake() {
    if (this.#open) this.#write(this.#mark);
  }

  /** The client was closed: there is nothing to keep any more. */
  forget() {
    if (!this.#open) return;
    this.#open = false;
    this.#env.clearTimeout(this.#timer);
    try {
      this.#storage?.removeItem(this.#key);
    } catch {
      // Not ours to keep, not ours to forget.
    }
    this.#unlock();
  }

  /** @param {string | undefined} mark */
  #write(mark) {
    this.#env.clearTimeout(this.#timer);
    this.#timer = undefined;
    const record = this.#read_now();
    try {
      if (record) this.#storage?.setItem(this.#key, JSON.stringify({ ...record, mark }));
      else this.#storage?.removeItem(this.#key);
    } catch {
      // Full or forbidden: a reload will begin a new session.
    }
  }

  /** @returns {(Record & {mark?: string}) | undefined} */
  #load() {
    try {
      const found = JSON.parse(this.#storage?.getItem(this.#key) ?? "null");
      if (typeof found?.session === "string" && Number.isSafeInteger(found.received)) return found;
    } catch {
      // Unreadable is as good as none.
    }
    return undefined;
  }

  /** Holds the lock that says that this page lives. */
  #hold() {
    if (!this.#locks) return;
    const held = new Promise((resolve) => {
      this.#unlock = () => resolve(undefined);
    });
    Promise.resolve(this.#locks.request(lockName(this.#mark), () => held)).catch(() => {});
  }
}

/** @param {string} mark */
function lockName(mark) {
  return `turntable ${mark}`;
}

/** It may be forbidden, which shows as an exception. */
function sessionStorageOf() {
  try {
    return globalThis.sessionStorage;
  } catch {
    return undefined;
  }
}
