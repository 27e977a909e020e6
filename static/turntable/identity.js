/**
 * Who the user is: the claim of each identification, its credentials, and what
 * follows when the server refuses them.
 *
 *     unauthorized ─┬─ expired, and credentials is a function ─► ask it once more
 *                   ├─ a guest's token ─────────────────────────► become a new guest
 *                   └─ else ────────────────────────────────────► the end
 *
 * @module
 */

import { TurntableError } from "./error.js";

/** @import { GuestToken } from "./guest_token.js" */

/** Errors of an identification that a later attempt may not have. */
const TEMPORARY = new Set(["rate_limited", "too_many", "timeout", "service_down", "unavailable", "internal"]);
/** Reasons of a refusal after which a guest's token is of no use. */
const STALE = new Set(["expired", "invalid", undefined]);

/**
 * Whether an error passes: the same request may succeed later.
 * @param {string} code
 */
export function isTemporary(code) {
  return TEMPORARY.has(code);
}

/**
 * The credentials of later identifications, after these were accepted: of a change of the
 * password the new one, and a user that was made is not made again.
 * @param {Record<string, any>} credentials
 * @returns {Record<string, any>}
 */
export function lasting({ new_password, sign_up, ...rest }) {
  return new_password === undefined ? rest : { ...rest, password: new_password };
}

/**
 * @typedef {object} IdentityOptions
 * @property {string | undefined} user
 * @property {object | (() => any) | undefined} credentials
 * @property {object | undefined} attributes
 * @property {GuestToken | undefined} guest the user is a guest
 */

export class Identity {
  #user;
  #credentials;
  #attributes;
  #guest;
  /** Whether `credentials` is asked once more because the last ones have expired. */
  #asking = false;

  /** @param {IdentityOptions} options */
  constructor({ user, credentials, attributes, guest }) {
    this.#user = user;
    this.#credentials = credentials;
    this.#attributes = attributes;
    this.#guest = guest;
  }

  /** Whether a connection that ended because of the credentials is followed by another. */
  get asking() {
    return this.#asking;
  }

  /** Whether there may be other credentials than those before. */
  get renewable() {
    return typeof this.#credentials === "function" || this.#guest?.value !== undefined;
  }

  /**
   * The credentials now. A function is called each time, because credentials may
   * expire; the result is then a promise, of a TurntableError if the function fails.
   * @returns {any}
   */
  credentials() {
    const credentials = this.#credentials;
    if (this.#guest) return this.#guest.credentials;
    if (typeof credentials !== "function") return credentials;
    return (async () => credentials())().catch((error) => new TurntableError("unavailable", `the credentials function failed: ${error}`));
  }

  /**
   * The data of `idme`, or a promise of it, or of the TurntableError of the credentials.
   * @param {() => any} status the state that the user has chosen, asked when the claim is made
   * @returns {any}
   */
  claim(status) {
    const credentials = this.credentials();
    return credentials instanceof Promise ? credentials.then((one) => this.#with(one, status())) : this.#with(credentials, status());
  }

  /**
   * The program has authenticated the session: later ones get the same credentials.
   * @param {Record<string, any>} credentials
   * @param {string | undefined} user
   */
  replace(credentials, user) {
    if (typeof this.#credentials !== "function") this.#credentials = lasting(credentials);
    this.#user = user ?? this.#user;
    this.#guest = undefined;
  }

  /** @param {any} welcome */
  accepted({ user, token }) {
    this.#asking = false;
    const credentials = this.#credentials;
    if (typeof credentials === "object" && credentials !== null) this.#credentials = lasting(credentials);
    if (typeof token === "string") this.#guest?.keep(token, user);
  }

  /**
   * The server refused the claim.
   * @param {TurntableError} error
   * @returns {"later" | "again" | "never"} when to try again: with another connection, or on this one
   */
  refused({ code, details }) {
    if (isTemporary(code)) return "later";
    const reason = details?.reason;
    const again = code === "unauthorized" && !this.#asking && this.#other(reason);
    this.#asking = again;
    return again ? "again" : "never";
  }

  /**
   * Whether there are other credentials after a refusal.
   * @param {string | undefined} reason
   */
  #other(reason) {
    if (this.#guest) return STALE.has(reason) && this.#guest.forget();
    return reason === "expired" && typeof this.#credentials === "function";
  }

  /**
   * @param {any} credentials
   * @param {any} status
   */
  #with(credentials, status) {
    if (credentials instanceof TurntableError) return credentials;
    const [user, attributes] = [this.#user, this.#attributes];
    const plain = user !== undefined && credentials === undefined && attributes === undefined && status === undefined;
    return plain ? user : { user, credentials, attributes, status };
  }
}
