/**
 * Requests that await their answers, by the ids that tie the two together, and
 * commands that are only heard of again where they are refused.
 * @module
 */

import { TurntableError } from "./error.js";

/** @import { Environment } from "./environment.js" */

/**
 * @typedef {object} Request
 * @property {string} command
 * @property {any} data
 * @property {boolean} kept whether somebody keeps it and asks again after a lost connection
 * @property {(data: any) => void} resolve
 * @property {(error: any) => void} reject
 * @property {any} [timer]
 */

/** What a kept request is rejected with when its connection is lost. */
export const INTERRUPTED = Symbol("interrupted");
/** How many commands without a promise are remembered for their errors. */
const WATCHED_MAX = 256;

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

  /**
   * @param {number} id
   * @param {Request} request
   */
  add(id, request) {
    this.#open.set(id, request);
  }

  /**
   * A command that nothing answers but an error.
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

  /**
   * Gives the error to who sent what it refuses.
   * @param {any} id
   * @param {any} data of the `error`
   * @returns {boolean} whether there was somebody
   */
  refuse(id, data) {
    const request = this.take(id);
    const refused = request?.reject ?? this.#watched.get(id);
    this.#watched.delete(id);
    refused?.(TurntableError.from(data, request?.command));
    return refused !== undefined;
  }

  /**
   * It has been sent: from now on its answer may take timeout_ms.
   * @param {number | undefined} id
   */
  sent(id) {
    const request = id === undefined ? undefined : this.#open.get(id);
    if (!request) return;
    request.timer = this.#env.setTimeout(() => {
      const { command } = request;
      const message = `no answer within ${this.#timeout_ms} ms`;
      this.take(id)?.reject(new TurntableError("timeout", message, { command }));
    }, this.#timeout_ms);
  }

  /**
   * The request of this id, which is no longer open.
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
   * Gives the first request that fits its answer, where that came without an id.
   * @param {(request: {command: string, data: any}) => boolean} fits
   * @param {any} data
   * @returns {boolean} whether there was one
   */
  settle(fits, data) {
    for (const [id, request] of this.#open) {
      if (!fits(request)) continue;
      this.take(id)?.resolve(data);
      return true;
    }
    return false;
  }

  /** The connection is lost: kept requests will be asked again. */
  interrupt() {
    for (const [id, request] of [...this.#open]) {
      if (request.kept) this.take(id)?.reject(INTERRUPTED);
    }
  }

  /**
   * Their answers will not come any more.
   * @param {string} why
   * @param {Set<number | undefined>} [unsent] ids that are yet to be sent
   */
  abandon(why, unsent) {
    this.#watched.clear();
    for (const [id, { command }] of [...this.#open]) {
      if (!unsent?.has(id)) this.take(id)?.reject(new TurntableError("unavailable", why, { command }));
    }
  }
}
