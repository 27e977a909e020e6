/**
 * Whether a failure is one of the transport or of the server (`Reachability` asks):
 *
 *     attempt fails ─► request over HTTP ─┬─ answered: the transport failed
 *                                         └─ not: the server is away. Request
 *                                            until it answers; then connect
 *
 * @module
 */

import { Reachability } from "./reachability.js";

/** @import { Environment } from "./environment.js" */
/** @import { TransportSelection } from "./transport_selection.js" */
/** @import { Trial } from "./trial.js" */
/** @import { ResponseError } from "./transports/transport.js" */

/**
 * @typedef {object} DiagnosisHooks
 * @property {() => {url: string, spread_ms: number}} target where to ask, and over which time clients
 *   are to return
 * @property {() => boolean} settled whether no attempt is pending any more
 * @property {() => void} returned the server is back
 * @property {(ms: number) => void} reached the server answered after `ms`, but not the attempt under way
 * @property {(error: ResponseError) => void} forbidden the server refuses the requests of this page
 * @property {() => void} decided whether the server can be reached is known
 */

export class Diagnosis {
  #alone;
  #env;
  #selection;
  #hooks;
  #reachability;
  #asks;
  /** A failure that is one of the transport only if the server can be reached. @type {{final: boolean, life_ms: number} | undefined} */
  #undecided;

  /**
   * @param {{environment: Environment, fetch: any, alone: boolean, max_ms: number | undefined}} options
   *   alone: whether there is no other transport; max_ms: maximum pause between requests, undefined: none is made
   * @param {TransportSelection} selection
   * @param {DiagnosisHooks} hooks
   */
  constructor({ environment, fetch, alone, max_ms }, selection, hooks) {
    this.#alone = alone;
    this.#env = environment;
    this.#asks = max_ms !== undefined;
    this.#selection = selection;
    this.#hooks = hooks;
    this.#reachability = new Reachability(
      { environment, fetch, max_ms: max_ms ?? 0 },
      { answered: (first, ms) => this.#answered(first, ms), failed: () => this.#away(), forbidden: (error) => this.#hooks.forbidden(error) },
    );
  }

  /** Whether the next transport depends on an answer that has not come yet. */
  get deciding() {
    return !this.#alone && this.#reachability.deciding;
  }

  /**
   * An attempt, or a connection that did not last, failed.
   * @param {boolean} final whether further attempts are useless if the transport is the cause
   * @param {Trial} trial
   */
  failed(final, trial) {
    if (this.#alone) {
      if (!trial.responded) this.ask();
      return;
    }
    const { available, active, deciding } = this.#reachability;
    if (!available || trial.reached) {
      this.#selection.failed(final, trial.life_ms, this.#env.local());
    } else if (!active || deciding) {
      this.#undecided = { final: final || this.#undecided?.final === true, life_ms: trial.life_ms };
      this.ask();
    }
    // Else an outage is known, and explains the failure.
  }

  /** Asks whether the server can be reached. */
  ask() {
    if (!this.#asks) return;
    const { url, spread_ms } = this.#hooks.target();
    this.#reachability.spread_ms = spread_ms;
    this.#reachability.start(url);
  }

  /** Asks at once if it is asking: the network has changed. */
  now() {
    this.#reachability.now();
  }

  /**
   * The server responded to an attempt.
   * @param {number | undefined} ms that it took, if that says what an answer usually takes
   */
  responded(ms) {
    this.stop();
    this.#undecided = undefined;
    if (ms !== undefined) this.#reachability.response_ms = ms;
  }

  stop() {
    this.#reachability.stop();
  }

  /**
   * The server answered a request over HTTP.
   * @param {boolean} first whether it was the first request: the server has been there all along
   * @param {number} ms
   */
  #answered(first, ms) {
    const undecided = this.#undecided;
    this.#undecided = undefined;
    if (this.#hooks.settled()) return;
    if (!first) {
      // The attempt began while the server was away, and is lost.
      this.#selection.recover();
      this.#hooks.returned();
      return;
    }
    if (undecided) this.#selection.failed(undecided.final, undecided.life_ms, this.#env.local());
    else this.#hooks.reached(ms);
    this.#hooks.decided();
  }

  /** The server did not answer a request over HTTP. */
  #away() {
    this.#undecided = undefined;
    this.#selection.recover();
    this.#hooks.decided();
  }
}
