/**
 * Long polling: a tunnel for networks that buffer streams. The server answers
 * each request when it has messages; the next request asks for later ones.
 * Messages are sent as in the tunnel.
 * @module
 */

import { parse } from "../binary.js";
import { Sender, messageOf } from "./datagram.js";
import { EXPIRED, LOST, NORMAL, WRAPPER_BYTES, beginsElsewhere, closeCodeOf, endpointUrl, ownCloseCode, responseError } from "./transport.js";
import { inTurns } from "./turn.js";

/** @import { Sent } from "../sent_log.js" */
/** @import { Target, Transport, TransportConnection, TransportHooks } from "./transport.js" */

/**
 * Sent when resuming. Its answer completes the first long poll at once, so an
 * intermediary that forwards only complete responses does not delay the resume.
 */
const WAKE_UP = '{"command":"time","data":{"t0":0}}';
/** Minimum time between two, so that many interruptions do not exceed the rate of `time`. */
const WAKE_UP_MS = 100;
/** Local ms of the last one, per client. @type {WeakMap<object, number>} */
const woken_at = new WeakMap();

/**
 * Whether an answer may be the server's: a gateway's page is none. The content
 * type is known before the end of the answer.
 * @param {any} response
 */
function isJson(response) {
  return response.headers.get("Content-Type")?.startsWith("application/json") === true;
}

/** @implements {TransportConnection} */
class LongPollConnection {
  #target;
  #hooks;
  #sender;
  /** The number of the connection. */
  #attempt = 0;
  #abort = new AbortController();
  #session = "";
  /** Id of the last received datagram; until the welcome the next request continues after it. @type {string | undefined} */
  #after;
  #opened = false;
  #closed = false;

  /**
   * @param {Target} target
   * @param {TransportHooks} hooks
   */
  constructor(target, hooks) {
    this.#target = target;
    this.#hooks = hooks;
    this.#sender = this.#newSender();
  }

  get writable() {
    return this.#opened && !this.#closed;
  }

  get idle() {
    return this.#sender.idle;
  }

  open() {
    void this.#run();
  }

  /**
   * @param {string} text
   * @param {Sent} [entry]
   */
  send(text, entry) {
    if (this.writable) this.#sender.send(text, entry);
  }

  /** @param {string} text */
  raw(text) {
    if (this.writable) this.#sender.raw(text);
  }

  /** @param {number} code */
  close(code) {
    this.#closed = true;
    const end = () => {
      this.#sender.close();
      this.#abort.abort();
    };
    // The request under way stays until the goodbye is answered: its end would be a drop.
    if (code === NORMAL) void this.#sender.finish().finally(end);
    else end();
  }

  #newSender() {
    const sender = new Sender(this.#target, this.#hooks, (code, reason) => this.#end(code, reason));
    sender.attempt = this.#attempt;
    return sender;
  }

  async #run() {
    let resume = this.#hooks.resume();
    this.#attempt = this.#sender.attempt = this.#hooks.attempt();
    if (resume) {
      this.#sender.tunnel = resume.session;
      this.#wakeUp();
    }
    while (!this.#closed) {
      const query = this.#query(resume);
      try {
        const url = endpointUrl(this.#target.url, "tunnel", { ...query, format: "longpoll" });
        const response = await this.#target.fetch(url, { cache: "no-store", signal: this.#abort.signal });
        if (this.#closed) return;
        if (response.ok && !isJson(response)) throw new Error("the answer is not one of the server");
        this.#hooks.activity();
        if (response.ok) {
          if (resume && !this.#opened) this.#open(resume.session, true);
          await this.#receive(response);
        } else if (response.status === 410 && resume && !this.#opened && isJson(response)) {
          resume = undefined;
          // The answer to a request of the old session says nothing about the new one.
          this.#sender.close();
          this.#sender = this.#newSender();
          this.#hooks.expired();
        } else {
          await this.#refused(response);
        }
      } catch (error) {
        if (!this.#closed) this.#end(LOST, String(error));
      }
    }
  }

  #wakeUp(sender = this.#sender) {
    // The session has expired meanwhile.
    if (sender !== this.#sender) return;
    const { environment } = this.#target;
    const ms = (woken_at.get(environment) ?? -Infinity) + WAKE_UP_MS - environment.local();
    if (ms > 0) {
      environment.setTimeout(() => !this.#closed && this.#wakeUp(sender), ms);
      return;
    }
    woken_at.set(environment, environment.local());
    this.#sender.send(WAKE_UP, undefined);
  }

  /** @param {{session: string, received: number} | undefined} resume */
  #query(resume) {
    if (!this.#opened && !resume) return { new: 1 };
    // By the count: the server forgets the id of a datagram that a clock exchange has acknowledged.
    const known = this.#hooks.resume();
    if (known) return { id: known.session, received: known.received, attempt: this.#attempt };
    // Before the welcome nothing is counted.
    return { id: this.#session, after: this.#after, received: this.#after === undefined ? 0 : undefined, attempt: this.#attempt };
  }

  /**
   * @param {string} session
   * @param {boolean} resumed
   */
  #open(session, resumed) {
    this.#opened = true;
    this.#session = session;
    this.#sender.tunnel = session;
    if (resumed) this.#hooks.resumed();
  }

  /** @param {any} response */
  async #receive(response) {
    const [head, ...datagrams] = parse(await response.text());
    if (this.#closed) return;
    this.#hooks.activity();
    if (!this.#opened) this.#open(String(head?.tunnel), false);
    await inTurns(datagrams, (datagram) => {
      if (this.#closed) return undefined;
      // The close code; a batch that leaves the tunnel open has none.
      if (Number.isInteger(datagram?.close)) return void this.#end(datagram.close, "");
      if (typeof datagram?.id === "string") this.#after = datagram.id;
      this.#hooks.traffic("in", "datagram", () => JSON.stringify(datagram));
      const message = messageOf(datagram);
      this.#sender.received(message);
      this.#hooks.message(message);
      return message;
    });
  }

  /** @param {any} response */
  async #refused(response) {
    const error = await responseError(response);
    if (this.#closed) return;
    const { status } = response;
    if (!this.#opened && beginsElsewhere(status, this.#target)) return this.#end(LOST, error.message, "begin");
    if (!this.#opened && (status === 401 || status === 403)) this.#hooks.message({ command: "error", data: error });
    const missing = !error.foreign && (status === 404 || status === 405);
    this.#end(this.#opened && missing ? EXPIRED : closeCodeOf(error.foreign ? 0 : status), error.message, !this.#opened && missing);
  }

  /**
   * @param {number} code
   * @param {string} reason
   * @param {boolean | "begin"} [unsupported]
   */
  #end(code, reason, unsupported = false) {
    if (this.#closed) return;
    this.close(LOST);
    this.#hooks.closed(ownCloseCode(this.#target.environment, code), reason, unsupported);
  }
}

/** @type {Transport} */
export const longpoll = {
  name: "longpoll",
  push: true,
  stream: true,
  envelope: WRAPPER_BYTES,
  createConnection: (target, hooks) => new LongPollConnection(target, hooks),
};
