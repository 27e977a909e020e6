/**
 * The session: identification, resume, and what comes of the answers. It
 * outlives its connections, which `Line` makes; `Outbox` has what is said,
 * `Requests` who awaits an answer.
 *
 * On each connection the server speaks first (`idyou`); the answer is `resume`
 * where there is a session to go on with, `idme` otherwise. Some doors resume
 * by themselves: then there is neither `idyou` nor `welcome`. From the session's
 * first `welcome` on every message is counted (all but `idyou`, `welcome` and
 * what precedes a `welcome`), so that a resumed session is given exactly what
 * was missed.
 * @module
 */

import { stringify } from "./binary.js";
import { TurntableError } from "./error.js";
import { Identity } from "./identity.js";
import { Line } from "./line.js";
import { Outbox, encode } from "./outbox.js";
import { Requests } from "./requests.js";

/** @import { Down, LineHooks } from "./line.js" */
/** @import { SessionOptions } from "./options.js" */
/** @import { Record as Remembered } from "./memory.js" */

/**
 * @typedef {object} SessionHooks
 * @property {() => void} opening
 * @property {(welcome: any, how: {first: boolean, resumed: boolean, sent: number}) => void} welcome
 *   before anything else is sent
 * @property {() => void} online after what was queued has been sent
 * @property {(command: string, data: any, id: any) => void} message
 * @property {(down: Down, fatal: TurntableError | undefined) => void} down
 * @property {(error: TurntableError) => void} fault an error tied to no call
 * @property {() => void} heard there was a sign of life
 * @property {() => void} counted the session's place has moved on
 * @property {LineHooks["traffic"]} traffic
 */

/** Errors of an identification that another try, later, may not meet. */
const PASSING = new Set(["rate_limited", "too_many", "timeout", "service_down", "unavailable", "internal"]);

export class Session {
  #hooks;
  #env;
  #identity;
  #outbox;
  #requests;
  #last_id = 0;
  #resuming = false;
  #welcomed_once = false;
  /** Whether the session was begun by an earlier page. */
  #remembered = false;
  /** Whether this connection has had its welcome. */
  #welcomed = false;
  /** Local ms at which the identification was sent. */
  #identified_at = 0;
  /** Counts connections, so that late work of an old one is noticed. */
  #connection = 0;

  /** What carries it. @readonly @type {Line} */
  line;
  /** The secret that resumes the session. @type {string | undefined} */
  secret;
  /** Messages got since the session's first welcome. */
  received = 0;
  closed = false;
  /** The last welcome, which stands for the one that a door does not give. @type {any} */
  #last_welcome;

  /**
   * @param {SessionOptions} options
   * @param {SessionHooks} hooks
   */
  constructor(options, hooks) {
    this.#hooks = hooks;
    this.#env = options.environment;
    this.#identity = new Identity(options);
    this.#requests = new Requests(options.environment, options.timeout_ms);
    this.line = new Line(options, {
      opening: () => {
        this.#connection += 1;
        // The line may have moved to another door without having been down.
        this.#welcomed = false;
        this.#requests.interrupt();
        hooks.opening();
      },
      resume: () => (this.secret === undefined ? undefined : { session: this.secret, received: this.received }),
      heard: () => hooks.heard(),
      message: (message) => this.#message(message),
      resumed: () => this.#resumed(),
      expired: () => {
        this.secret = undefined;
      },
      refused: (texts, error) => this.#untaken(texts, error),
      traffic: (traffic) => hooks.traffic(traffic),
      down: (down) => this.#down(down),
    });
    this.#outbox = new Outbox(options.queue_max, (text, id) => {
      this.#requests.sent(id);
      this.line.write(text);
    });
  }

  /**
   * Goes on with the session of an earlier page, before the line is opened.
   * @param {Remembered} remembered
   */
  recall({ session, received, last_id, door, welcome }) {
    this.secret = session;
    this.received = received;
    this.#last_id = last_id;
    this.#last_welcome = welcome;
    this.#remembered = true;
    this.line.begin_with(door);
  }

  /**
   * Whether a command that is sent now can reach the server: the connection
   * has had its welcome, and is not closing either.
   */
  get online() {
    return this.#welcomed && this.line.writable;
  }

  /** The door in use, or being tried. */
  get door() {
    return this.line.door;
  }

  /** What another page needs to go on with the session. @returns {Remembered | undefined} */
  get place() {
    if (this.secret === undefined || this.closed || !this.#last_welcome) return undefined;
    return {
      session: this.secret,
      received: this.received,
      last_id: this.#last_id,
      door: this.line.door.name,
      welcome: this.#last_welcome,
    };
  }

  /** Ends the session in order; what awaits an answer is rejected. */
  end() {
    if (this.closed) return;
    if (this.online) this.line.write(encode("bye", {}, undefined));
    this.#finish();
    this.line.end(1000);
  }

  /**
   * Sends a command and awaits its answer. Offline it is queued, unless it is
   * `kept`: then whoever keeps it sends it again, it is only asked while online,
   * and a lost connection rejects it with INTERRUPTED.
   * @param {string} command
   * @param {any} data
   * @param {{kept?: boolean}} [options]
   * @returns {Promise<any>}
   */
  ask(command, data, { kept = false } = {}) {
    return new Promise((resolve, reject) => {
      const id = this.#next_id();
      const text = this.#dispatchable(command, data, id);
      this.#requests.add(id, { command, data, kept, resolve, reject });
      this.#outbox.put(text, id, this.online);
    });
  }

  /**
   * Sends a command whose answer nobody awaits. Throws a TurntableError where
   * it can neither be sent nor queued.
   * @param {string} command
   * @param {any} data
   * @param {(error: TurntableError) => void} [refused] called if it is refused
   */
  post(command, data, refused) {
    const id = refused ? this.#next_id() : undefined;
    const text = this.#dispatchable(command, data, id);
    if (id !== undefined && refused) this.#requests.watch(id, refused);
    this.#outbox.put(text, id, this.online);
  }

  /**
   * Answers a call of the server.
   * @param {any} id
   * @param {any} result
   * @param {{code: string, message: string}} [error]
   */
  answer(id, result, error) {
    if (!this.online) return;
    this.line.write(stringify({ command: "reply", data: result ?? null, id, ...(error && { error }) }));
  }

  /**
   * Gives the first request that fits its answer, where that came without an id.
   * @param {(request: {command: string, data: any}) => boolean} fits
   * @param {any} data
   * @returns {boolean} whether there was one
   */
  settle(fits, data) {
    return this.#requests.settle(fits, data);
  }

  #next_id() {
    this.#last_id += 1;
    return this.#last_id;
  }

  /**
   * The message as text, if it may be sent or queued now.
   * @param {string} command
   * @param {any} data
   * @param {number | undefined} id
   */
  #dispatchable(command, data, id) {
    if (this.closed) throw new TurntableError("unavailable", "the client is closed", { command });
    return this.#outbox.take(command, data, id, this.online);
  }

  /** @param {any} message undefined: what came was none */
  #message(message) {
    const { command, data, id } = message ?? {};
    if (this.#welcomed && command !== "idyou" && command !== "welcome") {
      this.received += 1;
      this.#hooks.counted();
    }
    if (typeof command !== "string") {
      this.#hooks.fault(new TurntableError("bad_json", "the server sent what is not a message"));
    } else if (command === "idyou") {
      void this.#identify();
    } else if (command === "welcome") {
      this.#welcome(data, id);
    } else if (command === "error") {
      this.#error(data, id);
    } else {
      // The id of a `call` is the server's own.
      if (id !== undefined && command !== "call") this.#requests.take(id)?.resolve(data);
      if (command !== "reply") this.#hooks.message(command, data, id);
    }
  }

  async #identify() {
    if (this.#welcomed) return;
    if (this.secret !== undefined) {
      this.#resuming = true;
      this.#identified_at = this.#env.local();
      this.line.write(encode("resume", { session: this.secret, received: this.received }, undefined));
      return;
    }
    this.#resuming = false;
    let claim = this.#identity.claim();
    if (claim instanceof Promise) {
      const connection = this.#connection;
      /** @type {TurntableError | undefined} */
      let failed;
      try {
        claim = await claim;
      } catch (error) {
        failed = new TurntableError("unavailable", `the credentials could not be had: ${error}`);
      }
      // Meanwhile the connection may have gone.
      if (connection !== this.#connection || this.closed) return;
      if (failed) {
        this.#hooks.fault(failed);
        this.line.drop(1006, "no credentials");
        return;
      }
    }
    this.#identified_at = this.#env.local();
    this.line.write(encode("idme", claim, undefined));
  }

  /**
   * @param {any} data
   * @param {any} id
   */
  #welcome(data, id) {
    if (typeof data?.session === "string") this.secret = data.session;
    if (this.#welcomed) {
      // The answer to `authenticate`: the same session, better known.
      const request = this.#requests.take(id);
      if (request) request.resolve(data);
      else this.settle(({ command }) => command === "authenticate", data);
      this.#hooks.message("welcome", data, id);
      return;
    }
    this.#begin(data, this.#resuming && data?.resumed === true);
  }

  /** The door has resumed the session: what was missed follows at once. */
  #resumed() {
    if (this.#welcomed) return;
    this.#identified_at = this.#env.local();
    const { time: _time, ...known } = this.#last_welcome ?? {};
    this.#begin({ ...known, session: this.secret, resumed: true, attributes: {} }, true);
  }

  /**
   * The connection has become useful.
   * @param {any} data of the welcome
   * @param {boolean} resumed
   */
  #begin(data, resumed) {
    const first = !this.#welcomed_once && !this.#remembered;
    this.#welcomed_once = true;
    this.#last_welcome = data;
    this.#resuming = false;
    this.#welcomed = true;
    this.line.settled();
    if (!resumed) {
      this.received = 0;
      this.#requests.abandon("the session was lost before an answer came: it may have been done or not", this.#outbox.ids);
    }
    this.#outbox.max_message_bytes = Number(data?.limits?.max_message_bytes) || 0;
    this.#hooks.welcome(data, { first, resumed, sent: this.#identified_at });
    this.#hooks.counted();
    this.#outbox.flush();
    this.#hooks.online();
  }

  /**
   * @param {any} data
   * @param {any} id
   */
  #error(data, id) {
    if (!this.#welcomed) {
      this.#refused(TurntableError.from(data, this.#resuming ? "resume" : "idme"));
      return;
    }
    if (!this.#requests.refuse(id, data)) this.#hooks.fault(TurntableError.from(data));
  }

  /**
   * The door did not take these messages.
   * @param {string[]} texts
   * @param {{code: string, message: string, details?: any}} error
   */
  #untaken(texts, error) {
    if (texts.length === 0) this.#hooks.fault(TurntableError.from(error));
    for (const text of texts) {
      const { command, id } = JSON.parse(text);
      if (this.#welcomed) this.#error({ ...error, command }, id);
      else this.#refused(TurntableError.from(error, command));
    }
  }

  /**
   * The identification was refused.
   * @param {TurntableError} error
   */
  #refused(error) {
    if (PASSING.has(error.code)) {
      this.#hooks.fault(error);
      this.line.drop(1006, error.code);
    } else if (this.#resuming) {
      this.secret = undefined;
      void this.#identify();
    } else {
      this.#finish(error);
      this.line.end(1000);
    }
  }

  /** @param {Down} down */
  #down(down) {
    this.#welcomed = false;
    this.#resuming = false;
    if (!down.resume) this.secret = undefined;
    this.#requests.interrupt();
    if (down.retry_ms === undefined) this.#finish();
    this.#hooks.down(down, undefined);
  }

  /** @param {TurntableError} [fatal] */
  #finish(fatal) {
    this.closed = true;
    this.#welcomed = false;
    this.#outbox.clear();
    this.#requests.abandon("the client was closed before an answer came");
    if (fatal) {
      this.#hooks.down({ code: 1000, reason: fatal.code, text: fatal.message, resume: false, retry_ms: undefined }, fatal);
    }
  }
}
