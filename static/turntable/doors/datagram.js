/**
 * Datagrams, what tunnels carry: `{"id", "path", "data"}` down, and up
 * `{"tunnel", "path": "/server", "data": MESSAGE}`. What goes up is sent by
 * requests of its own, all that is said within one turn in one request, one
 * request after the other so that the order stands.
 * @module
 */

import { batch, beside, codeOf, refusal } from "./door.js";

/** @import { ConnectionHooks, Target } from "./door.js" */

const CHANNEL = "/channel/";

/**
 * The message that a datagram holds. On a channel's path the data is what was
 * published, with who did that, where in its order and when beside it;
 * everywhere else it is a message.
 * @param {any} datagram
 * @returns {any} undefined where it holds none
 */
export function messageOf(datagram) {
  if (typeof datagram !== "object" || datagram === null) return undefined;
  const { path, data } = datagram;
  if (typeof path === "string" && path.startsWith(CHANNEL)) {
    const { tunnel: _tunnel, path: _path, data: _data, ...about } = datagram;
    return { command: "message", data: { ...about, channel: path.slice(CHANNEL.length), data } };
  }
  return typeof data?.command === "string" ? data : undefined;
}

export class Sender {
  #target;
  #hooks;
  #failed;
  /** @type {string[]} */
  #queue = [];
  #flying = false;
  #over = false;

  /** The tunnel's id, once it is known. */
  tunnel = "";

  /**
   * @param {Target} target
   * @param {ConnectionHooks} hooks
   * @param {(code: number, reason: string) => void} failed
   */
  constructor(target, hooks, failed) {
    this.#target = target;
    this.#hooks = hooks;
    this.#failed = failed;
  }

  get idle() {
    return this.#queue.length === 0 && !this.#flying;
  }

  /** @param {string} text */
  send(text) {
    this.#queue.push(text);
    if (this.#queue.length === 1) this.#soon();
  }

  #soon() {
    if (!this.#flying) queueMicrotask(() => void this.#flush());
  }

  /**
   * Sends a text as it is, as a request of its own.
   * @param {string} text
   */
  raw(text) {
    void this.#post(text, []);
  }

  /** What waits still goes out; what becomes of it is nobody's business any more. */
  close() {
    this.#over = true;
  }

  async #flush() {
    if (this.#flying) return;
    this.#flying = true;
    while (this.#queue.length > 0) {
      const texts = batch(this.#queue);
      const datagrams = texts.map((text) => `{"tunnel":${JSON.stringify(this.tunnel)},"path":"/server","data":${text}}`);
      if (!(await this.#post(`[${datagrams.join(",")}]`, texts))) break;
    }
    this.#flying = false;
  }

  /**
   * @param {string} body
   * @param {string[]} texts the messages in it
   * @returns {Promise<boolean>} whether one can go on
   */
  async #post(body, texts) {
    this.#hooks.traffic("out", "datagram", body);
    /** @type {any} */
    let response;
    /** @type {any} */
    let answers;
    try {
      response = await this.#target.fetch(beside(this.#target.url, "tunnel/send"), {
        method: "POST",
        // A kind that another origin may send without asking first.
        headers: { "Content-Type": "text/plain;charset=UTF-8" },
        body,
        keepalive: this.#over,
        cache: "no-store",
      });
      if (response.ok) answers = await response.json();
    } catch (error) {
      this.#fail(codeOf(0), `sending failed: ${error}`);
      return false;
    }
    if (this.#over) return true;
    this.#hooks.heard();
    if (!response.ok) {
      const error = await refusal(response);
      if (response.status === 410 || response.status === 429 || response.status >= 500) {
        this.#fail(codeOf(response.status), error.message);
        return false;
      }
      this.#hooks.refused(texts, error);
      return true;
    }
    const list = Array.isArray(answers) ? answers : [answers];
    for (const [index, answer] of list.entries()) {
      const error = answer?.error;
      if (!error) continue;
      if (error.code === "session_expired") {
        this.#fail(codeOf(410), String(error.message));
        return false;
      }
      this.#hooks.refused(texts.slice(index, index + 1), error);
    }
    return true;
  }

  /**
   * @param {number} code
   * @param {string} reason
   */
  #fail(code, reason) {
    if (!this.#over) this.#failed(code, reason);
  }
}
