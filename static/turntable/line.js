/**
 * The line to the server: one WebSocket at a time, and when and where to try
 * again once it is gone.
 *
 * A retry waits a random part of min_ms * 2^attempt, at most max_ms ("full
 * jitter"), so that a restarted server is not met by all clients at once. The
 * attempts are counted from zero again only after a connection that lasted
 * max_ms: a server that accepts and closes at once is not hammered. The table
 * of close codes says whether to come back at all, `goaway` when and where.
 * @module
 */

import { CLOSE_CODES } from "./codes.js";

/** @import { Environment } from "./environment.js" */

/**
 * @typedef {object} Down why the line is down, and what comes next
 * @property {number} code the WebSocket's close code; 1006 where the line broke
 * @property {string} reason its name in CLOSE_CODES; "lost" where the line broke
 * @property {string} text what the server said beside the code
 * @property {boolean} resume whether the session may be resumed
 * @property {number | undefined} retry_ms when it is tried again; undefined: never
 */

/**
 * @typedef {object} LineHooks
 * @property {() => void} opening a connection is being made
 * @property {(text: string) => void} text
 * @property {(down: Down) => void} down
 */

/**
 * @typedef {object} LineOptions
 * @property {string} url
 * @property {any} WebSocket constructor
 * @property {{min_ms: number, max_ms: number} | false} reconnect
 * @property {number} timeout_ms for a connection to become useful
 * @property {Environment} environment
 */

/** The codes after which even the first retry waits as long as a late one. */
const SLOW_RETRY = new Set([4006, 4007]);
/** The ready state of a WebSocket that takes and sends. */
const OPEN = 1;
/** Own close code for moving to another server: 1000 would end the session. */
const MOVED = 4000;
/** What a browser reports where no close frame came; never sent. */
const LOST = 1006;
const HEARTBEAT_MISSED = 4008;
/** @type {Record<number, string>} */
const REASONS = { [MOVED]: "moved", [LOST]: "lost" };

export class Line {
  #options;
  #hooks;
  #env;
  /** @type {any} */
  #socket = null;
  /** @type {any} */
  #timer;
  /** @type {(() => void) | null} what the timer waits for, where that may be hurried */
  #waiting = null;
  #attempt = 0;
  /** @type {number | null} local ms at which the connection became useful */
  #since = null;
  #url;
  /** @type {{at: number, url: string} | null} a move that the server asked for */
  #move = null;
  #ended = false;

  /**
   * @param {LineOptions} options
   * @param {LineHooks} hooks
   */
  constructor(options, hooks) {
    this.#options = options;
    this.#hooks = hooks;
    this.#env = options.environment;
    this.#url = options.url;
  }

  /** Makes a connection. */
  open() {
    if (this.#ended || this.#socket) return;
    this.#wait(this.#options.timeout_ms, () => this.drop(LOST, "no welcome in time"));
    this.#hooks.opening();
    // A listener may have closed the client.
    if (this.#ended) return;
    /** @type {any} */
    let socket;
    try {
      socket = new this.#options.WebSocket(this.#url);
    } catch (error) {
      this.#down(LOST, String(error));
      return;
    }
    this.#socket = socket;
    socket.onmessage = (/** @type {any} */ event) => {
      if (typeof event.data === "string") this.#hooks.text(event.data);
      else this.drop(1003, "the server sent a binary frame");
    };
    // An error is always followed by a close, which says more.
    socket.onerror = () => {};
    socket.onclose = (/** @type {any} */ event) => this.#down(event.code || LOST, event.reason || "");
  }

  /** The connection has become useful: the server said `welcome`. */
  settled() {
    this.#env.clearTimeout(this.#timer);
    this.#since = this.#env.local();
    this.#move = null;
  }

  /** Whether what is written can get out: from the close frame on it cannot. */
  get writable() {
    return this.#socket?.readyState === OPEN;
  }

  /** @param {string} text */
  write(text) {
    if (this.writable) this.#socket.send(text);
  }

  /**
   * Gives the connection up, as if it had been closed with `code`, without
   * waiting for the other side (which may be dead), and tries again.
   * @param {number} code
   * @param {string} text
   */
  drop(code, text) {
    this.#detach(code === LOST ? HEARTBEAT_MISSED : code, text);
    this.#down(code, text);
  }

  /**
   * Ends for good, in order.
   * @param {number} code
   */
  end(code) {
    this.#ended = true;
    this.#env.clearTimeout(this.#timer);
    this.#waiting = null;
    this.#detach(code, "");
  }

  /** Tries now what would be tried later: the network is said to be back. */
  hurry() {
    const now = this.#waiting;
    if (!now) return;
    this.#env.clearTimeout(this.#timer);
    this.#waiting = null;
    now();
  }

  /**
   * The server asks to come back after reconnect_ms, perhaps elsewhere. It
   * closes the connection itself, or else it is left when that time is up.
   * @param {number} reconnect_ms
   * @param {string | undefined} url
   */
  goaway(reconnect_ms, url) {
    const wait = Math.max(0, Number(reconnect_ms) || 0);
    const spread = this.#options.reconnect ? Math.max(wait, this.#options.reconnect.min_ms) : wait;
    const ms = Math.round(wait + this.#env.random() * spread);
    let target = this.#url;
    try {
      if (url) target = socketUrl(url, this.#url);
    } catch {
      // An address that cannot be used: come back to this server.
    }
    this.#move = { at: this.#env.local() + ms, url: target };
    this.#wait(ms, () => this.drop(MOVED, "goaway"));
  }

  /**
   * @param {number} ms
   * @param {() => void} then
   */
  #wait(ms, then) {
    this.#env.clearTimeout(this.#timer);
    this.#timer = this.#env.setTimeout(then, ms);
  }

  /**
   * @param {number} code
   * @param {string} text
   */
  #detach(code, text) {
    const socket = this.#socket;
    this.#socket = null;
    if (!socket) return;
    socket.onmessage = null;
    socket.onclose = null;
    try {
      // A page may close with 1000 and 3000 to 4999 alone.
      if (code === 1000 || code >= 3000) socket.close(code, text);
      else socket.close();
    } catch {
      // Closed already.
    }
  }

  /**
   * @param {number} code
   * @param {string} text
   */
  #down(code, text) {
    this.#socket = null;
    this.#env.clearTimeout(this.#timer);
    const row = CLOSE_CODES[code];
    const retry = this.#options.reconnect;
    if (this.#ended) return;
    /** @type {number | undefined} */
    let retry_ms;
    if (retry && (row?.reconnect ?? true)) {
      retry_ms = this.#delay(code, retry);
      this.#waiting = () => this.open();
      this.#wait(retry_ms, () => this.hurry());
    } else {
      this.#ended = true;
    }
    this.#hooks.down({ code, reason: REASONS[code] ?? row?.name ?? "lost", text, resume: row?.resume ?? true, retry_ms });
  }

  /**
   * @param {number} code
   * @param {{min_ms: number, max_ms: number}} retry
   * @returns {number}
   */
  #delay(code, { min_ms, max_ms }) {
    const now = this.#env.local();
    const lasted = this.#since === null ? 0 : now - this.#since;
    const useful = this.#since !== null;
    this.#since = null;
    if (this.#move) {
      const { at, url } = this.#move;
      this.#move = null;
      this.#url = url;
      this.#attempt = 0;
      return Math.max(0, Math.round(at - now));
    }
    // Where the server sent us did not work out: back to the address we were given.
    if (!useful) this.#url = this.#options.url;
    if (lasted >= max_ms) this.#attempt = 0;
    const bound = SLOW_RETRY.has(code) ? max_ms : Math.min(max_ms, min_ms * 2 ** this.#attempt);
    this.#attempt += 1;
    return Math.round(this.#env.random() * bound);
  }
}

/**
 * The WebSocket address that `url` means: http(s) becomes ws(s), no path
 * becomes `/ws`, and what is missing is taken from `base`.
 * @param {string | URL | undefined} url
 * @param {string} [base]
 * @returns {string}
 */
export function socketUrl(url, base) {
  const location = globalThis.location;
  const target = new URL(url ?? "/ws", base ?? location?.href);
  if (target.protocol === "http:") target.protocol = "ws:";
  if (target.protocol === "https:") target.protocol = "wss:";
  if (target.protocol !== "ws:" && target.protocol !== "wss:") {
    throw new TypeError(`not an address of a turntable server: ${target.href} (ws, wss, http and https are)`);
  }
  if (target.pathname === "/") target.pathname = "/ws";
  // A WebSocket refuses an address with a fragment.
  target.hash = "";
  return target.href;
}
