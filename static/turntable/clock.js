/**
 * The server's time, estimated from `time` exchanges.
 *
 * The client notes t0 when it asks and t3 when the answer is there; the server
 * tells t1 (receipt) and t2 (sending) in Unix ms. The round trip on the wire is
 * d = (t3 - t0) - (t2 - t1), and the offset between the clocks is taken as
 * ((t1 - t0) + (t2 - t3)) / 2. However unequal the two ways were, the true
 * offset lies within d / 2 of that, plus 1 ms because t1 and t2 are whole
 * milliseconds.
 *
 * Of the last 16 exchanges the one with the smallest bound counts (the min-RTT
 * filter): queues only ever add delay, so the fastest exchange is the most
 * honest one. A bound grows with age by 100 us per second, more than any
 * quartz drifts, so an old sample gives way in time. Where a new exchange
 * contradicts the kept ones (the bounds do not meet, as after a sleep in which
 * the local clock stood still), the kept ones are thrown away.
 * @module
 */

import { TurntableError } from "./error.js";

/** @import { Environment } from "./environment.js" */
/** @import { Session } from "./session.js" */

/**
 * @typedef {object} Sample
 * @property {number} offset server minus local, ms
 * @property {number} latency round trip, ms
 * @property {number} error bound in ms when it was taken
 * @property {number} at local ms
 */

const SAMPLES_MAX = 16;
const DRIFT_PER_MS = 100e-6;
const RESOLUTION_MS = 1;
/** Exchanges after each connection, so that a good one is soon among them. */
const BURST = 5;
const BURST_GAP_MS = 100;

export class Clock {
  #session;
  #env;
  #timeout_ms;
  /** @type {Sample[]} */
  #samples = [];
  /** Exchanges on their way. @type {Map<number, {resolve: () => void, reject: (error: any) => void}[]>} */
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

  /** The client's own time in ms, as it stamps actions; its epoch means nothing. */
  local() {
    return Math.round(this.#env.local() * 1000) / 1000;
  }

  /** The server's time in Unix ms; before the first connection the machine's. */
  now() {
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
   * The local time (ms) at a time of the server.
   * @param {number} server
   */
  toLocal(server) {
    return server - this.offset;
  }

  /** Server time minus local time, ms. */
  get offset() {
    return this.#best()?.offset ?? this.#env.unix() - this.#env.local();
  }

  /** The smallest recent round trip in ms; NaN before the first exchange. */
  get latency() {
    return this.#samples.length ? Math.min(...this.#samples.map((sample) => sample.latency)) : NaN;
  }

  /** How far, in ms, `now()` may be off; Infinity before the first exchange. */
  get error() {
    const best = this.#best();
    return best ? this.#bound(best) : Infinity;
  }

  /**
   * Makes one exchange now.
   * @returns {Promise<void>}
   */
  sync() {
    return new Promise((resolve, reject) => {
      if (!this.#session.online) {
        // Queued, it would measure the time in the queue.
        reject(new TurntableError("unavailable", "offline", { command: "time" }));
        return;
      }
      const t0 = this.local();
      const waiting = this.#open.get(t0);
      // Two in one instant share an exchange.
      if (waiting) {
        waiting.push({ resolve, reject });
        return;
      }
      try {
        this.#session.post("time", { t0, received: this.#session.received });
        this.#open.set(t0, [{ resolve, reject }]);
        // An unanswered exchange must not stay for ever.
        for (const old of this.#open.keys()) {
          if (old < t0 - this.#timeout_ms) this.#abandon(old, "no answer in time");
        }
      } catch (error) {
        reject(error);
      }
    });
  }

  /**
   * A connection begins; its welcome is an exchange too, if a slow one.
   * @internal
   * @param {number} sent local ms of the identification
   * @param {any} time the server's, in the welcome
   * @param {boolean} [ask] whether more exchanges are made by themselves
   */
  begin(sent, time, ask = true) {
    this.reset();
    if (typeof time === "number") {
      // It may be another server, with another clock.
      this.#samples = [];
      this.#take(sent, time, time);
    }
    if (!ask) return;
    this.#burst = BURST;
    this.pulse();
  }

  /** @internal forgets what belonged to a connection that is gone */
  reset() {
    this.#env.clearTimeout(this.#burst_timer);
    this.#burst = 0;
    for (const t0 of [...this.#open.keys()]) this.#abandon(t0, "the connection was lost");
  }

  /** @internal an exchange that nobody waits for */
  pulse() {
    this.sync().catch(() => {});
  }

  /**
   * @internal
   * @param {any} data of a `time` message
   */
  answered(data) {
    const { t0, t1, t2 } = data ?? {};
    const waiting = this.#open.get(t0);
    // An answer that was replayed after a reconnection says nothing.
    if (!waiting) return;
    this.#open.delete(t0);
    if (typeof t1 === "number" && typeof t2 === "number") this.#take(t0, t1, t2);
    for (const { resolve } of waiting) resolve();
    if (this.#burst > 1) {
      this.#burst -= 1;
      this.#burst_timer = this.#env.setTimeout(() => this.pulse(), BURST_GAP_MS);
    }
  }

  /**
   * @param {number} t0
   * @param {string} why
   */
  #abandon(t0, why) {
    const waiting = this.#open.get(t0) ?? [];
    this.#open.delete(t0);
    for (const { reject } of waiting) reject(new TurntableError("unavailable", why, { command: "time" }));
  }

  /**
   * @param {number} t0
   * @param {number} t1
   * @param {number} t2
   */
  #take(t0, t1, t2) {
    const t3 = this.#env.local();
    const latency = Math.max(0, t3 - t0 - (t2 - t1));
    /** @type {Sample} */
    const sample = { offset: (t1 - t0 + (t2 - t3)) / 2, latency, error: latency / 2 + RESOLUTION_MS, at: t3 };
    const best = this.#best();
    if (best && Math.abs(best.offset - sample.offset) > this.#bound(best) + sample.error) this.#samples = [];
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
