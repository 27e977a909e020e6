/**
 * Polling: remote calls in batches over plain HTTP requests. The server can
 * only answer, and the client sends a request only when it has a message. An
 * idle client that needs events sets a heartbeat: an interval of empty requests.
 *
 * The requests of a session are numbered and sent one at a time. A request
 * whose answer was lost is repeated with the same number and body. The server
 * executes it once and returns the same answer, so each call is executed once
 * and each message arrives once. A request may be repeated on a later
 * connection, so the number and the open request belong to the transport. An empty
 * request begins a session, so that the identification has a number as well. What is
 * stale when it is repeated counts all the same: a command without effect takes its
 * place.
 * @module
 */

import { backgroundTimeout } from "../background_timer.js";
import { stringify } from "../binary.js";
import { pageLeaves, sayGoodbye } from "../goodbye.js";
import { PollAnswer, SESSION_HEADER, closeCode } from "./poll_answer.js";
import { PollCodec } from "./poll_codec.js";
import { endByPolls } from "./poll_ending.js";
import { BATCH_MAX, EXPIRED, LOST, NORMAL, RATE_LIMITED, batchMaxOf, bounced, closeCodeOf, concernsRequest, endpointUrl, lastNumber, ownCloseCode, removeDropped, responseError, shorten, takeBatch } from "./transport.js";
import { inTurns } from "./turn.js";

/** @import { Sent } from "../sent_log.js" */
/** @import { PollRequest } from "./poll_ending.js" */
/** @import { Outgoing, ResponseError, Target, Transport, TransportConnection, TransportHooks } from "./transport.js" */

/**
 * @typedef {PollRequest & {session: string, welcomes: number | undefined}} Batch a request. welcomes: how many
 *   connections the session had had
 */

/**
 * State that outlives a connection.
 * @typedef {object} PollState
 * @property {number} number of the last request
 * @property {Batch | undefined} open the request that has no answer yet
 * @property {PollCodec} codec
 * @property {number} heartbeat_ms
 * @property {PollConnection | undefined} connection
 */

/**
 * Maximum times for an answer, of the first request and of its repetition, which has another
 * connection. The server answers within `poll.answer_ms` (5 s).
 */
const ANSWER_MS = [6500, 8000];
/** How long the end of a session waits for the request under way before it repeats it. */
const ENDING_MS = 500;

/** @implements {TransportConnection} */
class PollConnection {
  #target;
  #hooks;
  #state;
  /** Ends the request under way. */
  #abort = () => {};
  /** @type {Outgoing[]} */
  #queue = [];
  /** The requests under way. @type {Promise<void>} */
  #flushing = Promise.resolve();
  /** @type {string | undefined} */
  #session;
  /** The number of the connection; a request that comes behind one of a later connection is dropped. */
  #attempt = 0;
  #identified = false;
  /** Whether an identification was sent that has no answer yet. */
  #identifies = false;
  #in_flight = false;
  #poll_due = false;
  /** Number of messages that are to be sent alone. */
  #single = 0;
  /** Whether the request under way waits, as the server's rates require. */
  #rated = false;
  /** How many messages a request may have. */
  #count_max = BATCH_MAX;
  #closed = false;
  /** Cancels the next empty request. */
  #cancelPoll = () => {};
  /** Whether the last answer was not the server's. */
  #foreign = false;

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
    this.#attempt = this.#hooks.attempt();
    if (resume) void this.#resume(resume);
    else this.#flushing = this.#begin();
  }

  /**
   * @param {string} text
   * @param {Sent} [entry]
   */
  send(text, entry) {
    if (this.#closed) return;
    this.#queue.push({ text, entry });
    this.#schedule();
  }

  /** @param {string} text */
  raw(text) {
    if (this.#closed) return;
    this.#hooks.traffic("out", "entry", text);
    void this.#fetch(text, this.#session === undefined ? {} : { batch: this.#next() }, {}).then(
      (/** @type {any} */ response) =>
        this.#answered(response, { session: "", number: 0, welcomes: undefined, body: text, messages: [] }).then(() => {
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
    if (code === NORMAL) {
      void this.#finish();
      return;
    }
    this.#abort();
    // The user may be online in a session whose welcome is lost: the next connection begins another.
    if (this.#identifies && this.#session !== undefined && this.#hooks.resume() === undefined) void sayGoodbye(this.#target, this.#session);
    this.#identifies = false;
  }

  /** Sends what is pending, `bye` at its end, and repeats each request until it is answered. */
  async #finish() {
    const messages = this.#queue.splice(0);
    // What runs before it comes first; it is repeated if it gets no answer. A page that is left cannot wait.
    if (!pageLeaves()) {
      const { environment } = this.#target;
      // Only the answer to the request that begins the session names what is to be ended.
      const limit = this.#session === undefined ? undefined : environment.setTimeout(() => this.#abort(), ENDING_MS);
      await this.#flushing;
      environment.clearTimeout(limit);
    }
    const open = this.#state.open;
    this.#state.open = undefined;
    if (this.#session === undefined || messages.length === 0) return;
    await endByPolls(open?.session === this.#session ? open : undefined, messages, this.#target.environment, {
      request: (batch) => ({ number: this.#next(), body: this.#body(batch), messages: batch }),
      post: ({ number, body, received }, options) => this.#fetch(body, { batch: number, received }, options),
    });
    this.#abort();
  }

  /** @returns {boolean} whether a request is under way; one is sent if the client polls */
  probe() {
    if (this.#closed || this.#rated) return false;
    if (this.#state.open) return true;
    if (this.#in_flight || !(this.#state.heartbeat_ms > 0) || !this.#identified) return false;
    this.#poll_due = true;
    this.#flushing = this.#flush();
    return true;
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
        this.#flushing = this.#flush();
      }
    }, ms);
  }

  /** Begins a session that has no user yet. If the answer is lost, nobody was online. */
  async #begin() {
    this.#in_flight = true;
    await this.#post({ session: "", number: 0, welcomes: undefined, body: this.#body([]), messages: [] }, false);
    this.#in_flight = false;
    if (this.#queue.length > 0) this.#schedule();
  }

  /** @param {{session: string, received: number, welcomes?: number}} resume */
  async #resume({ session, received, welcomes }) {
    this.#session = session;
    this.#state.connection = this;
    this.#in_flight = true;
    const open = this.#state.open;
    // The answer to this request was lost. Repeat it; its answer has the missed messages.
    // If another transport had the session since, it has repeated the messages itself.
    const repeated = open?.session === session && open.welcomes === welcomes;
    if (repeated) this.#refresh(open);
    // A listener of what is stale may have closed the client.
    if (this.#closed) return;
    if (!repeated) this.#state.open = { session, number: this.#next(), received, welcomes, body: "[]", messages: [] };
    await this.#post(/** @type {Batch} */ (this.#state.open), true);
    this.#in_flight = false;
    if (this.#session === undefined && !this.#closed) await this.#begin();
    if (this.#queue.length > 0 || this.#poll_due) this.#schedule();
  }

  #next() {
    this.#state.number += 1;
    return this.#state.number;
  }

  #schedule() {
    if (this.#in_flight) return;
    queueMicrotask(() => {
      if (!this.#in_flight) this.#flushing = this.#flush();
    });
  }

  async #flush() {
    if (this.#in_flight || this.#closed) return;
    this.#in_flight = true;
    while (!this.#closed && (this.#queue.length > 0 || this.#poll_due)) {
      this.#poll_due = false;
      this.#hooks.stale();
      removeDropped(this.#queue);
      if (this.#closed) break;
      const messages = this.#single > 0 ? this.#queue.splice(0, 1) : takeBatch(this.#queue, this.#count_max);
      this.#single = Math.max(0, this.#single - 1);
      const batch = { messages, body: this.#body(messages), welcomes: this.#hooks.resume()?.welcomes };
      if (this.#session === undefined) {
        // Without a session the request is not numbered and not repeated.
        await this.#post({ ...batch, session: "", number: 0 }, false);
      } else {
        this.#state.open = { ...batch, session: this.#session, number: this.#next() };
        await this.#post(this.#state.open, false);
      }
    }
    this.#in_flight = false;
  }

  /**
   * A request is repeated: without what is stale.
   * @param {Batch} open
   */
  #refresh(open) {
    const blank = () => open.messages.filter(({ entry }) => entry?.blank).length;
    const before = blank();
    this.#hooks.stale();
    if (blank() > before) open.body = this.#body(open.messages);
  }

  /** @param {Outgoing[]} messages */
  #body(messages) {
    this.#identifies ||= messages.some(({ text }) => text.startsWith('{"command":"idme"'));
    const entries = messages.map((message) => this.#state.codec.encode(message));
    for (const entry of entries) this.#hooks.traffic("out", "entry", entry);
    if (entries.length === 0) this.#hooks.traffic("out", "entry", "[]");
    return `[${entries.join(",")}]`;
  }

  /**
   * @param {string} body
   * @param {Record<string, number | undefined>} query
   * @param {{signal?: AbortSignal, keepalive?: boolean}} options
   * @returns {Promise<any>}
   */
  #fetch(body, query, options) {
    /** @type {Record<string, string>} */
    const headers = { "Content-Type": "application/json" };
    if (this.#session !== undefined) headers[SESSION_HEADER] = this.#session;
    const attempt = query.batch === undefined ? undefined : this.#attempt;
    return this.#target.fetch(endpointUrl(this.#target.url, "poll", { ...query, attempt }), {
      method: "POST",
      headers,
      body,
      // The header names the session; a cookie must not name another one.
      credentials: "omit",
      cache: "no-store",
      ...options,
    });
  }

  /**
   * @param {Batch} open
   * @param {boolean} resuming
   */
  async #post(open, resuming) {
    const query = open.number > 0 ? { batch: open.number, received: open.received } : {};
    this.#foreign = false;
    for (let tries = 2; !this.#closed; ) {
      tries -= 1;
      const { environment } = this.#target;
      const abort = new AbortController();
      const end = () => abort.abort();
      this.#abort = end;
      const limit = environment.setTimeout(end, ANSWER_MS[tries > 0 ? 0 : 1]);
      try {
        const response = await this.#fetch(open.body, query, { signal: abort.signal });
        const wait_ms = await this.#answered(response, open, resuming);
        environment.clearTimeout(limit);
        if (wait_ms === undefined) return;
        tries += 1;
        this.#rated = true;
        await new Promise((resolve) => void this.#target.environment.setTimeout(() => resolve(undefined), wait_ms));
        this.#rated = false;
      } catch (error) {
        if (tries > 0 && open.number > 0) {
          this.#refresh(open);
          continue;
        }
        if (this.#foreign && !this.#closed) bounced(open.messages);
        this.#end(LOST, String(error));
        return;
      } finally {
        environment.clearTimeout(limit);
      }
    }
  }

  /**
   * @param {any} response
   * @param {Batch} open
   * @param {boolean} [resuming]
   * @returns {Promise<number | undefined>} ms after which the request is to be repeated
   */
  async #answered(response, open, resuming = false) {
    if (!response.ok) return this.#refused(response.status, await responseError(response), open, resuming);
    const answer = await PollAnswer.read(response);
    const { entries, refusal } = answer;
    if (refusal && open.number > 0) return this.#refused(refusal.status, refusal.error, open, resuming);
    if (this.#closed && open.number > 0) return;
    this.#state.open = undefined;
    if (answer.session) this.#session = answer.session;
    if (this.#closed) return;
    this.#hooks.activity();
    // A later one is a message of the session.
    const welcome = resuming ? answer.welcome : undefined;
    if (open.received !== undefined && !welcome) return void this.#notTakenOver(answer);
    this.#state.connection = this;
    const last = lastNumber(open.messages);
    // At a close the server may have carried out a part: `accepted` of the next welcome says how many.
    if (last > 0 && answer.close === undefined) this.#hooks.taken(last);
    if (resuming) {
      this.#identified = true;
      const accepted = welcome?.args?.accepted;
      this.#hooks.resumed(Number.isSafeInteger(accepted) ? accepted : undefined);
      this.schedulePoll();
    }
    this.#poll_due ||= answer.waits;
    await inTurns(entries, (entry) => {
      if (this.#closed) return undefined;
      return this.#entry(entry, resuming, entry === welcome);
    });
  }

  /**
   * A takeover was answered without a welcome: the session is over, or the answer is none of the server.
   * @param {PollAnswer} answer
   */
  #notTakenOver({ entries, error, close = LOST }) {
    for (const entry of entries) this.#hooks.traffic("in", "entry", () => stringify(entry));
    if (error) this.#hooks.parting(error);
    this.#end(close, error?.message ?? "the session was not taken over");
  }

  /**
   * @param {any} entry
   * @param {boolean} resuming
   * @param {boolean} taken whether it was processed with the response
   * @returns {any} the message that was emitted
   */
  #entry(entry, resuming, taken) {
    this.#hooks.traffic("in", "entry", () => stringify(entry));
    if (taken) return undefined;
    const message = this.#state.codec.decode(entry);
    if (["welcome", "error", "close"].includes(message?.command)) this.#identifies = false;
    if (message?.command === "close") {
      this.#end(closeCode(message.data), "");
      return undefined;
    }
    if (message?.command === "connected") {
      const { user, session } = message.data ?? {};
      if (typeof session === "string") this.#session = session;
      if (resuming) return undefined;
      // With a user, a cookie has identified the session already.
      message.command = user ? "welcome" : "idyou";
    }
    if (message?.command === "welcome") {
      this.#identified = true;
    }
    this.#hooks.message(message);
    if (message?.command === "welcome") this.schedulePoll();
    return message;
  }

  /**
   * @param {number} status
   * @param {ResponseError} error
   * @param {Batch} open
   * @param {boolean} resuming
   * @returns {number | undefined} ms after which the request is to be repeated
   */
  #refused(status, error, open, resuming) {
    if (this.#closed) return undefined;
    this.#foreign = status < 500 && !concernsRequest(status, error, open.messages);
    // The answer counts as lost.
    if (this.#foreign) throw new Error(error.message);
    this.#hooks.activity();
    // Nothing of the request was taken.
    if (status === 429 && error.details?.retry_ms > 0 && open.number > 0) return error.details.retry_ms;
    this.#state.open = undefined;
    const { messages } = open;
    if (!resuming && shorten(messages, this.#queue, batchMaxOf(status, error))) {
      this.#count_max = messages.length;
      this.#queue.unshift(...messages);
      return undefined;
    }
    // A gateway's error does not say that the server has not taken the request.
    if (status < 500 || !error.foreign) this.#identifies = false;
    if (resuming && (status === 410 || status === 409)) {
      this.#session = undefined;
      this.#hooks.expired();
    } else if (!this.#identified && (status === 401 || status === 403)) {
      this.#hooks.message({ command: "error", data: error });
    } else if (!this.#identified && status === 413) {
      this.#hooks.message({ command: "error", data: { ...error, code: "too_large" } });
    } else if (status === 404 || status === 405) {
      this.#end(LOST, error.message, true);
    } else if (status === 409 || status === 410) {
      this.#end(EXPIRED, error.message);
    } else if (status === 429) {
      this.#end(RATE_LIMITED, error.message);
    } else if (status >= 500 || !this.#identified) {
      this.#end(closeCodeOf(status), error.message);
    } else if (status === 413 && open.messages.length > 1) {
      // Each alone may be accepted.
      this.#single = open.messages.length;
      this.#queue.unshift(...open.messages);
    } else {
      // Requests are numbered here, not commands: one that never arrived leaves nothing to ask.
      this.#hooks.discarded(open.messages.map(({ entry }) => entry), true);
      this.#hooks.refused(open.messages.map(({ text }) => text), error);
    }
    return undefined;
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
    this.#hooks.closed(ownCloseCode(this.#target.environment, code), reason, unsupported);
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
  const state = { number, open: undefined, codec: new PollCodec(), heartbeat_ms, connection: undefined };
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
