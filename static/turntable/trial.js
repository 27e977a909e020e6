/**
 * What is known of one transport connection: whether the server has responded on it,
 * and whether it has proven its transport. It has when it carried messages both ways and
 * was not cut soon. One that lasted much longer is not cut by its age.
 * @module
 */

/** @import { Environment } from "./environment.js" */

/** A connection that carried messages both ways and lasted this long has proven its transport. */
const PROVEN_MS = 5000;
/** Something between client and server may cut connections that are younger than this by their age: 30 s is usual. */
const LASTED_MS = 35_000;

export class Trial {
  #env;
  #proved;
  #lasted;
  #wrote = false;
  #both_ways = false;
  #welcomed = false;
  /** @type {any} */
  #timer;
  /** @type {any} */
  #lasted_timer;

  /** Local ms at which the connection was opened. @readonly */
  opened_at;
  /** Whether the server has responded. */
  responded = false;
  /** Whether the server answered other requests but not this attempt. */
  reached = false;
  proven = false;
  /** Whether the connection worked so long that its loss says nothing about its transport. */
  lasted = false;

  /**
   * @param {Environment} environment
   * @param {{proved: () => void, lasted: () => void}} hooks each is called once at most
   */
  constructor(environment, { proved, lasted }) {
    this.#env = environment;
    this.#proved = proved;
    this.#lasted = lasted;
    this.opened_at = environment.local();
  }

  /** How long ago the connection was opened, in ms. */
  get age_ms() {
    return this.#env.local() - this.opened_at;
  }

  /** How long the session has used the connection, in ms. */
  get life_ms() {
    return this.#welcomed ? this.age_ms : 0;
  }

  /** Whether something was written, and nothing came back. */
  get one_way() {
    return this.#wrote && !this.#both_ways;
  }

  /** A command was written. */
  wrote() {
    this.#wrote = true;
  }

  /** A message was received. */
  received() {
    this.#both_ways ||= this.#wrote;
    this.#prove();
  }

  /**
   * The session has its welcome.
   * @param {boolean} push whether the transport has to show that it can send at any time
   */
  welcomed(push) {
    this.#welcomed = true;
    this.#both_ways ||= !push;
    this.#timer = this.#env.setTimeout(() => this.#prove(), Math.max(0, PROVEN_MS - this.age_ms));
    this.#lasted_timer = this.#env.setTimeout(() => {
      this.lasted = true;
      this.#lasted();
    }, Math.max(0, LASTED_MS - this.age_ms));
  }

  /** The connection is over. */
  end() {
    this.#env.clearTimeout(this.#timer);
    this.#env.clearTimeout(this.#lasted_timer);
  }

  #prove() {
    if (this.proven || !this.#both_ways || !this.#welcomed || this.age_ms < PROVEN_MS) return;
    this.proven = true;
    this.#proved();
  }
}
