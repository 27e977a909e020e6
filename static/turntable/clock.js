/**
 * The server's time, estimated from `time` exchanges.
 *
 * The client sends its time t0 and receives the answer at t3. The server adds
 * t1 (received) and t2 (sent) in Unix ms. The round-trip time is
 * d = (t3 - t0) - (t2 - t1), and the offset between the clocks is estimated as
 * ((t1 - t0) + (t2 - t3)) / 2. However asymmetric the path is, the true offset
 * lies within d / 2 of the estimate, plus 1 ms because t1 and t2 are whole
 * milliseconds.
 *
 * Of the last 16 samples the one with the smallest error bound is used (min-RTT
 * filter): queueing only adds delay, so the fastest exchange is the most
 * accurate. The bound grows with age by 100 us per second, which exceeds the
 * drift of quartz clocks, so old samples are replaced. If a new sample
 * contradicts the stored ones (the bounds do not overlap), the stored samples
 * are discarded.
 *
 * On many platforms the local clock stops while the machine sleeps, and the
 * system clock does not. If the two move apart suddenly, the estimate starts
 * anew: with the old one, corrected by the jump, until the next exchange. The
 * server estimates this client's clock too, from the least of what it received
 * over a long time, so a clock that was late would stay late there. The times
 * that are sent are therefore moved forward by the jump and a little more: the
 * server takes a clock that is ahead at once.
 * @module
 */

import { TurntableError } from "./error.js";

/** @import { Environment } from "./environment.js" */
/** @import { Session } from "./session.js" */

/**
 * @typedef {object} Sample
 * @property {number} offset server time minus local time, ms
 * @property {number} latency round-trip time, ms
 * @property {number} error bound of the offset at the time of the sample, ms
 * @property {number} at local ms
 */

const SAMPLES_MAX = 16;
const DRIFT_PER_MS = 100e-6;
const RESOLUTION_MS = 1;
/** Exchanges right after each welcome, for an accurate estimate soon. */
const BURST = 5;
const BURST_GAP_MS = 100;
/** A smaller jump between the clocks may be an adjustment of the system clock. */
const JUMP_MS = 500;
/** How far the time that is sent runs ahead after a jump, and how far the jump itself may be off. */
const AHEAD_MS = 1000;

export class Clock {
  #session;
  #env;
  #timeout_ms;
  /** @type {Sample[]} */
  #samples = [];
  /** The last round-trip time. */
  #latency = NaN;
  /** What is sent less the local time, ms. */
  #shift = 0;
  /** Exchanges that were sent before this local time measure nothing. */
  #valid_from = -Infinity;
  /** System time minus local time. @type {number | undefined} */
  #apart;
  /** Whether the estimate is corrected by a jump, and no exchange has confirmed it. */
  #corrected = false;
  /** Whether each connection begins with several exchanges. */
  #bursts = false;
  /** Pending exchanges by t0. @type {Map<number, {resolve: () => void, reject: (error: any) => void}[]>} */
  #open = new Map();
  #burst = 0;
  /** @type {any} */
  #burst_timer;

  /**
   * @param {Session} session
   * @param {{environment: Environment, timeout_ms: number}} options
   */
  constructor(session, { environment, timeout_ms }) {
    this.#session = session;
    this.#env = environment;
    this.#timeout_ms = timeout_ms;
  }

  /** The local time in ms, used for the timestamps of actions; its epoch is arbitrary. */
  local() {
    return Math.round(this.#env.local() * 1000) / 1000;
  }

  /** The server's time in Unix ms; before the first connection the system time. */
  now() {
    this.check();
    return this.#env.local() + this.offset;
  }

  /**
   * The server's time (Unix ms) at a local time.
   * @param {number} local
   */
  toServer(local) {
    return local + this.offset;
  }

  /**
   * The local time (ms) at a server time.
   * @param {number} server
   */
  toLocal(server) {
    return server - this.offset;
  }

  /** Server time minus local time, ms. */
  get offset() {
    return this.#best()?.offset ?? this.#env.unix() - this.#env.local();
  }

  /** The round-trip time of the last exchange in ms; NaN before the first one. */
  get latency() {
    return this.#latency;
  }

  /** The maximum error of `now()` in ms; Infinity before the first exchange. */
  get error() {
    const best = this.#best();
    return best ? this.#bound(best) : Infinity;
  }

  /**
   * Performs one exchange now.
   * @returns {Promise<void>} rejects with a TurntableError, for instance while offline
   */
  sync() {
    return new Promise((resolve, reject) => this.#exchange({ resolve, reject }));
  }

  /** @param {{resolve: () => void, reject: (error: any) => void}} outcome */
  #exchange(outcome) {
    if (!this.#session.online) {
      // A queued exchange would measure the time in the queue.
      outcome.reject(new TurntableError("unavailable", "the client is offline", { command: "time" }));
      return;
    }
    this.check();
    const t0 = this.wire(this.local());
    const waiting = this.#open.get(t0);
    // Calls at the same instant share one exchange.
    if (waiting) {
      waiting.push(outcome);
      return;
    }
    try {
      this.#session.send("time", { t0, received: this.#session.received });
      this.#open.set(t0, [outcome]);
      // Remove exchanges that were never answered. Times only move forward.
      for (const old of this.#open.keys()) {
        if (old < t0 - this.#timeout_ms) this.#abandon(old, "no answer in time");
      }
    } catch (error) {
      outcome.reject(error);
    }
  }

  /**
   * A connection received its welcome, which counts as a (slow) exchange.
   * @internal
   * @param {number} sent local ms of the identification
   * @param {any} time the server's time in the welcome
   * @param {boolean} [burst] whether to perform more exchanges
   */
  start(sent, time, burst = true) {
    this.reset();
    if (typeof time === "number") {
      // This may be another server with another clock.
      this.#samples = [];
      this.#addSample(sent, time, time);
    }
    this.#bursts = burst;
    if (burst) this.#startBurst();
    else if (this.#corrected) this.probe();
  }

  /**
   * @internal a local time as it is sent to the server
   * @param {number} local
   */
  wire(local) {
    this.check();
    return Math.round((local + this.#shift) * 1000) / 1000;
  }

  /** @internal notices that the local clock stopped, or that the system clock was set */
  check() {
    const apart = this.#env.unix() - this.#env.local();
    const jump = this.#apart === undefined ? 0 : apart - this.#apart;
    this.#apart = apart;
    if (Math.abs(jump) < JUMP_MS) return;
    const best = this.#best();
    this.#valid_from = this.#env.local();
    if (jump > 0) {
      this.#corrected = true;
      this.#shift += jump + AHEAD_MS;
      if (best) this.#samples = [{ ...best, offset: best.offset + jump, error: this.#bound(best) + AHEAD_MS, at: this.#valid_from }];
    }
    if (!this.#session.online) return;
    if (this.#bursts) this.#startBurst();
    // The local clock may have run on, while the system clock was set: only an exchange says which.
    else if (this.#corrected) this.probe();
  }

  #startBurst() {
    this.#env.clearTimeout(this.#burst_timer);
    this.#burst = BURST;
    this.probe();
  }

  /** @internal cancels the exchanges of a lost connection */
  reset() {
    this.#env.clearTimeout(this.#burst_timer);
    this.#burst = 0;
    for (const t0 of [...this.#open.keys()]) this.#abandon(t0, "the connection was lost");
  }

  /**
   * @internal performs an exchange without reporting its result
   * @returns {boolean} false if the server's rates permit none now, so that no answer follows
   */
  probe() {
    let permitted = true;
    this.#exchange({
      resolve: () => {},
      reject: ({ code }) => {
        permitted = code !== "rate_limited";
      },
    });
    return permitted;
  }

  /**
   * @internal
   * @param {any} data of a `time` message
   */
  answered(data) {
    const { t0, t1, t2 } = data ?? {};
    const waiting = this.#open.get(t0);
    // Ignore an answer that the server repeated after a reconnection.
    if (!waiting) return;
    this.#open.delete(t0);
    const sent = t0 - this.#shift;
    // An answer to an exchange from before a jump says nothing.
    if (sent + RESOLUTION_MS >= this.#valid_from && typeof t1 === "number" && typeof t2 === "number") this.#addSample(sent, t1, t2);
    for (const { resolve } of waiting) resolve();
    if (this.#burst > 1) {
      this.#burst -= 1;
      this.#burst_timer = this.#env.setTimeout(() => this.probe(), BURST_GAP_MS);
    }
  }

  /**
   * @param {number} t0
   * @param {string} reason
   */
  #abandon(t0, reason) {
    const waiting = this.#open.get(t0) ?? [];
    this.#open.delete(t0);
    for (const { reject } of waiting) reject(new TurntableError("unavailable", reason, { command: "time" }));
  }

  /**
   * @param {number} t0
   * @param {number} t1
   * @param {number} t2
   */
  #addSample(t0, t1, t2) {
    const t3 = this.#env.local();
    const latency = Math.max(0, t3 - t0 - (t2 - t1));
    /** @type {Sample} */
    const sample = { offset: (t1 - t0 + (t2 - t3)) / 2, latency, error: latency / 2 + RESOLUTION_MS, at: t3 };
    const best = this.#best();
    if (best && Math.abs(best.offset - sample.offset) > this.#bound(best) + sample.error) this.#samples = [];
    this.#latency = latency;
    this.#corrected = false;
    this.#samples.push(sample);
    if (this.#samples.length > SAMPLES_MAX) this.#samples.shift();
  }

  /** @param {Sample} sample */
  #bound(sample) {
    return sample.error + (this.#env.local() - sample.at) * DRIFT_PER_MS;
  }

  /** @returns {Sample | undefined} */
  #best() {
    /** @type {Sample | undefined} */
    let best;
    for (const sample of this.#samples) {
      if (!best || this.#bound(sample) < this.#bound(best)) best = sample;
    }
    return best;
  }
}
