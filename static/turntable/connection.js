/**
 * The connection to the server: opens one transport connection at a time,
 * selects the transport, and reconnects after a loss.
 *
 * The table of close codes decides whether to reconnect, `Backoff` when and to
 * which address, `TransportSelection` by which transport. While a transport
 * other than the preferred one is in use, the preferred one is probed at
 * intervals. When the server answers the probe, the session moves to it
 * (upgrade).
 * @module
 */

import { Backoff } from "./backoff.js";
import { CLOSE_CODES } from "./codes.js";
import { TransportSelection } from "./transport_selection.js";
import { LOST } from "./transports/transport.js";

/** @import { Environment } from "./environment.js" */
/** @import { Sent } from "./sent_log.js" */
/** @import { Kind, Transport, TransportConnection, TransportHooks } from "./transports/transport.js" */

/**
 * @typedef {object} Disconnection why the connection was lost, and what follows
 * @property {number} code the close code; 1006 if no close frame was received
 * @property {string} reason its name in CLOSE_CODES, "lost" or "moved"
 * @property {string} text the server's explanation, if any
 * @property {boolean} resume whether the session can be resumed
 * @property {number | undefined} retry_ms delay before the next attempt; undefined: no further attempt
 */

/**
 * @typedef {object} ConnectionHooks
 * @property {() => void} connecting a transport connection is being opened
 * @property {TransportHooks["resume"]} resume the session to resume, if any
 * @property {TransportHooks["taken"]} taken
 * @property {TransportHooks["accepted"]} accepted
 * @property {TransportHooks["discarded"]} discarded
 * @property {() => void} activity something arrived from the server
 * @property {(message: any) => void} message
 * @property {TransportHooks["resumed"]} resumed the transport resumed the session itself
 * @property {() => void} expired the session no longer exists; the transport starts a new one
 * @property {TransportHooks["refused"]} refused
 * @property {(traffic: {direction: "in" | "out", kind: Kind, content: string | (() => string), bytes: number | undefined}) => void} traffic
 * @property {(disconnection: Disconnection) => void} disconnected
 */

/**
 * @typedef {object} ConnectionOptions
 * @property {string} url
 * @property {Transport[]} transports in order of preference
 * @property {{WebSocket: any, EventSource: any, fetch: any}} platform
 * @property {{min_ms: number, max_ms: number} | false} reconnect
 * @property {number} timeout_ms maximum time until the welcome
 * @property {boolean} renew whether a session that another connection took over is followed by a new one
 * @property {Environment} environment
 */

/** The library's close code for a move to another server; 1000 would end the session. */
const MOVED = 4000;
const REPLACED = 4002;
const HEARTBEAT_MISSED = 4008;
/** Maximum time until the server's first response, if another transport is available. */
const FIRST_RESPONSE_MS = 5000;
/** Interval between probes of the preferred transport: initial and maximum. */
const UPGRADE_MS = 30_000;
const UPGRADE_MAX_MS = 480_000;
/** @type {Record<number, string>} */
const REASONS = { [MOVED]: "moved", [LOST]: "lost" };

export class Connection {
  #options;
  #hooks;
  #env;
  #selection;
  /** @type {TransportConnection | null} */
  #current = null;
  /** Whether the server has responded on the current transport connection. */
  #responded = false;
  /** Local ms at which the current transport connection was opened. */
  #opened_at = 0;
  /** @type {any} */
  #timer;
  /** The pending attempt, which `retryNow` starts early. @type {(() => void) | null} */
  #retry = null;
  #backoff;
  /** A probe of the preferred transport beside the current one. @type {TransportConnection | null} */
  #probe = null;
  /** @type {any} */
  #upgrade_timer;
  #upgrade_ms = UPGRADE_MS;
  #closed = false;

  /**
   * @param {ConnectionOptions} options
   * @param {ConnectionHooks} hooks
   */
  constructor(options, hooks) {
    this.#options = options;
    this.#hooks = hooks;
    this.#env = options.environment;
    this.#backoff = new Backoff(options);
    this.#selection = new TransportSelection(options.transports.length);
  }

  /** The transport in use, or being tried. @returns {Transport} */
  get transport() {
    return /** @type {Transport} */ (this.#options.transports[this.#selection.index]);
  }

  /**
   * Tries the named transport first, if it is available.
   * @param {string} name
   */
  startWith(name) {
    const index = this.#options.transports.findIndex((transport) => transport.name === name);
    if (index >= 0) this.#selection.index = index;
  }

  /** Opens a transport connection. */
  open() {
    if (this.#closed || this.#current) return;
    const { transports, timeout_ms } = this.#options;
    this.#responded = false;
    this.#opened_at = this.#env.local();
    if (transports.length > 1 && FIRST_RESPONSE_MS < timeout_ms) this.#wait(FIRST_RESPONSE_MS, () => this.#noResponse());
    else this.#wait(timeout_ms, () => this.#noWelcome());
    this.#hooks.connecting();
    // A listener may have closed the client.
    if (this.#closed) return;
    const connection = this.#create(this.transport);
    this.#current = connection;
    connection.open();
  }

  /**
   * Creates a transport connection. Its events count only while it is the
   * current one or the probe.
   * @param {Transport} transport
   * @returns {TransportConnection}
   */
  #create(transport) {
    const { environment, platform } = this.#options;
    const hooks = this.#hooks;
    const isCurrent = () => this.#current === connection;
    /** @type {TransportConnection} */
    const connection = transport.createConnection(
      { url: this.#backoff.url, environment, ...platform },
      {
        resume: () => hooks.resume(),
        activity: () => {
          if (isCurrent()) this.#activity();
        },
        message: (message) => {
          if (isCurrent()) hooks.message(message);
          else if (connection === this.#probe) this.#upgrade(connection, message);
        },
        resumed: (accepted) => {
          if (isCurrent()) hooks.resumed(accepted);
        },
        taken: (number) => {
          if (isCurrent()) hooks.taken(number);
        },
        accepted: (count) => {
          if (isCurrent()) hooks.accepted(count);
        },
        discarded: (entries) => {
          if (isCurrent()) hooks.discarded(entries);
        },
        expired: () => {
          if (isCurrent()) hooks.expired();
        },
        refused: (texts, error) => {
          if (isCurrent()) hooks.refused(texts, error);
        },
        closed: (code, reason, unsupported = false) => {
          if (isCurrent()) this.#lost(code, reason, unsupported);
          else if (connection === this.#probe) this.#probeFailed();
        },
        traffic: (direction, kind, content, bytes) => hooks.traffic({ direction, kind, content, bytes }),
      },
    );
    return connection;
  }

  #activity() {
    this.#hooks.activity();
    if (this.#responded) return;
    this.#responded = true;
    if (this.#backoff.established) return;
    const left = Math.max(0, this.#opened_at + this.#options.timeout_ms - this.#env.local());
    this.#wait(left, () => this.#noWelcome());
  }

  /** The server has not responded; an intermediary may block this transport. */
  #noResponse() {
    this.#selection.failed(true);
    this.#responded = true;
    this.drop(LOST, "no response from the server in time");
  }

  #noWelcome() {
    this.drop(LOST, "no welcome in time");
  }

  /** The session received its welcome; the connection is established. */
  welcomed() {
    this.#env.clearTimeout(this.#timer);
    this.#backoff.welcomed();
    this.#selection.succeeded();
    this.#scheduleProbe();
  }

  /** Whether a message written now can reach the server; false once the connection is closing. */
  get writable() {
    return this.#current?.writable === true;
  }

  /**
   * @param {string} text
   * @param {Sent} [entry] of the log of sent commands, if it counts
   */
  write(text, entry) {
    this.#current?.send(text, entry);
  }

  /**
   * Sets the interval of polling transports.
   * @param {number} ms 0: requests are sent only with messages
   */
  heartbeat(ms) {
    for (const transport of this.#options.transports) transport.heartbeat?.(ms);
  }

  /**
   * Abandons the transport connection as if it had been closed with `code`, and
   * reconnects. Does not wait for the server, which may be unreachable.
   * @param {number} code
   * @param {string} text
   */
  drop(code, text) {
    this.#detach(code === LOST ? HEARTBEAT_MISSED : code, text);
    this.#lost(code, text);
  }

  /**
   * Closes for good.
   * @param {number} code
   */
  close(code) {
    this.#closed = true;
    this.#env.clearTimeout(this.#timer);
    this.#retry = null;
    this.#cancelProbe();
    this.#detach(code, "");
  }

  /** Starts the pending attempt now, for instance because the network is available again. */
  retryNow() {
    const retry = this.#retry;
    if (!retry) return;
    this.#env.clearTimeout(this.#timer);
    this.#retry = null;
    retry();
  }

  /**
   * The server asks the client to reconnect after `reconnect_ms`, possibly to
   * another address. If the server has not closed the connection by then, the
   * client does.
   * @param {number} reconnect_ms
   * @param {string | undefined} url
   */
  goaway(reconnect_ms, url) {
    const ms = this.#backoff.move(reconnect_ms, url);
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
    const connection = this.#current;
    this.#current = null;
    connection?.close(code, text);
  }

  /**
   * @param {number} code
   * @param {string} text
   * @param {boolean} [unsupported] whether the transport is not available at this server
   */
  #lost(code, text, unsupported = false) {
    this.#current = null;
    this.#env.clearTimeout(this.#timer);
    this.#cancelProbe();
    if (!this.#responded || unsupported) this.#selection.failed(unsupported);
    const row = CLOSE_CODES[code];
    const bounds = this.#options.reconnect;
    if (this.#closed) return;
    const renew = code === REPLACED && this.#options.renew;
    /** @type {number | undefined} */
    let retry_ms;
    if (bounds && (renew || (row?.reconnect ?? true))) {
      retry_ms = this.#backoff.delay(code, bounds);
      this.#retry = () => this.open();
      this.#wait(retry_ms, () => this.retryNow());
    } else {
      this.#closed = true;
    }
    this.#hooks.disconnected({ code, reason: REASONS[code] ?? row?.name ?? "lost", text, resume: row?.resume ?? true, retry_ms });
  }

  /** Schedules a probe of the preferred transport if another one is in use. */
  #scheduleProbe() {
    this.#cancelProbe();
    const preferred = this.#options.transports[0];
    if (this.#selection.index === 0 || !preferred || !this.#options.reconnect) return;
    this.#upgrade_timer = this.#env.setTimeout(() => {
      this.#upgrade_ms = Math.min(UPGRADE_MAX_MS, this.#upgrade_ms * 2);
      // Opening any other transport would take the session over immediately.
      if (preferred.name !== "websocket") return;
      this.#probe = this.#create(preferred);
      this.#upgrade_timer = this.#env.setTimeout(() => this.#probeFailed(), FIRST_RESPONSE_MS);
      this.#probe.open();
    }, this.#upgrade_ms);
  }

  /**
   * The preferred transport works: the session moves to it.
   * @param {TransportConnection} connection
   * @param {any} message the first message
   */
  #upgrade(connection, message) {
    if (message?.command !== "idyou" || !this.#current?.idle) {
      this.#probeFailed();
      return;
    }
    this.#probe = null;
    this.#cancelProbe();
    this.#detach(MOVED, "");
    this.#current = connection;
    this.#selection.succeeded(0);
    this.#upgrade_ms = UPGRADE_MS;
    this.#responded = true;
    this.#backoff.opened();
    this.#wait(this.#options.timeout_ms, () => this.#noWelcome());
    this.#hooks.connecting();
    if (this.#current === connection) this.#hooks.message(message);
  }

  /** The preferred transport does not work yet. */
  #probeFailed() {
    this.#scheduleProbe();
  }

  /** Closes the probe and cancels the next one. */
  #cancelProbe() {
    this.#env.clearTimeout(this.#upgrade_timer);
    const probe = this.#probe;
    this.#probe = null;
    probe?.close(MOVED, "");
  }
}
