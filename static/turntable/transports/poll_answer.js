/**
 * The answer to a poll: entries in the order of the server, and what some of them say about the request as a whole.
 * @module
 */

import { parse } from "../binary.js";
import { LOST } from "./transport.js";

/** @import { ResponseError } from "./transport.js" */

export const SESSION_HEADER = "Turntable-Session";
/** How many messages wait behind a numbered answer, which has a bound. */
const WAITING_HEADER = "Turntable-Waiting";
/** Errors of a request that did not get its session, in an answer of status 200, and the status that says the same. */
const REFUSALS = new Map([["session_expired", 410], ["rate_limited", 429]]);

/**
 * @param {any} data of a close
 * @returns {number}
 */
export function closeCode(data) {
  return Number.isInteger(data?.code) ? data.code : LOST;
}

export class PollAnswer {
  /** @readonly @type {any[]} */
  entries;
  /** The session's secret, where the answer names it. @readonly @type {string | undefined} */
  session;
  /** Whether messages wait behind it. @readonly @type {boolean} */
  waits;

  /**
   * @param {any[]} entries
   * @param {any} headers
   */
  constructor(entries, headers) {
    this.entries = entries;
    this.session = headers.get(SESSION_HEADER) ?? undefined;
    this.waits = Number(headers.get(WAITING_HEADER)) > 0;
  }

  /**
   * Reads all of a response. One that is incomplete, or none of the server, rejects: it counts as lost.
   * @param {any} response
   */
  static async read(response) {
    const body = await response.text();
    /** @type {any} */
    let entries;
    try {
      entries = parse(body);
    } catch {
      throw new Error("the response is not JSON");
    }
    return new PollAnswer(Array.isArray(entries) ? entries : [entries], response.headers);
  }

  /** The entry of the welcome to a takeover. Where there was none it is a message of the session. */
  get welcome() {
    return this.#find("$av:welcome");
  }

  /** The code with which the server closes the connection. @returns {number | undefined} */
  get close() {
    const entry = this.#find("$av:close");
    return entry && closeCode(entry.args);
  }

  /** An error that answers no entry of the request. @returns {ResponseError | undefined} */
  get error() {
    const error = this.#find("$av:error")?.args;
    return typeof error?.code === "string" ? error : undefined;
  }

  /**
   * The request did not get its session, and nothing of it was carried out.
   * @returns {{status: number, error: ResponseError} | undefined} what an error response says in this case
   */
  get refusal() {
    const error = this.#find("$av:error")?.args;
    const status = error?.command === "resume" && !this.welcome ? REFUSALS.get(error.code) : undefined;
    return status === undefined ? undefined : { status, error };
  }

  /** @param {string} name */
  #find(name) {
    return this.entries.find((entry) => entry?.f === name);
  }
}
