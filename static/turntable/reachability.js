/**
 * Whether the server can be reached at all. While connection attempts fail, the
 * client requests a small answer over HTTP, again and again, until there is one.
 * An answer that comes at once means that the server is there and the transport
 * is blocked. Otherwise the server or the network is away, and the first answer
 * is the moment to connect.
 *
 * Such requests cost less than attempts to connect, which browsers delay by
 * seconds after a number of failures. An answer of something else is none: gateways
 * send pages of their own, with any status, for a server that is away.
 * @module
 */

import { endpointUrl } from "./transports/transport.js";

/** @import { Environment } from "./environment.js" */
/** @import { ResponseError } from "./transports/transport.js" */

/**
 * @typedef {object} ReachabilityHooks
 * @property {(first: boolean, ms: number) => void} answered the server answered, the first request
 *   or a later one, after `ms`
 * @property {() => void} failed a request was not answered
 * @property {(error: ResponseError) => void} forbidden the server refuses the requests of this page
 */

/** Time between the beginnings of two requests, at most, and the time after which it grows. */
const PAUSE_MS = 900;
/** Pause behind a request that took longer, at most: one that a silent network swallowed. */
const SHORT_PAUSE_MS = 300;
const PATIENT_AFTER_MS = 90_000;
/** Bounds of the time for one answer. */
const TIMEOUT_MS = 1000;
const TIMEOUT_MAX_MS = 5000;
/** The error for a page of an origin that the server does not allow. */
const FORBIDDEN = "forbidden";

/**
 * What the server has answered.
 * @param {any} response to an empty list of datagrams
 * @returns {Promise<{error: ResponseError | undefined} | undefined>} undefined: a gateway in front of it has
 *   answered
 */
async function answerOf(response) {
  // The body is read in any case: unread, it keeps its connection.
  const body = await response.json();
  if (response.status >= 500) return undefined;
  if (Array.isArray(body)) return { error: undefined };
  return typeof body?.error?.code === "string" ? { error: { message: "", ...body.error } } : undefined;
}

export class Reachability {
  #env;
  #fetch;
  #hooks;
  #max_ms;
  /** Number of the run; results of earlier runs are ignored. */
  #run = 0;
  #requests = 0;
  #started_at = 0;
  /** Local ms of the last request. */
  #sent_at = 0;
  #url = "";
  /** @type {any} */
  #timer;
  /** @type {AbortController | undefined} */
  #abort;

  /** Whether requests are being made. */
  active = false;
  /** Pauses are spread over this time, so that many clients do not return at once. */
  spread_ms = 0;
  /** The time that the server usually takes for its first response. */
  response_ms = 0;

  /**
   * @param {{environment: Environment, fetch: any, max_ms: number}} options max_ms: maximum pause
   * @param {ReachabilityHooks} hooks
   */
  constructor({ environment, fetch, max_ms }, hooks) {
    this.#env = environment;
    this.#fetch = fetch;
    this.#max_ms = max_ms;
    this.#hooks = hooks;
  }

  /** Whether requests can be made on this platform. */
  get available() {
    return Boolean(this.#fetch);
  }

  /** Whether the first request has not been answered yet. */
  get deciding() {
    return this.active && this.#requests === 1;
  }

  /** @param {string} url of the server */
  start(url) {
    if (this.active || !this.#fetch) return;
    this.active = true;
    this.#run += 1;
    this.#requests = 0;
    this.#started_at = this.#env.local();
    this.#url = url;
    this.#request();
  }

  stop() {
    if (!this.active) return;
    this.active = false;
    this.#run += 1;
    this.#env.clearTimeout(this.#timer);
    this.#abort?.abort();
  }

  /** Requests at once, for instance because the network has changed. */
  now() {
    if (!this.active) return;
    this.#run += 1;
    this.#abort?.abort();
    this.#request();
  }

  #request() {
    const run = this.#run;
    const sent = this.#env.local();
    this.#sent_at = sent;
    this.#requests += 1;
    const abort = new AbortController();
    this.#abort = abort;
    this.#env.clearTimeout(this.#timer);
    const end = (/** @type {{error: ResponseError | undefined} | undefined} */ answer) => {
      if (run !== this.#run) return;
      this.#env.clearTimeout(this.#timer);
      if (answer?.error?.code === FORBIDDEN) this.#forbidden(answer.error);
      else if (answer) this.#answered(this.#env.local() - sent);
      else this.#failed();
    };
    this.#timer = this.#env.setTimeout(() => {
      end(undefined);
      abort.abort();
    }, this.#timeout);
    // An empty list of datagrams: the server answers it and does nothing.
    const url = endpointUrl(this.#url, "tunnel/send", { d: "[]" });
    const options = { cache: "no-store", credentials: "omit", signal: abort.signal };
    try {
      Promise.resolve(this.#fetch(url, options)).then(
        async (/** @type {any} */ response) => end(await answerOf(response)),
      ).catch(() => end(undefined));
    } catch {
      end(undefined);
    }
  }

  get #timeout() {
    return Math.min(TIMEOUT_MAX_MS, Math.max(TIMEOUT_MS, this.response_ms * 3));
  }

  /** @param {number} ms */
  #answered(ms) {
    const first = this.#requests === 1;
    this.active = false;
    this.#run += 1;
    this.#hooks.answered(first, ms);
  }

  /** @param {ResponseError} error */
  #forbidden(error) {
    this.stop();
    this.#hooks.forbidden(error);
  }

  #failed() {
    // The pause may follow from the hook's own changes.
    const run = this.#run;
    this.#hooks.failed();
    if (run !== this.#run) return;
    const outage = this.#env.local() - this.#started_at;
    const patient = Math.min(this.#max_ms, (PAUSE_MS * outage) / PATIENT_AFTER_MS);
    const pause = Math.max(PAUSE_MS, patient, this.spread_ms);
    const part = 0.2 + 0.8 * this.#env.random();
    const left = pause * part - (this.#env.local() - this.#sent_at);
    this.#timer = this.#env.setTimeout(() => this.#request(), Math.round(Math.max(SHORT_PAUSE_MS * part, left)));
  }
}
