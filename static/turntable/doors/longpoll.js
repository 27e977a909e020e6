/**
 * The long poll: a tunnel for networks that hold streams back. Each request
 * waits until there is something to tell, and is answered once; the next one
 * asks for what comes after. What goes up goes as in the tunnel.
 * @module
 */

import { parse } from "../binary.js";
import { Sender, messageOf } from "./datagram.js";
import { EXPIRED, LOST, beside, codeOf, refusal } from "./door.js";

/** @import { Connection, ConnectionHooks, Door, Target } from "./door.js" */

/**
 * Said on coming back: its answer ends the first wait at once, where something
 * between here and the server hands on nothing but whole answers.
 */
const NUDGE = '{"command":"time","data":{"t0":0}}';

/** @implements {Connection} */
class LongPollConnection {
  #target;
  #hooks;
  #sender;
  #abort = new AbortController();
  #session = "";
  /** The last datagram's id, after which the next request asks. @type {string | undefined} */
  #after;
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
    void this.#run();
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
    this.#abort.abort();
  }

  async #run() {
    let resume = this.#hooks.resume();
    if (resume) {
      this.#sender.tunnel = resume.session;
      this.#sender.send(NUDGE);
    }
    while (!this.#over) {
      const query = this.#query(resume);
      try {
        const url = beside(this.#target.url, "tunnel", { ...query, format: "longpoll" });
        const response = await this.#target.fetch(url, { cache: "no-store", signal: this.#abort.signal });
        if (this.#over) return;
        this.#hooks.heard();
        if (response.ok) {
          if (resume && !this.#opened) this.#open(resume.session, true);
          await this.#take(response);
        } else if (response.status === 410 && resume && !this.#opened) {
          resume = undefined;
          this.#hooks.expired();
        } else {
          await this.#refused(response);
        }
      } catch (error) {
        if (!this.#over) this.#end(LOST, String(error));
      }
    }
  }

  /** @param {{session: string, received: number} | undefined} resume */
  #query(resume) {
    if (!this.#opened && !resume) return { new: 1 };
    if (this.#after !== undefined) return { id: this.#session, after: this.#after };
    // Nothing has come yet: what the session says counts.
    return { id: this.#session || resume?.session, received: this.#hooks.resume()?.received ?? 0 };
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
  async #take(response) {
    const [head, ...datagrams] = parse(await response.text());
    if (this.#over) return;
    this.#hooks.heard();
    if (!this.#opened) this.#open(String(head?.tunnel), false);
    for (const datagram of datagrams) {
      // Why the tunnel ends; a batch alone ends without.
      if (Number.isInteger(datagram?.close)) return this.#end(datagram.close, "");
      if (typeof datagram?.id === "string") this.#after = datagram.id;
      this.#hooks.traffic("in", "datagram", () => JSON.stringify(datagram));
      this.#hooks.message(messageOf(datagram));
      if (this.#over) return;
    }
  }

  /** @param {any} response */
  async #refused(response) {
    const error = await refusal(response);
    if (this.#over) return;
    const { status } = response;
    if (!this.#opened && (status === 401 || status === 403)) this.#hooks.message({ command: "error", data: error });
    this.#end(this.#opened && status === 404 ? EXPIRED : codeOf(status), error.message, !this.#opened && (status === 404 || status === 405));
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
export const longpoll = {
  name: "longpoll",
  live: true,
  connection: (target, hooks) => new LongPollConnection(target, hooks),
};
