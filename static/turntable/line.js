/**
 * The line to the server: one connection at a time, by which door, and when
 * and where to try again once it is gone.
 *
 * The table of close codes says whether to come back at all, `Retry` when and
 * where, `Ladder` by which door. While a lesser one is in use, the best one is
 * tried at intervals beside it; once the server greets there, the session moves
 * over.
 * @module
 */

import { CLOSE_CODES } from "./codes.js";
import { LOST } from "./doors/door.js";
import { Ladder } from "./ladder.js";
import { Retry } from "./retry.js";

/** @import { Connection, ConnectionHooks, Door, Kind } from "./doors/door.js" */
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
 * @property {() => {session: string, received: number} | undefined} resume the session to go on with
 * @property {() => void} heard there was a sign of life
 * @property {(message: any) => void} message
 * @property {() => void} resumed the door has resumed the session by itself
 * @property {() => void} expired the session is gone, and the door begins a new one
 * @property {ConnectionHooks["refused"]} refused
 * @property {(traffic: {direction: "in" | "out", kind: Kind, what: string | (() => string), bytes: number | undefined}) => void} traffic
 * @property {(down: Down) => void} down
 */

/**
 * @typedef {object} LineOptions
 * @property {string} url
 * @property {Door[]} doors best first
 * @property {{WebSocket: any, EventSource: any, fetch: any}} platform
 * @property {{min_ms: number, max_ms: number} | false} reconnect
 * @property {number} timeout_ms for a connection to become useful
 * @property {boolean} renew whether a session that another connection took over is followed by a new one
 * @property {Environment} environment
 */

/** Own close code for moving to another server: 1000 would end the session. */
const MOVED = 4000;
const REPLACED = 4002;
const HEARTBEAT_MISSED = 4008;
/** How long the server's first word may take, where there is another door. */
const GREETING_MS = 5000;
/** Between two tries of the best door while another is in use, at first and at most. */
const CLIMB_MS = 30_000;
const CLIMB_MAX_MS = 480_000;
/** @type {Record<number, string>} */
const REASONS = { [MOVED]: "moved", [LOST]: "lost" };

export class Line {
  #options;
  #hooks;
  #env;
  #ladder;
  /** @type {Connection | null} */
  #connection = null;
  /** Whether there was a sign of the server on this connection. */
  #greeted = false;
  /** Local ms at which this connection was begun. */
  #opened_at = 0;
  /** @type {any} */
  #timer;
  /** @type {(() => void) | null} what the timer waits for, where that may be hurried */
  #waiting = null;
  #retry;
  /** A connection by the best door, tried beside the one in use. @type {Connection | null} */
  #climber = null;
  /** @type {any} */
  #climb_timer;
  #climb_ms = CLIMB_MS;
  #ended = false;

  /**
   * @param {LineOptions} options
   * @param {LineHooks} hooks
   */
  constructor(options, hooks) {
    this.#options = options;
    this.#hooks = hooks;
    this.#env = options.environment;
    this.#retry = new Retry(options);
    this.#ladder = new Ladder(options.doors.length);
  }

  /** The door in use, or being tried. @returns {Door} */
  get door() {
    return /** @type {Door} */ (this.#options.doors[this.#ladder.index]);
  }

  /**
   * Another door than the best comes first, where there is one of that name.
   * @param {string} name
   */
  begin_with(name) {
    const index = this.#options.doors.findIndex((door) => door.name === name);
    if (index >= 0) this.#ladder.index = index;
  }

  /** Makes a connection. */
  open() {
    if (this.#ended || this.#connection) return;
    const { doors, timeout_ms } = this.#options;
    this.#greeted = false;
    this.#opened_at = this.#env.local();
    if (doors.length > 1 && GREETING_MS < timeout_ms) this.#wait(GREETING_MS, () => this.#mute());
    else this.#wait(timeout_ms, () => this.#useless());
    this.#hooks.opening();
    // A listener may have closed the client.
    if (this.#ended) return;
    const connection = this.#make(this.door);
    this.#connection = connection;
    connection.open();
  }

  /**
   * A connection whose word counts as long as it is the one in use.
   * @param {Door} door
   * @returns {Connection}
   */
  #make(door) {
    const { environment, platform } = this.#options;
    const hooks = this.#hooks;
    const used = () => this.#connection === connection;
    /** @type {Connection} */
    const connection = door.connection(
      { url: this.#retry.url, environment, ...platform },
      {
        resume: () => hooks.resume(),
        heard: () => {
          if (used()) this.#heard();
        },
        message: (message) => {
          if (used()) hooks.message(message);
          else if (connection === this.#climber) this.#climbed(connection, message);
        },
        resumed: () => {
          if (used()) hooks.resumed();
        },
        expired: () => {
          if (used()) hooks.expired();
        },
        refused: (texts, error) => {
          if (used()) hooks.refused(texts, error);
        },
        closed: (code, reason, gone = false) => {
          if (used()) this.#down(code, reason, gone);
          else if (connection === this.#climber) this.#fell();
        },
        traffic: (direction, kind, what, bytes) => hooks.traffic({ direction, kind, what, bytes }),
      },
    );
    return connection;
  }

  #heard() {
    this.#hooks.heard();
    if (this.#greeted) return;
    this.#greeted = true;
    if (this.#retry.useful) return;
    const left = Math.max(0, this.#opened_at + this.#options.timeout_ms - this.#env.local());
    this.#wait(left, () => this.#useless());
  }

  /** The server has not said a word: something between may hold back what this door needs. */
  #mute() {
    this.#ladder.failed(true);
    this.#greeted = true;
    this.drop(LOST, "no word of the server in time");
  }

  #useless() {
    this.drop(LOST, "no welcome in time");
  }

  /** The connection has become useful: the server said `welcome`. */
  settled() {
    this.#env.clearTimeout(this.#timer);
    this.#retry.settled();
    this.#ladder.worked();
    this.#climb_later();
  }

  /** Whether what is written can get out: from the close frame on it cannot. */
  get writable() {
    return this.#connection?.writable === true;
  }

  /** @param {string} text */
  write(text) {
    this.#connection?.send(text);
  }

  /**
   * Sets how often a door that must ask asks; 0: only when there is something to say.
   * @param {number} ms
   */
  heartbeat(ms) {
    for (const door of this.#options.doors) door.heartbeat?.(ms);
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
    this.#stay();
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
    const ms = this.#retry.move(reconnect_ms, url);
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
    const connection = this.#connection;
    this.#connection = null;
    connection?.close(code, text);
  }

  /**
   * @param {number} code
   * @param {string} text
   * @param {boolean} [gone] whether the door cannot work here
   */
  #down(code, text, gone = false) {
    this.#connection = null;
    this.#env.clearTimeout(this.#timer);
    this.#stay();
    if (!this.#greeted || gone) this.#ladder.failed(gone);
    const row = CLOSE_CODES[code];
    const retry = this.#options.reconnect;
    if (this.#ended) return;
    const renew = code === REPLACED && this.#options.renew;
    /** @type {number | undefined} */
    let retry_ms;
    if (retry && (renew || (row?.reconnect ?? true))) {
      retry_ms = this.#retry.delay(code, retry);
      this.#waiting = () => this.open();
      this.#wait(retry_ms, () => this.hurry());
    } else {
      this.#ended = true;
    }
    this.#hooks.down({ code, reason: REASONS[code] ?? row?.name ?? "lost", text, resume: row?.resume ?? true, retry_ms });
  }

  /** After a while on a lesser door the best one is tried. */
  #climb_later() {
    this.#stay();
    const best = this.#options.doors[0];
    if (this.#ladder.index === 0 || !best || !this.#options.reconnect) return;
    this.#climb_timer = this.#env.setTimeout(() => {
      this.#climb_ms = Math.min(CLIMB_MAX_MS, this.#climb_ms * 2);
      // Another door than the WebSocket would take the session over unasked.
      if (best.name !== "websocket") return;
      this.#climber = this.#make(best);
      this.#climb_timer = this.#env.setTimeout(() => this.#fell(), GREETING_MS);
      this.#climber.open();
    }, this.#climb_ms);
  }

  /**
   * The best door works: the session moves over to it.
   * @param {Connection} connection
   * @param {any} message its first
   */
  #climbed(connection, message) {
    if (message?.command !== "idyou" || !this.#connection?.idle) {
      this.#fell();
      return;
    }
    this.#climber = null;
    this.#stay();
    this.#detach(MOVED, "");
    this.#connection = connection;
    this.#ladder.worked(0);
    this.#climb_ms = CLIMB_MS;
    this.#greeted = true;
    this.#retry.opened();
    this.#wait(this.#options.timeout_ms, () => this.#useless());
    this.#hooks.opening();
    if (this.#connection === connection) this.#hooks.message(message);
  }

  /** The best door does not work yet. */
  #fell() {
    this.#climb_later();
  }

  /** Gives up what was tried beside the line in use. */
  #stay() {
    this.#env.clearTimeout(this.#climb_timer);
    const climber = this.#climber;
    this.#climber = null;
    climber?.close(MOVED, "");
  }
}
