/**
 * Datagrams, the units of a tunnel. Received: `{"id", "path", "data"}`. Sent:
 * `{"tunnel", "path": "/server", "data": MESSAGE}`. Datagrams are sent by
 * separate requests: those of one event-loop turn share a request, and requests
 * follow one after another, which preserves their order.
 * @module
 */

import { closeCodeOf, endpointUrl, responseError, takeBatch } from "./transport.js";

/** @import { Target, TransportHooks } from "./transport.js" */

const CHANNEL = "/channel/";

/**
 * Decodes the message of a datagram. On a channel's path, `data` is the
 * published data; sender, offset and time are fields beside it. On every other
 * path, `data` is a message.
 * @param {any} datagram
 * @returns {any} undefined if the datagram contains no message
 */
export function messageOf(datagram) {
  if (typeof datagram !== "object" || datagram === null) return undefined;
  const { path, data } = datagram;
  if (typeof path === "string" && path.startsWith(CHANNEL)) {
    const { tunnel: _tunnel, path: _path, data: _data, ...fields } = datagram;
    return { command: "message", data: { ...fields, channel: path.slice(CHANNEL.length), data } };
  }
  return typeof data?.command === "string" ? data : undefined;
}

export class Sender {
  #target;
  #hooks;
  #failed;
  /** @type {string[]} */
  #queue = [];
  #in_flight = false;
  #closed = false;

  /** The tunnel's id, once known. */
  tunnel = "";

  /**
   * @param {Target} target
   * @param {TransportHooks} hooks
   * @param {(code: number, reason: string) => void} failed
   */
  constructor(target, hooks, failed) {
    this.#target = target;
    this.#hooks = hooks;
    this.#failed = failed;
  }

  get idle() {
    return this.#queue.length === 0 && !this.#in_flight;
  }

  /** @param {string} text */
  send(text) {
    this.#queue.push(text);
    if (this.#queue.length === 1) this.#schedule();
  }

  #schedule() {
    if (!this.#in_flight) queueMicrotask(() => void this.#flush());
  }

  /**
   * Sends a text unchanged as a separate request.
   * @param {string} text
   */
  raw(text) {
    void this.#post(text, []);
  }

  /** Pending messages are still sent; their results are ignored. */
  close() {
    this.#closed = true;
  }

  async #flush() {
    if (this.#in_flight) return;
    this.#in_flight = true;
    while (this.#queue.length > 0) {
      const texts = takeBatch(this.#queue);
      const datagrams = texts.map((text) => `{"tunnel":${JSON.stringify(this.tunnel)},"path":"/server","data":${text}}`);
      if (!(await this.#post(`[${datagrams.join(",")}]`, texts))) break;
    }
    this.#in_flight = false;
  }

  /**
   * @param {string} body
   * @param {string[]} texts the messages in the body
   * @returns {Promise<boolean>} false if the connection failed
   */
  async #post(body, texts) {
    this.#hooks.traffic("out", "datagram", body);
    /** @type {any} */
    let response;
    /** @type {any} */
    let answers;
    try {
      response = await this.#target.fetch(endpointUrl(this.#target.url, "tunnel/send"), {
        method: "POST",
        // This content type needs no CORS preflight request.
        headers: { "Content-Type": "text/plain;charset=UTF-8" },
        body,
        keepalive: this.#closed,
        cache: "no-store",
      });
      if (response.ok) answers = await response.json();
    } catch (error) {
      this.#fail(closeCodeOf(0), `the request failed: ${error}`);
      return false;
    }
    if (this.#closed) return true;
    this.#hooks.activity();
    if (!response.ok) {
      const error = await responseError(response);
      if (response.status === 410 || response.status === 429 || response.status >= 500) {
        this.#fail(closeCodeOf(response.status), error.message);
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
        this.#fail(closeCodeOf(410), String(error.message));
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
    if (!this.#closed) this.#failed(code, reason);
  }
}
