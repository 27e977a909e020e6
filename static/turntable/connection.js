/**
 * The connection to the server: opens one transport connection at a time,
 * selects the transport, and reconnects after a loss.
 *
 * The table of close codes decides whether to reconnect, `Backoff` when and to
 * which address, `TransportSelection` by which transport, `Reachability` whether
 * a failure is one of the transport or of the server. A retry waits until that
 * is decided:
 *
 *     attempt fails ─► request over HTTP ─┬─ answered: the transport failed
 *                                         └─ not: the server is away. Request
 *                                            until it answers; then connect
 *
 * While another transport than the first is in use, better ones are probed at
 * intervals (`Upgrade`), and the session moves to one that works.
 * @module
 */

import { Backoff } from "./backoff.js";
import { CLOSE_CODES } from "./codes.js";
import { Reachability } from "./reachability.js";
import { TransportSelection } from "./transport_selection.js";
import { Upgrade } from "./upgrade.js";
import { LOST } from "./transports/transport.js";

/** @import { Environment } from "./environment.js" */
/** @import { StreamSlots } from "./stream_slots.js" */
/** @import { Sent } from "./sent_log.js" */
/** @import { Kind, Transport, TransportConnection, TransportHooks } from "./transports/transport.js" */

/**
 * @typedef {object} Disconnection why the connection was lost, and what follows
 * @property {number} code the close code; 1006 if no close frame was received
 * @property {string} reason its name in CLOSE_CODES, "lost" or "moved"
 * @property {string} text the server's explanation, if any
 * @property {boolean} resume whether the session can be resumed
 * @property {number | undefined} retry_ms time until the next attempt, at most; undefined: no further attempt
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
 * @property {(code: number) => boolean} returns whether the client connects again after a close
 *   code after which it usually does not
 * @property {(disconnection: Disconnection) => void} disconnected
 */

/**
 * @typedef {object} ConnectionOptions
 * @property {string} url
 * @property {Transport[]} transports in order of preference
 * @property {{WebSocket: any, EventSource: any, fetch: any}} platform
 * @property {StreamSlots} [streams] limits the pages that keep a request open
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
/** Time without a response after which the client asks whether the server can be reached. */
const SLOW_MS = 2000;
/** More time for an attempt when the server answered another request meanwhile. */
const EXTRA_MS = 1000;
/** A connection that carried messages both ways and lasted this long has proven its transport. */
const PROVEN_MS = 5000;
/** @type {Record<number, string>} */
const REASONS = { [MOVED]: "moved", [LOST]: "lost" };

export class Connection {
  #options;
  #hooks;
  #env;
  #selection;
  #reachability;
  #upgrade;
  #backoff;
  /** @type {TransportConnection | null} */
  #current = null;
  /** Whether the server has responded on the current transport connection. */
  #responded = false;
  /** Whether something was written on it, and whether a message followed. */
  #wrote = false;
  #both_ways = false;
  #proven = false;
  /** Whether the server answered other requests but not this attempt. */
  #reached = false;
  /** Local ms at which the current transport connection was opened. */
  #opened_at = 0;
  /** @type {any} */
  #timer;
  /** @type {any} */
  #slow_timer;
  /** @type {any} */
  #proven_timer;
  /** The pending attempt, which `retryNow` starts early. @type {(() => void) | null} */
  #retry = null;
  /** Local ms of the pending attempt. */
  #retry_at = 0;
  /** Whether the pending attempt is due and waits for `Reachability`. */
  #held = false;
  /** A failure that is one of the transport only if the server can be reached. @type {{final: boolean} | undefined} */
  #undecided;
  /** Whether a slot for a stream is being claimed. */
  #claiming = false;
  #closed = false;

  /**
   * @param {ConnectionOptions} options
   * @param {ConnectionHooks} hooks
   */
  constructor(options, hooks) {
    const { environment, platform, reconnect, transports } = options;
    this.#options = options;
    this.#hooks = hooks;
    this.#env = environment;
    this.#backoff = new Backoff(options);
    this.#selection = new TransportSelection(transports.length);
    this.#reachability = new Reachability(
      { environment, fetch: platform.fetch, max_ms: reconnect ? reconnect.max_ms : 0 },
      { answered: (first, ms) => this.#reachable(first, ms), failed: () => this.#away() },
    );
    this.#upgrade = new Upgrade(
      { environment, transports, streams: options.streams },
      {
        create: (transport, events) => this.#create(transport, events),
        idle: () => this.#current?.idle === true,
        move: (index, connection) => this.#move(index, connection),
      },
    );
  }

  /** The transport in use, or being tried. @returns {Transport} */
  get transport() {
    return /** @type {Transport} */ (this.#options.transports[this.#selection.index]);
  }

  /** Time until the next attempt in ms; undefined if none is pending. @returns {number | undefined} */
  get retry_in_ms() {
    return this.#retry ? Math.max(0, Math.round(this.#retry_at - this.#env.local())) : undefined;
  }

  /**
   * Tries the named transport first, if it is available.
   * @param {string} name
   */
  startWith(name) {
    const index = this.#options.transports.findIndex((transport) => transport.name === name);
    if (index >= 0) this.#selection.use(index);
  }

  /** Opens a transport connection. */
  open() {
    if (this.#closed || this.#current || this.#claiming) return;
    this.#retry = null;
    this.#held = false;
    this.#env.clearTimeout(this.#timer);
    this.#hooks.connecting();
    // A listener may have closed the client.
    if (this.#closed) return;
    const { streams, transports } = this.#options;
    const polling = transports.findIndex(({ push }) => !push);
    if (!streams || !this.transport.stream || polling < 0) {
      this.#start();
      return;
    }
    this.#claiming = true;
    void streams.claim().then((granted) => {
      this.#claiming = false;
      if (this.#closed) return;
      if (!granted) this.#selection.use(polling);
      this.#start();
    });
  }

  #start() {
    const { transports, timeout_ms } = this.#options;
    const limit_ms = transports.length > 1 ? Math.min(FIRST_RESPONSE_MS, timeout_ms) : timeout_ms;
    this.#begin(this.#env.local());
    this.#wait(limit_ms, () => this.#noResponse());
    if (SLOW_MS < limit_ms) this.#slow_timer = this.#env.setTimeout(() => this.#ask(), SLOW_MS);
    const connection = this.#create(this.transport);
    this.#current = connection;
    connection.open();
  }

  /**
   * What is known of a new transport connection.
   * @param {number} opened_at
   */
  #begin(opened_at) {
    this.#clearTimers();
    this.#responded = false;
    this.#wrote = false;
    this.#both_ways = false;
    this.#proven = false;
    this.#reached = false;
    this.#opened_at = opened_at;
  }

  /**
   * Creates a transport connection. Its events count only while it is the
   * current one, or go to `probe`.
   * @param {Transport} transport
   * @param {{message: (message: any) => void, closed: () => void}} [probe]
   * @returns {TransportConnection}
   */
  #create(transport, probe) {
    const { environment, platform } = this.#options;
    const hooks = this.#hooks;
    const isCurrent = () => this.#current === connection;
    /** @type {TransportConnection} */
    const connection = transport.createConnection(
      { url: this.#backoff.url, environment, ...platform },
      {
        // A probe must not take the session over.
        resume: () => (probe && !isCurrent() ? undefined : hooks.resume()),
        activity: () => {
          if (isCurrent()) this.#activity();
        },
        message: (message) => {
          if (!isCurrent()) return probe?.message(message);
          this.#both_ways ||= this.#wrote;
          this.#prove();
          hooks.message(message);
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
          if (!isCurrent()) return probe?.closed();
          if (unsupported) this.#selection.failed(true);
          else if (code === LOST && !this.#proven) this.#failed(false);
          this.#lost(code, reason);
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
    this.#reachability.stop();
    this.#undecided = undefined;
    this.#env.clearTimeout(this.#slow_timer);
    if (this.#backoff.established) return;
    const now = this.#env.local();
    this.#reachability.response_ms = now - this.#opened_at;
    const left = Math.max(0, this.#opened_at + this.#options.timeout_ms - now);
    this.#wait(left, () => this.#noWelcome());
  }

  /** The attempt has had no response for long. */
  #noResponse() {
    if (this.#options.transports.length > 1) this.#failed(true);
    this.drop(LOST, "no response from the server in time");
  }

  #noWelcome() {
    // A transport may carry messages in one direction only.
    if (this.#wrote && !this.#both_ways) this.#failed(true);
    this.drop(LOST, "no welcome in time");
  }

  /**
   * The attempt, or a connection that has proven nothing yet, failed.
   * @param {boolean} final whether further attempts are useless if the transport is the cause
   */
  #failed(final) {
    const { transports } = this.#options;
    if (transports.length < 2) return this.#responded ? undefined : this.#ask();
    const { available, active, deciding } = this.#reachability;
    if (!available || this.#reached) this.#selection.failed(final);
    // An outage is known, and explains the failure.
    else if (active && !deciding) return;
    else {
      this.#undecided = { final: final || this.#undecided?.final === true };
      this.#ask();
    }
  }

  /** Asks whether the server can be reached. */
  #ask() {
    if (!this.#options.reconnect) return;
    this.#reachability.spread_ms = this.#backoff.spread_ms;
    this.#reachability.start(this.#backoff.url);
  }

  /**
   * The server answered a request over HTTP.
   * @param {boolean} first whether it was the first request: the server has been there all along
   * @param {number} ms
   */
  #reachable(first, ms) {
    const undecided = this.#undecided;
    this.#undecided = undefined;
    if (this.#closed || this.#responded && this.#current) return;
    if (!first) {
      // The attempt began while the server was away, and is lost.
      this.#selection.recover();
      if (this.#current) this.#restart();
      else this.retryNow();
      return;
    }
    if (undecided) this.#selection.failed(undecided.final);
    else if (this.#current) {
      this.#reached = true;
      const left = this.#opened_at + FIRST_RESPONSE_MS - this.#env.local();
      this.#wait(Math.max(0, Math.min(left, Math.max(EXTRA_MS, 3 * ms))), () => this.#noResponse());
    }
    if (this.#held) this.open();
  }

  /** The server did not answer a request over HTTP. */
  #away() {
    this.#undecided = undefined;
    this.#selection.recover();
    if (this.#held) this.open();
  }

  /** Begins the current attempt anew. */
  #restart() {
    this.#detach(MOVED, "");
    this.open();
  }

  /** The session received its welcome; the connection is established. */
  welcomed() {
    const { streams } = this.#options;
    this.#env.clearTimeout(this.#timer);
    this.#backoff.welcomed();
    this.#both_ways ||= !this.transport.push;
    const left = this.#opened_at + PROVEN_MS - this.#env.local();
    this.#proven_timer = this.#env.setTimeout(() => this.#prove(), Math.max(0, left));
    if (!this.transport.stream) streams?.release();
    if (this.#options.reconnect) this.#upgrade.schedule(this.#selection.index);
  }

  /** Notes that the transport works, if the connection has lasted and carried messages both ways. */
  #prove() {
    if (this.#proven || !this.#both_ways || !this.#backoff.established) return;
    if (this.#env.local() - this.#opened_at < PROVEN_MS) return;
    this.#proven = true;
    this.#selection.proved();
    if (this.#selection.index === 0) this.#upgrade.reset();
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
    this.#wrote = true;
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
    this.#clearTimers();
    this.#retry = null;
    this.#reachability.stop();
    this.#upgrade.cancel();
    this.#detach(code, "");
    this.#options.streams?.release();
  }

  /** Starts the pending attempt now, for instance because the network is available again. */
  retryNow() {
    const retry = this.#retry;
    if (!retry) return;
    this.#env.clearTimeout(this.#timer);
    this.#retry = null;
    retry();
  }

  /** The network or the visibility of the page has changed: what failed before may work now. */
  changed() {
    if (this.#closed) return;
    this.#reachability.now();
    if (this.#retry) this.retryNow();
    else if (this.#current && !this.#responded && this.#env.local() - this.#opened_at > EXTRA_MS) this.#restart();
    else if (this.#backoff.established && this.#options.reconnect) this.#upgrade.soon(this.#selection.index);
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

  #clearTimers() {
    for (const timer of [this.#timer, this.#slow_timer, this.#proven_timer]) this.#env.clearTimeout(timer);
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
   */
  #lost(code, text) {
    this.#current = null;
    this.#clearTimers();
    this.#upgrade.cancel();
    const row = CLOSE_CODES[code];
    const bounds = this.#options.reconnect;
    if (this.#closed) return;
    const renew = (code === REPLACED && this.#options.renew) || this.#hooks.returns(code);
    /** @type {number | undefined} */
    let retry_ms;
    if (bounds && (renew || (row?.reconnect ?? true))) {
      retry_ms = this.#backoff.delay(code, bounds);
      this.#retry = () => this.open();
      this.#retry_at = this.#env.local() + retry_ms;
      this.#wait(retry_ms, () => this.#due());
    } else {
      this.#closed = true;
      this.#reachability.stop();
      this.#options.streams?.release();
    }
    this.#hooks.disconnected({ code, reason: REASONS[code] ?? row?.name ?? "lost", text, resume: row?.resume ?? true, retry_ms });
  }

  /** The pending attempt is due. */
  #due() {
    // By which transport depends on whether the server can be reached.
    if (this.#reachability.deciding && this.#options.transports.length > 1) this.#held = true;
    else this.retryNow();
  }

  /**
   * A better transport works: the session moves to it.
   * @param {number} index of the transport
   * @param {TransportConnection | undefined} connection the one to use; undefined: open one
   */
  #move(index, connection) {
    this.#detach(MOVED, "");
    this.#selection.use(index);
    this.#backoff.opened();
    if (!connection) {
      this.open();
      return;
    }
    this.#begin(this.#env.local());
    this.#current = connection;
    this.#responded = true;
    this.#wait(this.#options.timeout_ms, () => this.#noWelcome());
    this.#hooks.connecting();
    if (this.#current === connection) this.#hooks.message({ command: "idyou", data: {} });
  }
}
