/**
 * The tunnel: a stream of server-sent events down, requests up (Sender). By
 * EventSource where there is one, else by reading a response as it comes.
 *
 * An EventSource comes back by itself to the address it was given, which would
 * open a second tunnel (or resume from a place long past), so it is closed at
 * its first error: coming back is the library's matter. It also hides why it
 * was refused; then the same request is made once by fetch, which tells.
 * @module
 */

import { parse } from "../binary.js";
import { Sender, messageOf } from "./datagram.js";
import { LOST, beside, codeOf, refusal } from "./door.js";
import { EventStream } from "./event_stream.js";

/** @import { Connection, ConnectionHooks, Door, Target } from "./door.js" */

/** An EventSource that will not try again. */
const CLOSED = 2;

/** @implements {Connection} */
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
  #over = false;

  /**
   * @param {Target} target
   * @param {ConnectionHooks} hooks
   */
  constructor(target, hooks) {
    this.#target = target;
    this.#hooks = hooks;
    this.#sender = new Sender(target, hooks, (code, reason) => this.#end(code, reason));
  }

  get writable() {
    return this.#opened && !this.#over;
  }

  get idle() {
    return this.#sender.idle;
  }

  open() {
    const resume = this.#hooks.resume();
    this.#resuming = resume !== undefined;
    const query = resume ? { id: resume.session, received: resume.received } : { new: 1 };
    const url = beside(this.#target.url, "tunnel", { ...query, format: "sse" });
    if (this.#target.EventSource) this.#listen(url);
    else void this.#read(url);
  }

  /** @param {string} text */
  send(text) {
    if (this.writable) this.#sender.send(text);
  }

  /** @param {string} text */
  raw(text) {
    if (this.writable) this.#sender.raw(text);
  }

  close() {
    this.#over = true;
    this.#sender.close();
    this.#source?.close();
    this.#abort?.abort();
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
    const take = (/** @type {any} */ { type, data }) => {
      // The browser's own `open` has no data.
      if (typeof data === "string") this.#event(type, data);
    };
    for (const type of ["open", "message", "close"]) source.addEventListener(type, take);
    source.onerror = () => {
      if (this.#over || source !== this.#source) return;
      const refused = source.readyState === CLOSED && !this.#opened;
      source.close();
      this.#source = undefined;
      if (refused && this.#target.fetch) void this.#read(url);
      else this.#end(LOST, "the stream broke");
    };
  }

  /** @param {string} url */
  async #read(url) {
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    try {
      const headers = { Accept: "text/event-stream" };
      const response = await this.#target.fetch(url, { headers, cache: "no-store", signal });
      if (this.#over) return;
      this.#hooks.heard();
      if (!response.ok) {
        await this.#refused(response);
        return;
      }
      const stream = new EventStream();
      const reader = response.body.getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (this.#over) return;
        if (done) break;
        this.#hooks.heard();
        for (const { type, data } of stream.push(value)) {
          this.#event(type, data);
          if (this.#over) return;
        }
      }
      this.#end(LOST, "the stream ended");
    } catch (error) {
      if (!this.#over) this.#end(LOST, String(error));
    }
  }

  /** @param {any} response */
  async #refused(response) {
    const error = await refusal(response);
    if (this.#over) return;
    if (response.status === 410 && this.#resuming) {
      this.#hooks.expired();
      if (!this.#over) this.open();
    } else if (response.status === 401 || response.status === 403) {
      this.#hooks.message({ command: "error", data: error });
      this.#end(LOST, error.message);
    } else {
      this.#end(codeOf(response.status), error.message, response.status === 404 || response.status === 405);
    }
  }

  /**
   * @param {string} type
   * @param {string} data
   */
  #event(type, data) {
    if (this.#over) return;
    this.#hooks.heard();
    /** @type {any} */
    let told;
    try {
      told = parse(data);
    } catch {
      told = undefined;
    }
    if (type === "open") {
      if (this.#opened) return;
      this.#opened = true;
      this.#sender.tunnel = String(told?.tunnel);
      if (this.#resuming) this.#hooks.resumed();
    } else if (type === "close") {
      this.#end(Number.isInteger(told?.close) ? told.close : LOST, "");
    } else {
      this.#hooks.traffic("in", "datagram", data);
      this.#hooks.message(messageOf(told));
    }
  }

  /**
   * @param {number} code
   * @param {string} reason
   * @param {boolean} [gone]
   */
  #end(code, reason, gone = false) {
    if (this.#over) return;
    this.close();
    this.#hooks.closed(code, reason, gone);
  }
}

/** @type {Door} */
export const tunnel = {
  name: "tunnel",
  live: true,
  connection: (target, hooks) => new TunnelConnection(target, hooks),
};
