/**
 * The connection to the server: opens one transport connection at a time,
 * selects the transport, and reconnects after a loss.
 *
 * The table of close codes decides whether to reconnect, `Backoff` when and to
 * which address, `TransportSelection` by which transport, `Diagnosis` whether a
 * failure is one of the transport or of the server. A retry waits until that is
 * decided.
 *
 * While another transport than the first is in use, better ones are probed at
 * intervals (`Upgrade`), and the session moves to one that works.
 * @module
 */

import { Backoff } from "./backoff.js";
import { Diagnosis } from "./diagnosis.js";
import { HEARTBEAT_MISSED, MOVED, REPLACED, disconnection, reconnects } from "./disconnection.js";
import { guardedHooks } from "./guarded_hooks.js";
import { closeDeadConnections } from "./idle_connections.js";
import { Retry } from "./retry.js";
import { TransportSelection } from "./transport_selection.js";
import { Trial } from "./trial.js";
import { Upgrade } from "./upgrade.js";
import { LOST } from "./transports/transport.js";

/** @import { Disconnection } from "./disconnection.js" */
/** @import { Probe } from "./guarded_hooks.js" */
/** @import { SessionOptions } from "./options.js" */
/** @import { Sent } from "./sent_log.js" */
/** @import { Kind, ResponseError, Transport, TransportConnection, TransportHooks } from "./transports/transport.js" */

/**
 * @typedef {object} OwnHooks
 * @property {() => void} connecting a transport connection is being opened
 * @property {(traffic: {direction: "in" | "out", kind: Kind, content: string | (() => string), bytes: number | undefined}) => void} traffic
 * @property {(error: ResponseError) => void} forbidden the server answers this page, and refuses its requests
 * @property {(code: number) => boolean} returns whether the client connects again after a close
 *   code after which it usually does not
 * @property {(disconnection: Disconnection) => void} disconnected
 */

/** @typedef {Omit<TransportHooks, "closed" | "traffic"> & OwnHooks} ConnectionHooks */

/** Maximum time until the server's first response, if another transport is available. */
const FIRST_RESPONSE_MS = 5000;
/** Time without a response after which the client asks whether the server can be reached. */
const SLOW_MS = 2000;
/** More time for an attempt when the server answered another request meanwhile. */
const EXTRA_MS = 1000;
/**
 * Time in which a new session in place of one that was taken over is not replaced by another one: two
 * clients would replace each other in turns, where a server permits one session of a user.
 */
const RENEWED_MS = 60_000;

export class Connection {
  #options;
  #hooks;
  #env;
  #selection;
  #diagnosis;
  #upgrade;
  #backoff;
  /** @type {TransportConnection | null} */
  #current = null;
  /** The last one that got its welcome: commands that are queued without one have its encoding. @type {TransportConnection | null} */
  #welcomed = null;
  #trial;
  /** @type {any} */
  #timer;
  /** @type {any} */
  #slow_timer;
  /** The first transport that could not begin the session, but can carry it. @type {number | undefined} */
  #carrier;
  /** Whether the pending attempt is due and waits, for `Diagnosis` or for dead connections to be closed. */
  #deferred = false;
  /** Whether dead connections are being closed. */
  #clearing = false;
  /** Whether a slot for a stream is being claimed. */
  #claiming = false;
  /** Local ms when the last session was taken over. */
  #replaced_at = -Infinity;
  #closed = false;

  /** The pending attempt. @readonly */
  retry;

  /**
   * @param {SessionOptions} options
   * @param {ConnectionHooks} hooks
   */
  constructor(options, hooks) {
    const { environment, platform, reconnect, transports } = options;
    this.#options = options;
    this.#hooks = hooks;
    this.#env = environment;
    this.#backoff = new Backoff(options);
    this.#trial = this.#newTrial();
    this.retry = new Retry(environment, () => this.#due());
    this.#selection = new TransportSelection(transports.length);
    this.#diagnosis = new Diagnosis(
      { environment, fetch: platform.fetch, alone: transports.length < 2, max_ms: reconnect ? reconnect.max_ms : undefined },
      this.#selection,
      {
        target: () => this.#backoff,
        settled: () => this.#closed || (this.#trial.responded && this.#current !== null),
        returned: () => (this.#current ? this.#restart() : this.retryNow()),
        reached: (ms) => this.#reached(ms),
        forbidden: (error) => this.#hooks.forbidden(error),
        decided: () => {
          if (this.#deferred && !this.#clearing) this.open();
        },
      },
    );
    this.#upgrade = new Upgrade(
      { environment, transports, streams: options.streams },
      {
        create: (transport, events) => this.#create(transport, events),
        idle: () => this.#current?.idle === true,
        life_ms: (index) => this.#selection.life_ms(index),
        rests: (index) => this.#selection.rests(index, environment.local()),
        move: (index, connection) => this.#move(index, connection),
      },
    );
  }

  /** The transport in use, or being tried. @returns {Transport} */
  get transport() {
    return /** @type {Transport} */ (this.#options.transports[this.#selection.index]);
  }

  /** @param {string} name of the transport to try first, if it is available */
  startWith(name) {
    const index = this.#options.transports.findIndex((transport) => transport.name === name);
    if (index >= 0) this.#selection.use(index);
  }

  /** Opens a transport connection. */
  open() {
    if (this.#closed || this.#current || this.#claiming) return;
    this.retry.cancel();
    this.#deferred = false;
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
    this.#begin();
    this.#wait(limit_ms, () => this.#noResponse());
    if (SLOW_MS < limit_ms) this.#slow_timer = this.#env.setTimeout(() => this.#diagnosis.ask(), SLOW_MS);
    const connection = this.#create(this.transport);
    this.#current = connection;
    connection.open();
  }

  /** A new transport connection. */
  #begin() {
    this.#clearTimers();
    this.#trial = this.#newTrial();
  }

  #newTrial() {
    return new Trial(this.#env, {
      proved: () => this.#selection.proved(),
      lasted: () => {
        this.#selection.lasted();
        if (this.#selection.index === 0) this.#upgrade.reset();
      },
    });
  }

  /**
   * Creates a transport connection. Its events count only while it is the
   * current one, or go to `probe`.
   * @param {Transport} transport
   * @param {Probe} [probe]
   * @returns {TransportConnection}
   */
  #create(transport, probe) {
    const { environment, platform, transports } = this.#options;
    const hooks = this.#hooks;
    /** @type {TransportHooks} */
    const own = {
      ...hooks,
      activity: () => this.#activity(),
      message: (message) => {
        this.#trial.received();
        hooks.message(message);
      },
      closed: (code, reason, unsupported = false) => {
        if (unsupported === "begin") this.#carrier ??= transports.indexOf(transport);
        if (unsupported) this.#selection.failed(true);
        else if (code === LOST && !this.#trial.lasted) this.#diagnosis.failed(false, this.#trial);
        this.#lost(code, reason, code === LOST);
      },
      traffic: (direction, kind, content, bytes) => hooks.traffic({ direction, kind, content, bytes }),
    };
    /** @type {TransportConnection} */
    const connection = transport.createConnection(
      { url: this.#backoff.url, environment, ...platform, alone: transports.length < 2 },
      guardedHooks(() => this.#current === connection, own, probe),
    );
    return connection;
  }

  #activity() {
    this.#hooks.activity();
    if (this.#trial.responded) return;
    this.#trial.responded = true;
    this.#env.clearTimeout(this.#slow_timer);
    const { age_ms } = this.#trial;
    this.#diagnosis.responded(this.#backoff.established ? undefined : age_ms);
    // A slow network takes as long for the identification.
    if (!this.#backoff.established) this.#wait(Math.max(2 * age_ms, this.#options.timeout_ms - age_ms), () => this.#noWelcome());
  }

  /** The attempt has had no response for long. */
  #noResponse() {
    if (this.#options.transports.length > 1) this.#diagnosis.failed(!this.#selection.trusted, this.#trial);
    this.drop(LOST, "no response from the server in time");
  }

  #noWelcome() {
    // A transport may carry messages in one direction only.
    if (this.#trial.one_way) this.#diagnosis.failed(true, this.#trial);
    this.drop(LOST, "no welcome in time");
  }

  /**
   * The server answers other requests, but not the attempt under way: it gets little more time, unless its
   * transport has worked. Where many connections are made at once, a browser makes those of WebSockets one
   * after another, while connections that are open carry requests.
   * @param {number} ms that the answer took
   */
  #reached(ms) {
    // Without another transport nothing is gained by another attempt.
    if (!this.#current || this.#options.transports.length < 2) return;
    this.#trial.reached = true;
    if (this.#selection.trusted) return;
    const left = Math.min(FIRST_RESPONSE_MS, this.#options.timeout_ms) - this.#trial.age_ms;
    this.#wait(Math.max(0, Math.min(left, Math.max(EXTRA_MS, 3 * ms))), () => this.#noResponse());
  }

  /** Begins the current attempt anew. */
  #restart() {
    this.#detach(MOVED, "");
    this.open();
  }

  /**
   * The session received its welcome; the connection is established.
   * @param {number} [reconnect_ms] over how long clients are to return if the server is lost
   */
  welcomed(reconnect_ms) {
    const { streams } = this.#options;
    this.#welcomed = this.#current;
    this.#env.clearTimeout(this.#timer);
    this.#backoff.welcomed(reconnect_ms);
    this.#trial.welcomed(this.transport.push);
    if (!this.transport.stream) streams?.release();
    if (this.#carrier !== undefined && this.#carrier < this.#selection.index) this.#upgrade.carry(this.#carrier);
    else if (this.#options.reconnect) this.#upgrade.schedule(this.#selection.index);
    this.#carrier = undefined;
  }

  /**
   * How many bytes a message has in the encoding of the connection, or of the last one during an outage.
   * @param {string} text a message as JSON
   */
  bytesOf(text) {
    return this.#welcomed?.bytesOf?.(text) ?? new TextEncoder().encode(text).length;
  }

  /** How many bytes a request of the transport adds to a message. */
  get envelope() {
    return this.transport.envelope ?? 0;
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
    this.#trial.wrote();
    this.#current?.send(text, entry);
  }

  /**
   * Sets the interval of polling transports.
   * @param {number} ms 0: requests are sent only with messages
   */
  heartbeat(ms) {
    for (const transport of this.#options.transports) transport.heartbeat?.(ms);
  }

  /** Polling transports: @returns {boolean} whether a request is under way that the server has to answer */
  probe() {
    return this.#current?.probe?.() === true;
  }

  /**
   * Abandons the transport connection as if it had been closed with `code`, and
   * reconnects. Does not wait for the server, which may be unreachable.
   * @param {number} code
   * @param {string} text
   */
  drop(code, text) {
    // One that worked, and is silent soon, each time, is as bad as one that is cut.
    if (code === HEARTBEAT_MISSED && !this.#trial.lasted) this.#diagnosis.failed(false, this.#trial);
    this.#detach(code === LOST ? HEARTBEAT_MISSED : code, text);
    if (code === HEARTBEAT_MISSED) void this.#clear();
    this.#lost(code, text);
  }

  /** The network was silent: what the browser keeps open for requests may be dead, too. */
  async #clear() {
    const { environment, platform, reconnect } = this.#options;
    // A WebSocket has a connection of its own.
    const shares = this.transport.stream === true || !this.transport.push;
    if (!shares || !reconnect || !platform.fetch || this.#clearing) return;
    this.#clearing = true;
    await closeDeadConnections({ url: this.#backoff.url, environment, fetch: platform.fetch });
    this.#clearing = false;
    if (this.#deferred && !this.#diagnosis.deciding) this.open();
  }

  /**
   * Closes for good.
   * @param {number} code
   */
  close(code) {
    this.#closed = true;
    this.#clearTimers();
    this.retry.cancel();
    this.#diagnosis.stop();
    this.#upgrade.cancel();
    this.#detach(code, "");
    this.#options.streams?.release();
  }

  /** Starts the pending attempt now, for instance because the network is available again. */
  retryNow() {
    if (!this.retry.pending) return;
    this.retry.cancel();
    this.open();
  }

  /**
   * The network or the visibility of the page has changed: what failed before may work now.
   * @param {boolean} another whether the network is another one
   */
  changed(another) {
    if (this.#closed) return;
    if (another) this.#selection.forget();
    this.#diagnosis.now();
    if (this.retry.pending) this.retryNow();
    else if (this.#current && !this.#trial.responded && this.#trial.age_ms > EXTRA_MS) this.#restart();
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
    for (const timer of [this.#timer, this.#slow_timer]) this.#env.clearTimeout(timer);
    this.#trial.end();
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
   * @param {boolean} [cut] whether the connection ended without a close code
   */
  #lost(code, text, cut = false) {
    this.#current = null;
    this.#clearTimers();
    this.#upgrade.cancel();
    const bounds = this.#options.reconnect;
    if (this.#closed) return;
    const again = reconnects(code) || (code === REPLACED && this.#renews()) || this.#hooks.returns(code);
    const retry_ms = bounds && again ? this.#backoff.delay(code, bounds, cut) : undefined;
    if (retry_ms !== undefined) {
      this.retry.schedule(retry_ms);
    } else {
      this.#closed = true;
      this.#diagnosis.stop();
      this.#options.streams?.release();
    }
    this.#hooks.disconnected(disconnection(code, text, retry_ms));
  }

  /** Another connection has the session: whether another one begins. */
  #renews() {
    const now_ms = this.#env.local();
    const before_ms = this.#replaced_at;
    this.#replaced_at = now_ms;
    return this.#options.renew && now_ms - before_ms >= RENEWED_MS;
  }

  /** The pending attempt is due. */
  #due() {
    // By which transport depends on whether the server can be reached.
    if (this.#diagnosis.deciding || this.#clearing) this.#deferred = true;
    else this.retryNow();
  }

  /**
   * A better transport works: the session moves to it.
   * @param {number} index of the transport
   * @param {TransportConnection | undefined} connection the one to use; undefined: open one
   */
  #move(index, connection) {
    this.#detach(MOVED, "");
    this.#selection.probed(index);
    this.#backoff.opened();
    if (!connection) {
      this.open();
      return;
    }
    this.#begin();
    this.#current = connection;
    this.#trial.responded = true;
    this.#wait(this.#options.timeout_ms, () => this.#noWelcome());
    this.#hooks.connecting();
    if (this.#current === connection) this.#hooks.message({ command: "idyou", data: {} });
  }
}
