/**
 * The error class with which the library rejects, and which it throws and emits.
 * @module
 */

export class TurntableError extends Error {
  /**
   * @param {string} code one of ERROR_CODES
   * @param {string} message what is wrong and what is accepted
   * @param {{command?: string, details?: any}} [context]
   */
  constructor(code, message, context = {}) {
    super(message);
    this.name = "TurntableError";
    /** One of ERROR_CODES. */
    this.code = code;
    /** The refused command, if known. @type {string | undefined} */
    this.command = context.command;
    /** Further values, for instance `index`, `max`, `retry_ms`. @type {any} */
    this.details = context.details;
  }

  /**
   * Creates the error from the `data` of an `error` message.
   * @param {any} data
   * @param {string} [command] the refused command, if the message does not name it
   * @returns {TurntableError}
   */
  static from(data, command) {
    const { code = "internal", message = "", command: named, details } = data ?? {};
    return new TurntableError(String(code), String(message || code), { command: named ?? command, details });
  }
}

/** Errors of a command that may succeed a little later, in the same session. */
const PASSING = new Set(["timeout", "unavailable", "internal", "rate_limited", "service_down"]);
const RETRY_MS = 2000;

/**
 * Whether a command that was refused may succeed a little later, in the same session.
 * @param {TurntableError} error
 */
export function passes({ code }) {
  return PASSING.has(code);
}

/**
 * When to send such a command again, in ms.
 * @param {TurntableError} error with `retry_ms` if the server said how long to wait
 * @returns {number}
 */
export function retryMs({ details }) {
  return details?.retry_ms ?? RETRY_MS;
}
