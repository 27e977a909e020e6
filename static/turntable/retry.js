/**
 * When and where to try again once a connection is gone.
 *
 * A retry waits a random part of min_ms * 2^attempt, at most max_ms ("full
 * jitter"), so that a restarted server is not met by all clients at once. The
 * attempts are counted from zero again only after a connection that lasted
 * max_ms: a server that accepts and closes at once is not hammered. What a
 * `goaway` asked for comes before all that, once.
 * @module
 */

import { socketUrl } from "./address.js";

/** @import { Environment } from "./environment.js" */

/** @typedef {{min_ms: number, max_ms: number}} Bounds */

/** The codes after which even the first retry waits as long as a late one. */
const SLOW_RETRY = new Set([4006, 4007]);

export class Retry {
  #options;
  #env;
  #attempt = 0;
  /** @type {number | null} local ms at which the connection became useful */
  #since = null;
  /** @type {{at: number, url: string} | null} a move that the server asked for */
  #move = null;

  /** Where to connect now. @type {string} */
  url;

  /** @param {{url: string, reconnect: Bounds | false, environment: Environment}} options */
  constructor(options) {
    this.#options = options;
    this.#env = options.environment;
    this.url = options.url;
  }

  /** Whether the connection has become useful. */
  get useful() {
    return this.#since !== null;
  }

  /** There is a new connection, without the one before having been lost. */
  opened() {
    this.#since = null;
  }

  /** The connection has become useful. */
  settled() {
    this.#since = this.#env.local();
    this.#move = null;
  }

  /**
   * The server asks to come back after reconnect_ms, perhaps elsewhere.
   * @param {number} reconnect_ms
   * @param {string | undefined} url
   * @returns {number} after how many ms that is to be
   */
  move(reconnect_ms, url) {
    const { reconnect } = this.#options;
    const wait = Math.max(0, Number(reconnect_ms) || 0);
    const spread = reconnect ? Math.max(wait, reconnect.min_ms) : wait;
    const ms = Math.round(wait + this.#env.random() * spread);
    let target = this.url;
    try {
      if (url) target = socketUrl(url, this.url);
    } catch {
      // An address that cannot be used: come back to this server.
    }
    this.#move = { at: this.#env.local() + ms, url: target };
    return ms;
  }

  /**
   * The connection is gone.
   * @param {number} code
   * @param {Bounds} bounds
   * @returns {number} after how many ms to try again, at `url`
   */
  delay(code, { min_ms, max_ms }) {
    const now = this.#env.local();
    const lasted = this.#since === null ? 0 : now - this.#since;
    const useful = this.#since !== null;
    this.#since = null;
    if (this.#move) {
      const { at, url } = this.#move;
      this.#move = null;
      this.url = url;
      this.#attempt = 0;
      return Math.max(0, Math.round(at - now));
    }
    // Where the server sent us did not work out: back to the address we were given.
    if (!useful) this.url = this.#options.url;
    if (lasted >= max_ms) this.#attempt = 0;
    const bound = SLOW_RETRY.has(code) ? max_ms : Math.min(max_ms, min_ms * 2 ** this.#attempt);
    this.#attempt += 1;
    return Math.round(this.#env.random() * bound);
  }
}
