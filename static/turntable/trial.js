/**
 * What is known of one transport connection: whether the server has responded on it,
 * and whether it has proven its transport. It has when it lasted and carried messages
 * both ways.
 * @module
 */

/** @import { Environment } from "./environment.js" */

/** A connection that carried messages both ways and lasted this long has proven its transport. */
const PROVEN_MS = 5000;

export class Trial {
  #env;
  #proved;
  #wrote = false;
  #both_ways = false;
  #welcomed = false;
  /** @type {any} */
  #timer;

  /** Local ms at which the connection was opened. @readonly */
  opened_at;
  /** Whether the server has responded. */
  responded = false;
  /** Whether the server answered other requests but not this attempt. */
  reached = false;
  proven = false;

  /**
   * @param {Environment} environment
   * @param {() => void} proved called once
   */
  constructor(environment, proved) {
    this.#env = environment;
    this.#proved = proved;
    this.opened_at = environment.local();
  }

  /** How long ago the connection was opened, in ms. */
  get age_ms() {
    return this.#env.local() - this.opened_at;
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
  }

  /** The connection is over. */
  end() {
    this.#env.clearTimeout(this.#timer);
  }

  #prove() {
    if (this.proven || !this.#both_ways || !this.#welcomed || this.age_ms < PROVEN_MS) return;
    this.proven = true;
    this.#proved();
  }
}
