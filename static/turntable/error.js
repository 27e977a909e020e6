/**
 * The one kind of error that this library rejects with, throws and emits.
 * @module
 */

export class TurntableError extends Error {
  /**
   * @param {string} code one of ERROR_CODES
   * @param {string} message a sentence: what was wrong and what is accepted
   * @param {{command?: string, details?: any}} [about]
   */
  constructor(code, message, about = {}) {
    super(message);
    this.name = "TurntableError";
    /** One of ERROR_CODES. */
    this.code = code;
    /** The command that was refused, where that is known. @type {string | undefined} */
    this.command = about.command;
    /** More about it, for instance `index`, `max`, `retry_ms`. @type {any} */
    this.details = about.details;
  }

  /**
   * The error that the `data` of an `error` message tells of.
   * @param {any} data
   * @param {string} [command] what it answers, where the message does not say
   * @returns {TurntableError}
   */
  static from(data, command) {
    const { code = "internal", message = "", command: named, details } = data ?? {};
    return new TurntableError(String(code), String(message || code), { command: named ?? command, details });
  }
}
