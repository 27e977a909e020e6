/**
 * The session: identification, resume, requests and answers. It outlives its
 * connections, which `Connection` opens. `Outbox` has the outgoing messages,
 * `Requests` the pending requests.
 *
 * On each connection the server sends `idyou` first. The client answers with
 * `resume` if it has a session, with `idme` otherwise. Some transports resume
 * themselves; then neither `idyou` nor `welcome` arrives. All messages after the
 * session's first `welcome` are counted, except `idyou`, `welcome` and what
 * precedes a `welcome`. The count tells the server which messages to repeat.
 * @module
 */

import { stringify } from "./binary.js";
import { Connection } from "./connection.js";
import { TurntableError } from "./error.js";
import { Identity } from "./identity.js";
import { sayGoodbye } from "./goodbye.js";
import { Outbox, encode } from "./outbox.js";
import { Requests } from "./requests.js";
import { Uplink } from "./uplink.js";

/** @import { ConnectionHooks, Disconnection } from "./connection.js" */
/** @import { SessionOptions } from "./options.js" */
/** @import { Message } from "./outbox.js" */
/** @import { StoredSession } from "./session_store.js" */

/**
 * @typedef {object} SessionHooks
 * @property {() => void} connecting
 * @property {(welcome: any, how: {first: boolean, resumed: boolean, sent: number}) => void} welcome
 *   called before anything else is sent
 * @property {() => void} online called after the queued messages were sent
 * @property {(command: string, data: any, id: any) => void} message
 * @property {(disconnection: Disconnection, fatal: TurntableError | undefined) => void} disconnected
 * @property {(error: TurntableError) => void} error an error that belongs to no request
 * @property {() => void} activity something arrived from the server
 * @property {() => void} sent a command was sent
 * @property {() => void} changed the stored session is outdated
 * @property {ConnectionHooks["traffic"]} traffic
 */

/** The close code of a message over the server's limit. */
const TOO_LARGE = 1009;
/** Errors of an identification that a later attempt may not have. */
const TEMPORARY = new Set(["rate_limited", "too_many", "timeout", "service_down", "unavailable", "internal"]);

export class Session {
  #hooks;
  #env;
  #target;
  #identity;
  #outbox;
  #requests;
  #uplink;
  /** How many connections the session has had. */
  #welcomes = 0;
  #last_id = 0;
  #resuming = false;
  /** Whether this page has received a welcome. */
  #welcomed_once = false;
  /** Whether an earlier page started the session. */
  #restored = false;
  /** Whether the current connection has received its welcome. */
  #welcomed = false;
  /** Local ms at which the identification was sent. */
  #identified_at = 0;
  /** Number of the connection; results of earlier connections are ignored. */
  #connection_number = 0;

  /** @readonly @type {Connection} */
  connection;
  /** The secret that resumes the session. @type {string | undefined} */
  secret;
  /** Messages received since the session's first welcome. */
  received = 0;
  closed = false;
  /** Closed when the client has emitted its last event. @readonly */
  gate = { closed: false };
  /** The last welcome; replaces the missing one if a transport resumes itself. @type {any} */
  #last_welcome;

  /**
   * @param {SessionOptions} options
   * @param {SessionHooks} hooks
   */
  constructor(options, hooks) {
    this.#hooks = hooks;
    this.#env = options.environment;
    this.#target = { url: options.url, fetch: options.platform.fetch };
    this.#identity = new Identity(options);
    this.#requests = new Requests(options.environment, options.timeout_ms);
    this.connection = new Connection(options, {
      connecting: () => {
        this.#connection_number += 1;
        // After an upgrade to another transport there was no disconnection.
        this.#welcomed = false;
        this.#requests.pause();
        hooks.connecting();
      },
      resume: () => (this.secret === undefined ? undefined : { session: this.secret, received: this.received, welcomes: this.#welcomes, unconfirmed: this.#uplink.log.open }),
      taken: (number) => this.#uplink.log.taken(number),
      accepted: (count) => this.#uplink.log.accepted(count),
      discarded: (entries) => this.#uplink.log.discard(entries),
      activity: () => hooks.activity(),
      message: (message) => this.#message(message),
      resumed: (accepted) => this.#resumed(accepted),
      expired: () => {
        this.secret = undefined;
      },
      refused: (texts, error) => this.#refused(texts, error),
      traffic: (traffic) => hooks.traffic(traffic),
      disconnected: (disconnection) => this.#disconnected(disconnection),
    });
    this.#uplink = new Uplink(this.connection, () => this.#confirm());
    this.#outbox = new Outbox(options.queue_max, this.#env, {
      online: () => this.online,
      write: (message) => this.#write(message),
      dropped: ({ id }, error) => {
        if (!this.#requests.drop(id, error)) hooks.error(error);
      },
    });
  }

  /**
   * Continues the session of an earlier page. Call it before the connection opens.
   * @param {StoredSession} stored
   */
  restore({ session, received, last_id, transport, welcome }) {
    this.secret = session;
    this.received = received;
    this.#last_id = last_id;
    this.#last_welcome = welcome;
    this.#restored = true;
    // The earlier page may have sent more than it has stored.
    this.#uplink.log.reset(false);
    this.connection.startWith(transport);
  }

  /**
   * Whether a command sent now can reach the server: the connection has
   * received its welcome and is not closing.
   */
  get online() {
    return this.#welcomed && this.connection.writable;
  }

  /** Whether a request waits for its answer. */
  get awaiting() {
    return this.#requests.open;
  }

  get environment() {
    return this.#env;
  }

  /** The transport in use, or being tried. */
  get transport() {
    return this.connection.transport;
  }

  /** What a later page needs to continue the session. @returns {StoredSession | undefined} */
  get snapshot() {
    if (this.secret === undefined || this.closed || !this.#last_welcome) return undefined;
    return {
      session: this.secret,
      received: this.received,
      last_id: this.#last_id,
      transport: this.transport.name,
      welcome: this.#last_welcome,
    };
  }

  /**
   * Ends the session; pending requests are rejected. The goodbye ends the connection
   * and the session, and is repeated until it is answered.
   */
  close() {
    if (this.closed) return;
    if (this.connection.writable) this.connection.write(encode("bye", {}, undefined));
    // Without a connection, or on one that has not resumed the session yet.
    if (!this.online && this.secret !== undefined) void sayGoodbye({ ...this.#target, environment: this.#env }, this.secret, [...this.#uplink.log.open]);
    this.#finish();
    this.connection.close(1000);
  }

  /**
   * Sends a command and waits for its answer. While offline the command is
   * queued, unless it is `interruptible`: then it may be sent only while online,
   * a lost session rejects it with INTERRUPTED, and the caller sends it again.
   * @param {string} command
   * @param {any} data
   * @param {{interruptible?: boolean}} [options]
   * @returns {Promise<any>}
   */
  request(command, data, options = {}) {
    return new Promise((resolve, reject) => {
      this.ask(command, data, options, (error, answer) => (error ? reject(error) : resolve(answer)));
    });
  }

  /**
   * Like `request`; `done` is called at once when the outcome is known, before
   * later messages are processed.
   * @param {string} command
   * @param {any} data
   * @param {{interruptible?: boolean}} options
   * @param {(error: any, answer: any) => void} done
   * @returns {() => boolean} withdraws the command, unless it was sent; returns whether it did
   */
  ask(command, data, { interruptible = false }, done) {
    const id = this.#nextId();
    /** @type {string} */
    let text;
    try {
      text = this.#prepare(command, data, id, interruptible);
    } catch (error) {
      done(error, undefined);
      return () => false;
    }
    const outcome = (/** @type {any} */ error, /** @type {any} */ answer) => {
      done(error, answer);
      // Commands may have waited for this answer.
      if (interruptible && this.#outbox.waiting) queueMicrotask(() => this.#outbox.flush());
    };
    this.#requests.add(id, { command, data, interruptible, resolve: (answer) => outcome(undefined, answer), reject: (error) => outcome(error, undefined) });
    this.#outbox.send({ command, data, text, id, repeatable: interruptible });
    return () => {
      if (!this.#outbox.withdraw(id)) return false;
      this.#requests.take(id);
      return true;
    };
  }

  /**
   * Sends a command without waiting for an answer. Throws a TurntableError if
   * the command can be neither sent nor queued.
   * @param {string} command
   * @param {any} data
   * @param {(error: TurntableError) => void} [refused] called if the server refuses the command,
   *   or if it is dropped
   * @param {{expires_ms?: number, merge?: string}} [options] expires_ms: maximum time in the queue;
   *   merge: a later command with this key replaces it in the queue
   */
  send(command, data, refused, options = {}) {
    const id = refused ? this.#nextId() : undefined;
    const text = this.#prepare(command, data, id);
    if (id !== undefined && refused) this.#requests.watch(id, refused);
    this.#outbox.send({ command, data, text, id, ...options });
  }

  /**
   * Whether a command would be sent at once.
   * @param {string} command
   * @param {any} data
   * @returns {boolean}
   */
  immediate(command, data) {
    return this.#outbox.immediate(command, data);
  }

  /** @param {(message: Message) => boolean} heldBack whether a command has to wait for an answer */
  holdBack(heldBack) {
    this.#outbox.heldBack = heldBack;
  }

  /** The server's limits by name. @returns {Record<string, any>} */
  get limits() {
    return this.#outbox.limits;
  }

  /**
   * Answers a call of the server.
   * @param {any} id
   * @param {any} result
   * @param {{code: string, message: string}} [error]
   */
  reply(id, result, error) {
    if (!this.online) return;
    const text = stringify({ command: "reply", data: error ? { error } : (result ?? null), id });
    this.#write({ command: "reply", data: undefined, text, id: undefined });
  }

  /**
   * Resolves the first matching request with an answer that came without an id.
   * @param {(request: {command: string, data: any}) => boolean} matches
   * @param {any} data
   * @returns {boolean} whether a request matched
   */
  resolveFirst(matches, data) {
    return this.#requests.resolveFirst(matches, data);
  }

  /** @param {Message} message */
  #write(message) {
    this.#requests.sent(message.id);
    this.#uplink.write(message);
    this.#hooks.sent();
  }

  #confirm() {
    try {
      this.send("time", { t0: this.#env.local(), received: this.received });
    } catch {
      // Over the rate: a later exchange confirms as well.
    }
  }

  #nextId() {
    this.#last_id += 1;
    return this.#last_id;
  }

  /**
   * Encodes a message; throws if it can be neither sent nor queued now.
   * @param {string} command
   * @param {any} data
   * @param {number | undefined} id
   * @param {boolean} [repeatable]
   */
  #prepare(command, data, id, repeatable = false) {
    if (this.closed) throw new TurntableError("unavailable", "the client is closed", { command });
    return this.#outbox.prepare(command, data, id, repeatable);
  }

  /** @param {any} message undefined if the received text was not a message */
  #message(message) {
    const command = message?.command;
    if (this.#welcomed && command !== "idyou" && command !== "welcome") {
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
  #dispatch({ command, data, id }) {
    if (command === "idyou") {
      void this.#identify();
    } else if (command === "welcome") {
      this.#welcome(data, id);
    } else if (command === "error") {
      this.#error(data, id);
    } else {
      // The id of a `call` is the server's and belongs to no request.
      if (id !== undefined && command !== "call") this.#answered(id, data);
      if (command === "time") this.#uplink.exchanged(data?.t0);
      if (command !== "reply") this.#hooks.message(command, data, id);
    }
  }

  /**
   * @param {any} id
   * @param {any} data
   */
  #answered(id, data) {
    this.#uplink.log.answered(id);
    this.#requests.take(id)?.resolve(data);
  }

  async #identify() {
    if (this.#welcomed) return;
    if (this.secret !== undefined) {
      this.#resuming = true;
      this.#identified_at = this.#env.local();
      this.connection.write(encode("resume", { session: this.secret, received: this.received }, undefined));
      return;
    }
    this.#resuming = false;
    let claim = this.#identity.claim();
    if (claim instanceof Promise) {
      const number = this.#connection_number;
      /** @type {TurntableError | undefined} */
      let failed;
      try {
        claim = await claim;
      } catch (error) {
        failed = new TurntableError("unavailable", `the credentials function failed: ${error}`);
      }
      // The connection may have been lost meanwhile.
      if (number !== this.#connection_number || this.closed) return;
      if (failed) {
        this.#hooks.error(failed);
        this.connection.drop(1006, "no credentials");
        return;
      }
    }
    this.#identified_at = this.#env.local();
    this.connection.write(encode("idme", claim, undefined));
  }

  /**
   * @param {any} data
   * @param {any} id
   */
  #welcome(data, id) {
    if (typeof data?.session === "string") this.secret = data.session;
    if (this.#welcomed) {
      // The answer to `authenticate`: the same session with an identity.
      const request = this.#requests.take(id);
      if (request) request.resolve(data);
      else this.resolveFirst(({ command }) => command === "authenticate", data);
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
    this.#identified_at = this.#env.local();
    const { time: _time, accepted: _accepted, ...known } = this.#last_welcome ?? {};
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
    this.connection.welcomed();
    this.#outbox.limits = data?.limits ?? {};
    if (resumed) {
      this.#outbox.resumed();
      this.#uplink.resumed(data?.accepted, numbered);
    } else this.#reset();
    this.#requests.resume();
    // What the server did not take comes first.
    this.#uplink.repeat();
    this.#hooks.welcome(data, { first, resumed, sent: this.#identified_at });
    // A listener may have closed the client.
    if (this.closed) return;
    this.#hooks.changed();
    this.#outbox.flush();
    this.#hooks.online();
  }

  /** A new session: what was sent in the lost one, and not confirmed, may or may not have been executed. */
  #reset() {
    this.received = 0;
    this.#outbox.reset();
    for (const id of this.#uplink.reset()) this.#requests.unconfirmed(id);
    this.#requests.lost(this.#outbox.ids);
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
    this.#uplink.log.answered(id);
    if (data?.code === "rate_limited" && data.details?.retry_ms > 0) this.#outbox.limited(data.command, data.details.retry_ms);
    // A clock exchange is repeated anyway.
    if (data?.command === "time" && id === undefined) return;
    if (!this.#requests.reject(id, data)) this.#hooks.error(TurntableError.from(data));
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
    if (TEMPORARY.has(error.code)) {
      this.#hooks.error(error);
      this.connection.drop(1006, error.code);
    } else if (this.#resuming) {
      this.secret = undefined;
      void this.#identify();
    } else {
      this.#finish(error);
      this.connection.close(1000);
    }
  }

  /** @param {Disconnection} disconnection */
  #disconnected(disconnection) {
    const identified = this.#welcomed || this.secret !== undefined;
    this.#welcomed = false;
    this.#resuming = false;
    if (!identified && disconnection.code === TOO_LARGE) {
      // The identification itself: another attempt would end in the same way.
      this.#finish(new TurntableError("too_large", "the identification exceeds the server's limit of a message", { command: "idme" }));
      this.connection.close(1000);
      return;
    }
    if (!disconnection.resume) this.secret = undefined;
    this.#requests.pause();
    if (disconnection.retry_ms === undefined) this.#finish();
    this.#hooks.disconnected(disconnection, undefined);
  }

  /** @param {TurntableError} [fatal] */
  #finish(fatal) {
    this.closed = true;
    this.#welcomed = false;
    this.#outbox.clear();
    this.#requests.close();
    if (fatal) {
      this.#hooks.disconnected({ code: 1000, reason: fatal.code, text: fatal.message, resume: false, retry_ms: undefined }, fatal);
    }
  }
}
