/**
 * The tunnel: server-sent events for received messages, requests for sent ones
 * (Sender). The stream is read by EventSource if available, by fetch otherwise.
 *
 * An EventSource reconnects by itself to its original URL. That would open a
 * second tunnel or resume at an outdated position, so the EventSource is closed
 * at its first error and the library reconnects. An EventSource does not expose
 * the status of a refused request; the request is then repeated once by fetch.
 * @module
 */

import { parse } from "../binary.js";
import { Sender, messageOf } from "./datagram.js";
import { LOST, NORMAL, WRAPPER_BYTES, beginsElsewhere, closeCodeOf, endpointUrl, ownCloseCode, responseError } from "./transport.js";
import { EventStream } from "./event_stream.js";
import { inTurns } from "./turn.js";

/** @import { Sent } from "../sent_log.js" */
/** @import { Target, Transport, TransportConnection, TransportHooks } from "./transport.js" */

/** EventSource.CLOSED: it does not reconnect. */
const CLOSED = 2;

/** @implements {TransportConnection} */
class TunnelConnection {
  #target;
  #hooks;
  #sender;
  /** @type {any} */
  #source;
  /** @type {AbortController | undefined} */
  #abort;
  #resuming = false;
  #opened = false;
  #closed = false;

  /**
   * @param {Target} target
   * @param {TransportHooks} hooks
   */
  constructor(target, hooks) {
    this.#target = target;
    this.#hooks = hooks;
    this.#sender = new Sender(target, hooks, (code, reason) => this.#end(code, reason));
  }

  get writable() {
    return this.#opened && !this.#closed;
  }

  get idle() {
    return this.#sender.idle;
  }

  open() {
    const resume = this.#hooks.resume();
    this.#resuming = resume !== undefined;
    const attempt = this.#hooks.attempt();
    this.#sender.attempt = attempt;
    const query = resume ? { id: resume.session, received: resume.received, attempt } : { new: 1 };
    const url = endpointUrl(this.#target.url, "tunnel", { ...query, format: "sse" });
    if (this.#target.EventSource) this.#listen(url);
    else void this.#read(url);
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
      this.#source?.close();
      this.#abort?.abort();
    };
    // The stream stays until the goodbye is answered: its end would be a drop.
    if (code === NORMAL) void this.#sender.finish().finally(end);
    else end();
  }

  /** @param {string} url */
  #listen(url) {
    /** @type {any} */
    let source;
    try {
      source = new this.#target.EventSource(url);
    } catch (error) {
      this.#end(LOST, String(error));
      return;
    }
    this.#source = source;
    const receive = (/** @type {any} */ { type, data }) => {
      // The browser's own `open` event has no data.
      if (typeof data === "string") this.#event(type, data);
    };
    for (const type of ["open", "message", "close"]) source.addEventListener(type, receive);
    source.onerror = () => {
      if (this.#closed || source !== this.#source) return;
      const refused = source.readyState === CLOSED && !this.#opened;
      source.close();
      this.#source = undefined;
      if (refused && this.#target.fetch) void this.#read(url);
      else this.#end(LOST, "the stream was interrupted");
    };
  }

  /** @param {string} url */
  async #read(url) {
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    try {
      const headers = { Accept: "text/event-stream" };
      const response = await this.#target.fetch(url, { headers, cache: "no-store", signal });
      if (this.#closed) return;
      if (!response.ok) {
        this.#hooks.activity();
        await this.#refused(response);
        return;
      }
      // The server sends something at once. Its head alone proves nothing: a proxy may hold the rest back.
      const stream = new EventStream();
      const reader = response.body.getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (this.#closed) return;
        if (done) break;
        this.#hooks.activity();
        await inTurns(stream.push(value), ({ type, data }) => this.#event(type, data));
        if (this.#closed) return;
      }
      this.#end(LOST, "the stream ended");
    } catch (error) {
      if (!this.#closed) this.#end(LOST, String(error));
    }
  }

  /** @param {any} response */
  async #refused(response) {
    const error = await responseError(response);
    if (this.#closed) return;
    if (response.status === 410 && this.#resuming && !error.foreign) {
      this.#hooks.expired();
      if (!this.#closed) this.open();
    } else if (!this.#resuming && beginsElsewhere(response.status, this.#target)) {
      this.#end(LOST, error.message, "begin");
    } else if (response.status === 401 || response.status === 403) {
      this.#hooks.message({ command: "error", data: error });
      this.#end(LOST, error.message);
    } else {
      const missing = !error.foreign && (response.status === 404 || response.status === 405);
      this.#end(closeCodeOf(error.foreign ? 0 : response.status), error.message, missing);
    }
  }

  /**
   * @param {string} type
   * @param {string} data
   * @returns {any} the message that was emitted
   */
  #event(type, data) {
    if (this.#closed) return undefined;
    this.#hooks.activity();
    /** @type {any} */
    let value;
    try {
      value = parse(data);
    } catch {
      value = undefined;
    }
    if (type === "open") {
      if (this.#opened) return undefined;
      this.#opened = true;
      this.#sender.tunnel = String(value?.tunnel);
      if (this.#resuming) this.#hooks.resumed();
    } else if (type === "close") {
      this.#end(Number.isInteger(value?.close) ? value.close : LOST, "");
    } else {
      this.#hooks.traffic("in", "datagram", data);
      const message = messageOf(value);
      this.#sender.received(message);
      this.#hooks.message(message);
      return message;
    }
    return undefined;
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
export const tunnel = {
  name: "tunnel",
  push: true,
  stream: true,
  envelope: WRAPPER_BYTES,
  createConnection: (target, hooks) => new TunnelConnection(target, hooks),
};
