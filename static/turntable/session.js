/**
 * The session: identification, resume, and what the server sends. It outlives its
 * connections, which `Connection` opens. Its commands are those of `Commands`.
 *
 * On each connection the server sends `idyou` first. The client answers with
 * `resume` if it has a session, with `idme` otherwise. Some transports resume
 * themselves; then neither `idyou` nor `welcome` arrives. All messages after the
 * session's first `welcome` are counted, except `idyou`, the first `welcome` of a
 * connection and what precedes it. The count tells the server which messages to repeat.
 * @module
 */

import { Commands } from "./commands.js";
import { Connection } from "./connection.js";
import { MOVED, refusal } from "./disconnection.js";
import { TurntableError } from "./error.js";
import { pageLeaves, sayGoodbye } from "./goodbye.js";
import { Identity, isTemporary } from "./identity.js";
import { encode } from "./outbox.js";
import { Renewal } from "./renewal.js";
import { answerTo } from "./transports/entry.js";

/** @import { ConnectionHooks } from "./connection.js" */
/** @import { Disconnection } from "./disconnection.js" */
/** @import { SessionOptions } from "./options.js" */
/** @import { StoredSession } from "./session_store.js" */

/**
 * @typedef {object} SessionHooks
 * @property {() => any} status the state that the user has chosen, for the identification; undefined: none
 * @property {() => void} connecting
 * @property {(welcome: any, how: {first: boolean, resumed: boolean, sent: number}) => void} welcome
 *   called before anything else is sent
 * @property {() => void} online called after the queued messages were sent
 * @property {(command: string, data: any, id: any) => void} message
 * @property {(disconnection: Disconnection & {details?: any}, fatal: TurntableError | undefined) => void} disconnected
 *   details: what the server said about the end
 * @property {(error: TurntableError) => void} error an error that belongs to no request
 * @property {() => void} activity something arrived from the server
 * @property {() => void} rated the server refuses clock exchanges for its rates, so the connection works
 * @property {() => void} sent a command was sent
 * @property {() => void} changed the stored session is outdated
 * @property {ConnectionHooks["traffic"]} traffic
 */

/** The close code of a message over the server's limit. */
const TOO_LARGE = 1009;
/** The close code of refused credentials. */
const UNAUTHORIZED = 4009;
/** Errors by which the server says why it ends a session. */
const PARTING = new Set(["unauthorized", "forbidden"]);

export class Session extends Commands {
  #hooks;
  #target;
  /** Whether another connection follows one that is lost. */
  #reconnects;
  #identity;
  #renewal;
  /** How many connections the session has had. */
  #welcomes = 0;
  #resuming = false;
  /** Whether this page has received a welcome. */
  #welcomed_once = false;
  /** Whether an earlier page started the session. */
  #restored = false;
  /** Whether the current connection has received its welcome. */
  #welcomed = false;
  /** Local ms at which the identification was sent. */
  #identified_at = 0;
  /**
   * Number of the connection; results of earlier connections are ignored. The server gets it with each resume and
   * numbered request, and drops those of an earlier connection that come late.
   */
  #connection_number = 0;
  /** What the server said before it closed the connection, if anything. @type {TurntableError | undefined} */
  #parting;

  /** @readonly @type {Connection} */
  connection;
  /** The secret that resumes the session. @type {string | undefined} */
  secret;
  /** Messages received since the session's first welcome. */
  received = 0;
  /** Closed when the client has emitted its last event. @readonly */
  gate = { closed: false };
  /** The last welcome; replaces the missing one if a transport resumes itself. @type {any} */
  #last_welcome;

  /**
   * @param {SessionOptions} options
   * @param {SessionHooks} hooks
   */
  constructor(options, hooks) {
    super(options, {
      online: () => this.online,
      write: (text, entry) => this.connection.write(text, entry),
      envelope: () => this.connection.envelope,
      bytesOf: (text) => this.connection.bytesOf(text),
      received: () => this.received,
      error: (error) => hooks.error(error),
      sent: () => hooks.sent(),
    });
    this.#hooks = hooks;
    this.#reconnects = Boolean(options.reconnect);
    this.#target = { url: options.url, fetch: options.platform.fetch };
    this.#identity = new Identity(options);
    this.#renewal = new Renewal(this.#identity, options.environment, {
      online: () => this.online,
      authenticate: (credentials) => this.request("authenticate", { credentials }),
      error: (error) => hooks.error(error),
    });
    this.connection = new Connection(options, {
      connecting: () => {
        this.#connection_number += 1;
        // After an upgrade to another transport there was no disconnection.
        this.#welcomed = false;
        this.pause();
        hooks.connecting();
      },
      resume: () => (this.secret === undefined ? undefined : { session: this.secret, received: this.received, welcomes: this.#welcomes, unconfirmed: this.log.open }),
      attempt: () => this.#connection_number,
      taken: (number) => {
        this.log.taken(number);
        this.confirmed();
      },
      accepted: (count) => this.accepted(count),
      discarded: (entries, sure) => this.discarded(entries, sure),
      stale: () => this.stale(),
      activity: () => hooks.activity(),
      message: (message) => this.#message(message),
      resumed: (accepted) => this.#resumed(accepted),
      parting: (error) => this.#unrequested(TurntableError.from(error)),
      expired: () => {
        this.secret = undefined;
      },
      refused: (texts, error) => this.#refused(texts, error),
      forbidden: (error) => {
        if (!this.#welcomed && !this.closed) this.#identificationRefused(TurntableError.from(error));
      },
      traffic: (traffic) => hooks.traffic(traffic),
      returns: (code) => code === UNAUTHORIZED && this.#identity.asking,
      disconnected: (disconnection) => this.#disconnected(disconnection),
    });
  }

  /**
   * Continues the session of an earlier page. Call it before the connection opens.
   * @param {StoredSession} stored
   */
  restore({ session, received, last_id, attempt, transport, welcome }) {
    this.secret = session;
    this.received = received;
    this.#last_welcome = welcome;
    this.#restored = true;
    this.#connection_number = attempt;
    this.restored(last_id);
    this.connection.startWith(transport);
  }

  /** A later page has continued the session: the next connection begins another one. */
  forget() {
    this.secret = undefined;
    if (this.online) this.connection.drop(MOVED, "a later page of the tab has continued the session");
  }

  /**
   * Whether a command sent now can reach the server: the connection has
   * received its welcome and is not closing.
   */
  get online() {
    return this.#welcomed && this.connection.writable;
  }

  get environment() {
    return this.env;
  }

  /** The transport in use, or being tried. */
  get transport() {
    return this.connection.transport;
  }

  /** What a later page needs to continue the session. @returns {StoredSession | undefined} */
  get snapshot() {
    if (this.secret === undefined || this.closed || !this.#last_welcome) return undefined;
    // The token of a guest has a place of its own.
    const { token: _token, expires_in: _expires_in, ...welcome } = this.#last_welcome;
    return {
      session: this.secret,
      received: this.received,
      last_id: this.last_id,
      attempt: this.#connection_number,
      transport: this.transport.name,
      welcome,
    };
  }

  /**
   * Ends the session; pending requests are rejected. The goodbye ends the connection
   * and the session, and is repeated until it is answered.
   */
  close() {
    if (this.closed || this.ending) return;
    if (this.connection.writable) this.connection.write(encode("bye", {}, undefined));
    // Without a connection, or on one that has not resumed the session yet.
    const apart = !this.online && this.secret !== undefined;
    // A page that is left has lost its streams before it hears of it.
    if (apart && pageLeaves()) this.handOver();
    if (apart && this.secret !== undefined) void sayGoodbye({ ...this.#target, environment: this.env }, this.secret, [...this.log.open]);
    this.#finish();
    this.connection.close(1000);
  }

  /**
   * The program authenticates the session: with the answer it has an identity, or new
   * credentials, which later identifications use too.
   * @param {object} credentials
   * @returns {Promise<any>} the welcome
   */
  async authenticate(credentials) {
    const welcome = await this.request("authenticate", { credentials });
    this.#identity.replace(credentials, welcome?.user);
    return welcome;
  }

  /** The machine may have slept: what is due by the time may be overdue. */
  check() {
    if (this.online) this.#renewal.check();
  }

  /** @param {any} message undefined if the received text was not a message */
  #message(message) {
    const command = message?.command;
    // The first welcome of a connection comes when it has none.
    if (this.#welcomed && command !== "idyou") {
      this.received += 1;
      this.#hooks.changed();
    }
    if (typeof command !== "string") {
      this.#hooks.error(new TurntableError("bad_json", "a message of the server could not be decoded; it is skipped"));
      return;
    }
    try {
      this.#dispatch(message);
    } catch (error) {
      // One message of an unexpected form must not end the connection.
      this.#hooks.error(new TurntableError("bad_message", `a message of the server could not be processed: ${error}`, { command }));
    }
  }

  /** @param {{command: string, data: any, id: any}} message */
  #dispatch({ command: name, data, id }) {
    // A transport in which answers have no name does not know what another one has sent.
    const command = name === "reply" ? answerTo(this.requested(id)) : name;
    if (command === "idyou") {
      void this.#identify();
    } else if (command === "welcome") {
      this.#welcome(data, id);
    } else if (command === "error") {
      this.#error(data, id);
    } else {
      // The id of a `call` is the server's and belongs to no request.
      if (id !== undefined && command !== "call") this.answered(id, data);
      if (command === "time") this.exchanged(data?.t0);
      if (command !== "reply") this.#hooks.message(command, data, id);
    }
  }

  async #identify() {
    if (this.#welcomed) return;
    if (this.secret !== undefined) {
      this.#resuming = true;
      this.#identified_at = this.env.local();
      this.connection.write(encode("resume", { session: this.secret, received: this.received, attempt: this.#connection_number }, undefined));
      return;
    }
    this.#resuming = false;
    let claim = this.#identity.claim(() => this.#hooks.status());
    if (claim instanceof Promise) {
      const number = this.#connection_number;
      claim = await claim;
      // The connection may have been lost meanwhile.
      if (number !== this.#connection_number || this.closed) return;
      if (claim instanceof TurntableError) {
        this.#later(claim, "no credentials");
        return;
      }
    }
    this.#identified_at = this.env.local();
    this.connection.write(encode("idme", claim, undefined));
  }

  /**
   * @param {any} data
   * @param {any} id
   */
  #welcome(data, id) {
    if (typeof data?.session === "string") this.secret = data.session;
    this.#identity.accepted(data ?? {});
    if (this.#welcomed) {
      // The answer to `authenticate`: the same session with an identity, or for longer.
      this.#last_welcome = data;
      this.#renewal.welcomed(data?.expires_in, false);
      if (!this.answered(id, data)) this.resolveFirst(({ command }) => command === "authenticate", data);
      this.#hooks.message("welcome", data, id);
      return;
    }
    this.#begin(data, this.#resuming && data?.resumed === true);
  }

  /**
   * The transport has resumed the session; the missed messages follow.
   * @param {number | undefined} accepted
   */
  #resumed(accepted) {
    if (this.#welcomed) return;
    this.#identified_at = this.env.local();
    const { time: _time, accepted: _accepted, expires_in: _expires_in, ...known } = this.#last_welcome ?? {};
    this.#begin({ ...known, accepted, session: this.secret, resumed: true, attributes: {} }, true, true);
  }

  /**
   * The connection is established.
   * @param {any} data of the welcome
   * @param {boolean} resumed
   * @param {boolean} [numbered] whether the transport numbers what it sends
   */
  #begin(data, resumed, numbered = false) {
    const first = !this.#welcomed_once && !this.#restored;
    this.#welcomed_once = true;
    this.#last_welcome = data;
    this.#resuming = false;
    this.#welcomed = true;
    this.#welcomes += 1;
    this.#parting = undefined;
    this.connection.welcomed(data?.reconnect_ms);
    if (!resumed) this.received = 0;
    this.begin(data, resumed, numbered);
    this.#hooks.welcome(data, { first, resumed, sent: this.#identified_at });
    // A listener may have closed the client.
    if (this.closed) return;
    this.#hooks.changed();
    this.flush();
    this.#hooks.online();
    if (!this.closed) this.#renewal.welcomed(data?.expires_in, resumed);
  }

  /**
   * @param {any} data
   * @param {any} id
   */
  #error(data, id) {
    if (!this.#welcomed) {
      this.#identificationRefused(TurntableError.from(data, this.#resuming ? "resume" : "idme"));
      return;
    }
    if (data?.command === "time" && data.code === "rate_limited") this.#hooks.rated();
    if (!this.rejected(data, id)) this.#unrequested(TurntableError.from(data));
  }

  /** @param {TurntableError} error of no command; perhaps the server is about to end the session for it */
  #unrequested(error) {
    if (PARTING.has(error.code)) this.#parting = error;
    this.#hooks.error(error);
  }

  /**
   * The server did not accept these messages.
   * @param {string[]} texts
   * @param {{code: string, message: string, details?: any}} error
   */
  #refused(texts, error) {
    if (texts.length === 0) this.#hooks.error(TurntableError.from(error));
    for (const text of texts) {
      const { command, id } = JSON.parse(text);
      if (this.#welcomed) this.#error({ ...error, command }, id);
      else this.#identificationRefused(TurntableError.from(error, command));
    }
  }

  /** @param {TurntableError} error */
  #identificationRefused(error) {
    if (this.#resuming) {
      // The session is over, or was never this user's.
      this.#resuming = false;
      if (!isTemporary(error.code)) {
        this.secret = undefined;
        void this.#identify();
        return;
      }
    }
    const when = this.#identity.refused(error);
    if (when === "again") {
      void this.#identify();
    } else if (when === "later") {
      this.#later(error, error.code);
    } else {
      this.#finish(error);
      this.connection.close(1000);
    }
  }

  /**
   * The identification may succeed on another connection.
   * @param {TurntableError} error
   * @param {string} text
   */
  #later(error, text) {
    if (this.#reconnects) {
      this.#hooks.error(error);
      this.connection.drop(1006, text);
      return;
    }
    this.#finish(error);
    this.connection.close(1000);
  }

  /** @param {Disconnection} disconnection */
  #disconnected(disconnection) {
    const identified = this.#welcomed || this.secret !== undefined;
    const details = this.#parting?.details;
    this.#parting = undefined;
    this.#welcomed = false;
    this.#resuming = false;
    if (!identified && disconnection.code === TOO_LARGE) {
      // The identification itself: another attempt would end in the same way.
      this.#finish(new TurntableError("too_large", "the identification exceeds the server's limit of a message", { command: "idme" }));
      this.connection.close(1000);
      return;
    }
    if (!disconnection.resume) this.secret = undefined;
    this.pause();
    if (disconnection.retry_ms === undefined) this.#finish();
    this.#hooks.disconnected({ ...disconnection, details }, undefined);
  }

  /** @param {TurntableError} [fatal] */
  #finish(fatal) {
    this.#welcomed = false;
    this.#renewal.stop();
    this.end();
    if (fatal) {
      const { message, details } = fatal;
      this.#hooks.disconnected({ ...refusal(fatal), text: message, details, resume: false, retry_ms: undefined }, fatal);
    }
  }
}
