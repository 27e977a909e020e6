/**
 * Pending requests by id, and sent commands that are answered only if the
 * server refuses them.
 * @module
 */

import { TurntableError } from "./error.js";

/** @import { Environment } from "./environment.js" */

/**
 * @typedef {object} Request
 * @property {string} command
 * @property {any} data
 * @property {boolean} interruptible whether a lost session rejects it with INTERRUPTED; the
 *   caller then sends it again
 * @property {(data: any) => void} resolve
 * @property {(error: any) => void} reject
 * @property {number} [sent_at] local ms
 * @property {any} [timer]
 */

/** The rejection of an interruptible request whose session is lost. */
export const INTERRUPTED = Symbol("interrupted");
/** Maximum number of commands whose errors are watched; more than a queue has by default. */
const WATCHED_MAX = 2000;

export class Requests {
  #env;
  #timeout_ms;
  /** @type {Map<number, Request>} */
  #open = new Map();
  /** @type {Map<number, (error: TurntableError) => void>} */
  #watched = new Map();

  /**
   * @param {Environment} environment
   * @param {number} timeout_ms
   */
  constructor(environment, timeout_ms) {
    this.#env = environment;
    this.#timeout_ms = timeout_ms;
  }

  /** Whether a request has no answer yet. */
  get open() {
    return this.#open.size > 0;
  }

  /** Local ms since when the oldest one waits for its answer. @returns {number | undefined} */
  get waiting_since() {
    for (const { sent_at } of this.#open.values()) if (sent_at !== undefined) return sent_at;
    return undefined;
  }

  /**
   * @param {any} id
   * @returns {string | undefined} the command whose answer has this id
   */
  commandOf(id) {
    return this.#open.get(id)?.command;
  }

  /**
   * @param {number} id
   * @param {Request} request
   */
  add(id, request) {
    this.#open.set(id, request);
  }

  /**
   * Watches a command that is answered only if it is refused.
   * @param {number} id
   * @param {(error: TurntableError) => void} refused
   */
  watch(id, refused) {
    this.#watched.set(id, refused);
    for (const oldest of this.#watched.keys()) {
      if (this.#watched.size <= WATCHED_MAX) break;
      this.#watched.delete(oldest);
    }
  }

  /** @param {number | undefined} id of a command that a later one replaces */
  unwatch(id) {
    this.#watched.delete(/** @type {number} */ (id));
  }

  /**
   * Rejects the request with this id, or reports the error of a watched command.
   * @param {any} id
   * @param {any} data of the `error`
   * @returns {boolean} whether the id was known
   */
  reject(id, data) {
    const request = this.take(id);
    const refused = request?.reject ?? this.#watched.get(id);
    this.#watched.delete(id);
    refused?.(TurntableError.from(data, request?.command));
    return refused !== undefined;
  }

  /**
   * A queued command will not be sent.
   * @param {number | undefined} id
   * @param {TurntableError} error
   * @returns {boolean} whether somebody waits for it
   */
  drop(id, error) {
    const refused = this.take(id)?.reject ?? this.#watched.get(/** @type {number} */ (id));
    this.#watched.delete(/** @type {number} */ (id));
    refused?.(error);
    return refused !== undefined;
  }

  /**
   * The request was sent; its timeout starts.
   * @param {number | undefined} id
   */
  sent(id) {
    const request = id === undefined ? undefined : this.#open.get(id);
    if (!request) return;
    request.sent_at = this.#env.local();
    this.#start(id, request);
  }

  /** The connection was lost: timeouts stop, because no answer can arrive. */
  pause() {
    for (const request of this.#open.values()) this.#env.clearTimeout(request.timer);
  }

  /** The session was resumed: the answers arrive, or the commands are repeated. */
  resume() {
    for (const [id, request] of this.#open) if (request.sent_at !== undefined) this.#start(id, request);
  }

  /**
   * @param {any} id
   * @param {Request} request
   */
  #start(id, request) {
    this.#env.clearTimeout(request.timer);
    request.timer = this.#env.setTimeout(() => {
      const { command } = request;
      const message = `no answer within ${this.#timeout_ms} ms`;
      this.take(id)?.reject(new TurntableError("timeout", message, { command }));
    }, this.#timeout_ms);
  }

  /**
   * Removes the request with this id and returns it.
   * @param {any} id
   * @returns {Request | undefined}
   */
  take(id) {
    const request = this.#open.get(id);
    if (!request) return undefined;
    this.#open.delete(id);
    this.#env.clearTimeout(request.timer);
    return request;
  }

  /**
   * Resolves the first matching request with an answer that came without an id.
   * @param {(request: {command: string, data: any}) => boolean} matches
   * @param {any} data
   * @returns {boolean} whether a request matched
   */
  resolveFirst(matches, data) {
    for (const [id, request] of this.#open) {
      if (!matches(request)) continue;
      this.take(id)?.resolve(data);
      return true;
    }
    return false;
  }

  /**
   * The session is lost: a watched command may or may not have been executed.
   * @param {number | undefined} id
   */
  unconfirmed(id) {
    const refused = this.#watched.get(/** @type {number} */ (id));
    this.#watched.delete(/** @type {number} */ (id));
    refused?.(new TurntableError("unavailable", "the session was lost; the command may or may not have been executed"));
  }

  /**
   * The session is lost: rejects all requests whose answers can no longer arrive.
   * @param {Set<number | undefined>} unsent ids of requests that are still queued; they remain
   */
  lost(unsent) {
    this.#reject("the session was lost before the answer arrived; the command may or may not have been executed", unsent, true);
  }

  /** The client is closed. */
  close() {
    this.#reject("the client was closed before the answer arrived", new Set(), false);
  }

  /**
   * @param {string} reason
   * @param {Set<number | undefined>} unsent
   * @param {boolean} again whether the caller of an interruptible request sends it again
   */
  #reject(reason, unsent, again) {
    for (const id of [...this.#watched.keys()]) if (!unsent.has(id)) this.#watched.delete(id);
    for (const [id, { command, interruptible }] of [...this.#open]) {
      if (unsent.has(id)) continue;
      this.take(id)?.reject(again && interruptible ? INTERRUPTED : new TurntableError("unavailable", reason, { command }));
    }
  }
}
