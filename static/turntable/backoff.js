/**
 * When and to which address to reconnect.
 *
 * The delay is a random part of min_ms * 2^attempt ("full jitter"), so that
 * clients do not reconnect to a restarted server all at once. It is at most 2 s
 * in the first attempts, and max_ms after them. Attempts that fail are counted up to
 * the next connection; connections that do not last are counted up to one that
 * lasted max_ms, so a server that accepts and closes connections immediately is not
 * overloaded, and a loss right after an outage does not wait for it. A delay requested by `goaway` takes
 * precedence, once. Until the next connection lasted, delays are spread over the
 * time that the server named there, which grows with the number of its clients. A server
 * that crashes sends no `goaway`: after a connection that was cut, delays are spread over
 * the time that its last `welcome` named.
 * @module
 */

import { socketUrl } from "./address.js";

/** @import { Environment } from "./environment.js" */

/** @typedef {{min_ms: number, max_ms: number}} Bounds */

/** Close codes after which even the first delay is bounded by max_ms alone. */
const SLOW_RETRY = new Set([4006, 4007]);

/** The first attempts, and the bound of their delays. */
const EARLY_ATTEMPTS = 6;
const EARLY_MS = 2000;

export class Backoff {
  #options;
  #env;
  /** Attempts that failed in a row. */
  #attempt = 0;
  /** Connections in a row that did not last. */
  #short = 0;
  /** Local ms of the welcome. @type {number | null} */
  #established_at = null;
  /** The move that the server requested. @type {{at: number, url: string} | null} */
  #move = null;

  /** The times over which clients are to return, of the last `welcome` and of a `goaway`. */
  #welcome_ms = 0;
  #goaway_ms = 0;
  /** Whether the connection was cut and no other one had its welcome since: the server may have crashed. */
  #cut = false;

  /** The address to connect to. @type {string} */
  url;

  /** @param {{url: string, reconnect: Bounds | false, environment: Environment}} options */
  constructor(options) {
    this.#options = options;
    this.#env = options.environment;
    this.url = options.url;
  }

  /** Whether the current connection has received its welcome. */
  get established() {
    return this.#established_at !== null;
  }

  /** The time over which clients are to return to a server that was away. */
  get spread_ms() {
    return Math.max(this.#welcome_ms, this.#goaway_ms);
  }

  /** A new connection replaces the current one without a loss. */
  opened() {
    this.#established_at = null;
  }

  /**
   * The connection received its welcome.
   * @param {number | undefined} reconnect_ms that it named
   */
  welcomed(reconnect_ms) {
    this.#established_at = this.#env.local();
    this.#move = null;
    this.#cut = false;
    this.#welcome_ms = Math.max(0, Number(reconnect_ms) || 0);
  }

  /**
   * The server asks the client to reconnect after `reconnect_ms`, possibly to
   * another address.
   * @param {number} reconnect_ms
   * @param {string | undefined} url
   * @returns {number} the delay in ms, with jitter
   */
  move(reconnect_ms, url) {
    const { reconnect } = this.#options;
    const wait = Math.max(0, Number(reconnect_ms) || 0);
    const spread = reconnect ? Math.max(wait, reconnect.min_ms) : wait;
    this.#goaway_ms = wait;
    const ms = Math.round(wait + this.#env.random() * spread);
    let target = this.url;
    try {
      if (url) target = socketUrl(url, this.url);
    } catch {
      // Invalid address: reconnect to the current one.
    }
    this.#move = { at: this.#env.local() + ms, url: target };
    return ms;
  }

  /**
   * The connection was lost.
   * @param {number} code
   * @param {Bounds} bounds
   * @param {boolean} cut whether it ended without a close code
   * @returns {number} the delay in ms before the next attempt, at `url`
   */
  delay(code, { min_ms, max_ms }, cut) {
    const now = this.#env.local();
    const established = this.#established_at !== null;
    const lasted = this.#established_at === null ? 0 : now - this.#established_at;
    this.#established_at = null;
    if (this.#move) {
      const { at, url } = this.#move;
      this.#move = null;
      this.url = url;
      this.#attempt = this.#short = 0;
      return Math.max(0, Math.round(at - now));
    }
    // The address of a goaway did not work: return to the configured one.
    if (!established) this.url = this.#options.url;
    if (lasted >= max_ms) {
      this.#short = 0;
      this.#goaway_ms = 0;
    }
    if (established) this.#cut = cut;
    if (established) this.#attempt = this.#short;
    if (established) this.#short += 1;
    const early = Math.max(min_ms, EARLY_MS);
    const grown = Math.min(early, min_ms * 2 ** this.#attempt) * 2 ** Math.max(0, this.#attempt - EARLY_ATTEMPTS);
    const bound = SLOW_RETRY.has(code) ? max_ms : Math.min(max_ms, grown);
    this.#attempt += 1;
    return Math.round(this.#env.random() * Math.max(bound, this.#cut ? this.spread_ms : this.#goaway_ms));
  }
}
