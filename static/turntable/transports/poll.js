/**
 * Polling: remote calls in batches over plain HTTP requests. The server can
 * only answer, and the client sends a request only when it has a message. An
 * idle client that needs events sets a heartbeat: an interval of empty requests.
 *
 * The requests of a session are numbered and sent one at a time. A request
 * whose answer was lost is repeated with the same number and body. The server
 * executes it once and returns the same answer, so each call is executed once
 * and each message arrives once. A request may be repeated on a later
 * connection, so the number and the open request belong to the transport.
 * @module
 */

import { backgroundTimeout } from "../background_timer.js";
import { parse, stringify } from "../binary.js";
import { entryOf, messageOf } from "./entry.js";
import { EXPIRED, LOST, RATE_LIMITED, closeCodeOf, endpointUrl, responseError, takeBatch } from "./transport.js";

/** @import { Target, Transport, TransportConnection, TransportHooks } from "./transport.js" */

/** @typedef {{session: string, number: number, body: string, texts: string[]}} Batch */

/**
 * State that outlives a connection.
 * @typedef {object} PollState
 * @property {number} number of the last request
 * @property {Batch | undefined} open the request that has no answer yet
 * @property {Map<any, string>} commands commands without an answer, by id
 * @property {number} heartbeat_ms
 * @property {PollConnection | undefined} connection
 */

const NORMAL = 1000;
/** Maximum time for an answer. The server answers within `poll.answer_ms` (5 s). */
const ANSWER_MS = 8000;
const SESSION_HEADER = "Turntable-Session";
/** How many messages wait behind a numbered answer, which has a bound. */
const WAITING_HEADER = "Turntable-Waiting";
/** Commands that are answered even if they have no id; here they get one. */
const ANSWERED = new Set(["idme", "time"]);

/** @implements {TransportConnection} */
class PollConnection {
  #target;
  #hooks;
  #state;
  #abort = new AbortController();
  /** @type {string[]} */
  #queue = [];
  /** @type {string | undefined} */
  #session;
  #identified = false;
  #in_flight = false;
  #poll_due = false;
  #closed = false;
  /** Cancels the next empty request. */
  #cancelPoll = () => {};
  /** Ends the wait for an answer. @type {any} */
  #limit;

  /**
   * @param {Target} target
   * @param {TransportHooks} hooks
   * @param {PollState} state
   */
  constructor(target, hooks, state) {
    this.#target = target;
    this.#hooks = hooks;
    this.#state = state;
  }

  get writable() {
    return !this.#closed;
  }

  get idle() {
    return !this.#in_flight && this.#queue.length === 0;
  }

  open() {
    const resume = this.#hooks.resume();
    if (resume) void this.#resume(resume);
    else this.#requestIdentification();
  }

  /** @param {string} text */
  send(text) {
    if (this.#closed) return;
    this.#queue.push(text);
    this.#schedule();
  }

  /** @param {string} text */
  raw(text) {
    if (this.#closed) return;
    this.#hooks.traffic("out", "entry", text);
    void this.#fetch(text, this.#session === undefined ? {} : { batch: this.#next() }).then(
      (/** @type {any} */ response) =>
        this.#answered(response, []).then(() => {
          if (this.#poll_due) this.#schedule();
        }),
      (/** @type {any} */ error) => this.#end(LOST, String(error)),
    );
  }

  /** @param {number} code */
  close(code) {
    this.#closed = true;
    this.#cancelPoll();
    if (this.#state.connection === this) this.#state.connection = undefined;
    if (this.#queue.length > 0 && this.#session !== undefined) {
      // The last messages, such as `bye`. Their answers are ignored.
      const body = this.#body(this.#queue.splice(0));
      this.#fetch(body, { batch: this.#next() }, true).catch(() => {});
    }
    // After a normal close, a request in flight must still reach the server.
    if (code !== NORMAL) this.#abort.abort();
  }

  /** Schedules the next empty request, or none if the heartbeat is off. */
  schedulePoll() {
    this.#cancelPoll();
    const ms = this.#state.heartbeat_ms;
    if (!(ms > 0) || this.#closed || !this.#identified) return;
    this.#cancelPoll = backgroundTimeout(this.#target.environment, () => {
      this.schedulePoll();
      // A request in flight already fetches the pending messages.
      if (!this.#in_flight) {
        this.#poll_due = true;
        void this.#flush();
      }
    }, ms);
  }

  /** Requests the identification locally; the poll endpoint sends no `idyou`. */
  #requestIdentification() {
    queueMicrotask(() => {
      if (!this.#closed) this.#hooks.message({ command: "idyou", data: {} });
    });
  }

  /** @param {{session: string, received: number}} resume */
  async #resume({ session, received }) {
    this.#session = session;
    this.#state.connection = this;
    const open = this.#state.open;
    if (open?.session === session) {
      // The answer to this request was lost. Repeat it; its answer has the missed messages.
      this.#in_flight = true;
      await this.#post(open, { batch: open.number }, true);
    } else {
      this.#in_flight = true;
      this.#state.open = { session, number: this.#next(), body: "[]", texts: [] };
      await this.#post(this.#state.open, { batch: this.#state.number, received }, true);
    }
    this.#in_flight = false;
    if (this.#queue.length > 0 || this.#poll_due) this.#schedule();
  }

  #next() {
    this.#state.number += 1;
    return this.#state.number;
  }

  #schedule() {
    if (!this.#in_flight) queueMicrotask(() => void this.#flush());
  }

  async #flush() {
    if (this.#in_flight || this.#closed) return;
    this.#in_flight = true;
    while (!this.#closed && (this.#queue.length > 0 || this.#poll_due)) {
      this.#poll_due = false;
      const texts = takeBatch(this.#queue);
      const body = this.#body(texts);
      if (this.#session === undefined) {
        // Without a session the request is not numbered and not repeated.
        await this.#post({ session: "", number: 0, body, texts }, {}, false);
      } else {
        this.#state.open = { session: this.#session, number: this.#next(), body, texts };
        await this.#post(this.#state.open, { batch: this.#state.number }, false);
      }
    }
    this.#in_flight = false;
  }

  /** @param {string[]} texts */
  #body(texts) {
    const entries = texts.map((text) => {
      const message = parse(text);
      if (message.id === undefined && ANSWERED.has(message.command)) message.id = message.command;
      // Accepted actions are not answered.
      if (message.id !== undefined && message.command !== "game") this.#state.commands.set(message.id, message.command);
      return stringify(entryOf(message));
    });
    for (const entry of entries) this.#hooks.traffic("out", "entry", entry);
    if (entries.length === 0) this.#hooks.traffic("out", "entry", "[]");
    return `[${entries.join(",")}]`;
  }

  /**
   * @param {string} body
   * @param {Record<string, number | undefined>} query
   * @param {boolean} [last]
   * @returns {Promise<any>}
   */
  #fetch(body, query, last = false) {
    /** @type {Record<string, string>} */
    const headers = { "Content-Type": "application/json" };
    if (this.#session !== undefined) headers[SESSION_HEADER] = this.#session;
    return this.#target.fetch(endpointUrl(this.#target.url, "poll", query), {
      method: "POST",
      headers,
      body,
      // The header names the session; a cookie must not name another one.
      credentials: "omit",
      cache: "no-store",
      ...(last ? { keepalive: true } : { signal: this.#abort.signal }),
    });
  }

  /**
   * @param {Batch} open
   * @param {Record<string, number>} query
   * @param {boolean} resuming
   */
  async #post(open, query, resuming) {
    for (let tries = 2; !this.#closed; ) {
      tries -= 1;
      const { environment } = this.#target;
      this.#limit = environment.setTimeout(() => this.#abort.abort(), ANSWER_MS);
      try {
        const response = await this.#fetch(open.body, query);
        await this.#answered(response, open.texts, resuming);
        return;
      } catch (error) {
        if (tries > 0 && open.number > 0) continue;
        this.#end(LOST, String(error));
        return;
      } finally {
        environment.clearTimeout(this.#limit);
      }
    }
  }

  /**
   * @param {any} response
   * @param {string[]} texts the messages of the request
   * @param {boolean} [resuming]
   */
  async #answered(response, texts, resuming = false) {
    if (!response.ok) {
      await this.#refused(response, texts, resuming);
      return;
    }
    // Read the whole answer first; an incomplete answer counts as lost.
    const body = await response.text();
    this.#target.environment.clearTimeout(this.#limit);
    /** @type {any} */
    let entries;
    try {
      entries = parse(body);
    } catch {
      throw new Error("the response is not JSON");
    }
    this.#state.open = undefined;
    if (this.#closed) return;
    this.#hooks.activity();
    const session = response.headers.get(SESSION_HEADER);
    if (session) this.#session = session;
    this.#state.connection = this;
    if (resuming) {
      this.#identified = true;
      this.#hooks.resumed();
      this.schedulePoll();
    }
    this.#poll_due ||= Number(response.headers.get(WAITING_HEADER)) > 0;
    for (const entry of Array.isArray(entries) ? entries : [entries]) {
      if (this.#closed) return;
      this.#entry(entry, resuming);
    }
  }

  /**
   * @param {any} entry
   * @param {boolean} resuming
   */
  #entry(entry, resuming) {
    this.#hooks.traffic("in", "entry", () => stringify(entry));
    const message = messageOf(entry, (id) => {
      const command = this.#state.commands.get(id);
      this.#state.commands.delete(id);
      return command;
    });
    if (message?.command === "close") {
      const code = message.data?.code;
      this.#end(Number.isInteger(code) ? code : LOST, "");
      return;
    }
    if (message?.command === "connected") {
      const { user, session } = message.data ?? {};
      if (typeof session === "string") this.#session = session;
      // With a user, a cookie has identified the session already.
      if (!user || resuming) return;
      message.command = "welcome";
    }
    if (message?.command === "welcome") {
      this.#identified = true;
      if (resuming) return;
    }
    this.#hooks.message(message);
    if (message?.command === "welcome") this.schedulePoll();
  }

  /**
   * @param {any} response
   * @param {string[]} texts
   * @param {boolean} resuming
   */
  async #refused(response, texts, resuming) {
    const error = await responseError(response);
    this.#state.open = undefined;
    if (this.#closed) return;
    this.#hooks.activity();
    const { status } = response;
    if (resuming && (status === 410 || status === 409)) {
      this.#session = undefined;
      this.#hooks.expired();
      this.#requestIdentification();
    } else if (!this.#identified && (status === 401 || status === 403)) {
      this.#hooks.message({ command: "error", data: error });
    } else if (status === 404 || status === 405) {
      this.#end(LOST, error.message, true);
    } else if (status === 409 || status === 410) {
      this.#end(EXPIRED, error.message);
    } else if (status === 429) {
      this.#end(RATE_LIMITED, error.message);
    } else if (status >= 500 || !this.#identified) {
      this.#end(closeCodeOf(status), error.message);
    } else {
      this.#hooks.refused(texts, error);
    }
  }

  /**
   * @param {number} code
   * @param {string} reason
   * @param {boolean} [unsupported]
   */
  #end(code, reason, unsupported = false) {
    if (this.#closed) return;
    this.#queue = [];
    this.close(code);
    this.#hooks.closed(code, reason, unsupported);
  }
}

/**
 * Creates the polling transport of one client.
 * @param {{heartbeat_ms?: number, number?: number}} [options] number: of the request
 *   before the first. For a session of an earlier page it must exceed that page's last number.
 * @returns {Transport}
 */
export function poll({ heartbeat_ms = 0, number = 0 } = {}) {
  /** @type {PollState} */
  const state = { number, open: undefined, commands: new Map(), heartbeat_ms, connection: undefined };
  return {
    name: "poll",
    push: false,
    createConnection: (target, hooks) => new PollConnection(target, hooks, state),
    heartbeat: (ms) => {
      state.heartbeat_ms = ms;
      state.connection?.schedulePoll();
    },
  };
}
