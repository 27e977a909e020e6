/**
 * The poll: remote calls in batches over plain requests. The server speaks
 * only when it is asked, and it is asked when there is something to send; who
 * wants to hear of others without saying anything sets a heartbeat.
 *
 * Requests of a session are numbered, and one is on its way at a time. One
 * whose answer was lost is made again with the same number and the same body:
 * the server runs nothing twice and gives the same answer, so each call is done
 * once and each message comes once. That survives the connection's end, so the
 * number and the open request belong to the door.
 * @module
 */

import { parse, stringify } from "../binary.js";
import { EXPIRED, LOST, RATE_LIMITED, batch, beside, codeOf, refusal } from "./door.js";
import { entryOf, messageOf } from "./entry.js";

/** @import { Connection, ConnectionHooks, Door, Target } from "./door.js" */

/** @typedef {{session: string, number: number, body: string, texts: string[]}} Batch */

/**
 * What outlives a connection.
 * @typedef {object} PollState
 * @property {number} number of the last request
 * @property {Batch | undefined} open one that has no answer yet
 * @property {Map<any, string>} asked the commands that await an answer, by their ids
 * @property {number} heartbeat_ms
 * @property {PollConnection | undefined} connection
 */

const BYE = 1000;
const SESSION_HEADER = "Turntable-Session";
/** Commands whose answer is waited for although nobody gave them an id. */
const AWAITED = new Set(["idme", "time"]);

/** @implements {Connection} */
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
  #flying = false;
  #due = false;
  #over = false;
  /** @type {any} */
  #timer;

  /**
   * @param {Target} target
   * @param {ConnectionHooks} hooks
   * @param {PollState} state
   */
  constructor(target, hooks, state) {
    this.#target = target;
    this.#hooks = hooks;
    this.#state = state;
  }

  get writable() {
    return !this.#over;
  }

  get idle() {
    return !this.#flying && this.#queue.length === 0;
  }

  open() {
    const resume = this.#hooks.resume();
    if (resume) void this.#resume(resume);
    else this.#greet();
  }

  /** @param {string} text */
  send(text) {
    if (this.#over) return;
    this.#queue.push(text);
    this.#soon();
  }

  /** @param {string} text */
  raw(text) {
    if (this.#over) return;
    this.#hooks.traffic("out", "entry", text);
    void this.#fetch(text, this.#session === undefined ? {} : { batch: this.#next() }).then(
      (/** @type {any} */ response) => this.#answered(response, []),
      (/** @type {any} */ error) => this.#end(LOST, String(error)),
    );
  }

  /** @param {number} code */
  close(code) {
    this.#over = true;
    this.#target.environment.clearTimeout(this.#timer);
    if (this.#state.connection === this) this.#state.connection = undefined;
    if (this.#queue.length > 0 && this.#session !== undefined) {
      // The last word, such as `bye`: nobody is left to hear the answer.
      const body = this.#body(this.#queue.splice(0));
      this.#fetch(body, { batch: this.#next() }, true).catch(() => {});
    }
    // What was said before goodbye shall still be heard.
    if (code !== BYE) this.#abort.abort();
  }

  /** Sets the heartbeat going, or stops it. */
  beat() {
    const { environment } = this.#target;
    environment.clearTimeout(this.#timer);
    const ms = this.#state.heartbeat_ms;
    if (!(ms > 0) || this.#over || !this.#identified) return;
    this.#timer = environment.setTimeout(() => {
      this.beat();
      // A request that is on its way brings what waits.
      if (!this.#flying) {
        this.#due = true;
        void this.#flush();
      }
    }, ms);
  }

  /** The session speaks first, where it need not be resumed. */
  #greet() {
    queueMicrotask(() => {
      if (!this.#over) this.#hooks.message({ command: "idyou", data: {} });
    });
  }

  /** @param {{session: string, received: number}} resume */
  async #resume({ session, received }) {
    this.#session = session;
    this.#state.connection = this;
    const open = this.#state.open;
    if (open?.session === session) {
      // Its answer was lost: it brings what was missed, and nothing else may.
      this.#flying = true;
      await this.#post(open, { batch: open.number }, true);
    } else {
      this.#flying = true;
      this.#state.open = { session, number: this.#next(), body: "[]", texts: [] };
      await this.#post(this.#state.open, { batch: this.#state.number, received }, true);
    }
    this.#flying = false;
    if (this.#queue.length > 0) this.#soon();
  }

  #next() {
    this.#state.number += 1;
    return this.#state.number;
  }

  #soon() {
    if (!this.#flying) queueMicrotask(() => void this.#flush());
  }

  async #flush() {
    if (this.#flying || this.#over) return;
    this.#flying = true;
    while (!this.#over && (this.#queue.length > 0 || this.#due)) {
      this.#due = false;
      const texts = batch(this.#queue);
      const body = this.#body(texts);
      if (this.#session === undefined) {
        // Without a session there is nothing yet that could be done twice.
        await this.#post({ session: "", number: 0, body, texts }, {}, false);
      } else {
        this.#state.open = { session: this.#session, number: this.#next(), body, texts };
        await this.#post(this.#state.open, { batch: this.#state.number }, false);
      }
    }
    this.#flying = false;
  }

  /** @param {string[]} texts */
  #body(texts) {
    const entries = texts.map((text) => {
      const message = parse(text);
      if (message.id === undefined && AWAITED.has(message.command)) message.id = message.command;
      // Nothing answers actions that pass.
      if (message.id !== undefined && message.command !== "game") this.#state.asked.set(message.id, message.command);
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
    return this.#target.fetch(beside(this.#target.url, "poll", query), {
      method: "POST",
      headers,
      body,
      // The session is in the header; a cookie of another one must not come between.
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
    for (let tries = 2; !this.#over; ) {
      tries -= 1;
      try {
        const response = await this.#fetch(open.body, query);
        await this.#answered(response, open.texts, resuming);
        return;
      } catch (error) {
        if (tries > 0 && open.number > 0) continue;
        this.#end(LOST, String(error));
        return;
      }
    }
  }

  /**
   * @param {any} response
   * @param {string[]} texts the messages that it answers
   * @param {boolean} [resuming]
   */
  async #answered(response, texts, resuming = false) {
    if (!response.ok) {
      await this.#refused(response, texts, resuming);
      return;
    }
    // Read whole before anything is done: half an answer is a lost one.
    const body = await response.text();
    /** @type {any} */
    let entries;
    try {
      entries = parse(body);
    } catch {
      throw new Error("the answer is not JSON");
    }
    this.#state.open = undefined;
    if (this.#over) return;
    this.#hooks.heard();
    const session = response.headers.get(SESSION_HEADER);
    if (session) this.#session = session;
    this.#state.connection = this;
    if (resuming) {
      this.#identified = true;
      this.#hooks.resumed();
      this.beat();
    }
    for (const entry of Array.isArray(entries) ? entries : [entries]) {
      if (this.#over) return;
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
      const command = this.#state.asked.get(id);
      this.#state.asked.delete(id);
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
      // A cookie may have told who this is.
      if (!user || resuming) return;
      message.command = "welcome";
    }
    if (message?.command === "welcome") {
      this.#identified = true;
      if (resuming) return;
    }
    this.#hooks.message(message);
    if (message?.command === "welcome") this.beat();
  }

  /**
   * @param {any} response
   * @param {string[]} texts
   * @param {boolean} resuming
   */
  async #refused(response, texts, resuming) {
    const error = await refusal(response);
    this.#state.open = undefined;
    if (this.#over) return;
    this.#hooks.heard();
    const { status } = response;
    if (resuming && (status === 410 || status === 409)) {
      this.#session = undefined;
      this.#hooks.expired();
      this.#greet();
    } else if (!this.#identified && (status === 401 || status === 403)) {
      this.#hooks.message({ command: "error", data: error });
    } else if (status === 404 || status === 405) {
      this.#end(LOST, error.message, true);
    } else if (status === 409 || status === 410) {
      this.#end(EXPIRED, error.message);
    } else if (status === 429) {
      this.#end(RATE_LIMITED, error.message);
    } else if (status >= 500 || !this.#identified) {
      this.#end(codeOf(status), error.message);
    } else {
      this.#hooks.refused(texts, error);
    }
  }

  /**
   * @param {number} code
   * @param {string} reason
   * @param {boolean} [gone]
   */
  #end(code, reason, gone = false) {
    if (this.#over) return;
    this.#queue = [];
    this.close(code);
    this.#hooks.closed(code, reason, gone);
  }
}

/**
 * The poll of one client.
 * @param {{heartbeat_ms?: number, number?: number}} [options] number: after which
 *   requests are numbered; where a session is older than the page, it must be larger than the last
 * @returns {Door}
 */
export function poll({ heartbeat_ms = 0, number = 0 } = {}) {
  /** @type {PollState} */
  const state = { number, open: undefined, asked: new Map(), heartbeat_ms, connection: undefined };
  return {
    name: "poll",
    live: false,
    connection: (target, hooks) => new PollConnection(target, hooks, state),
    heartbeat: (ms) => {
      state.heartbeat_ms = ms;
      state.connection?.beat();
    },
  };
}
