/**
 * Detects dead connections. A browser answers the server's pings itself and
 * does not expose them to the page. The heartbeat therefore sends a probe at
 * intervals, and sooner if nothing arrived while the page needs the connection.
 * Any received message counts as activity. Without activity after a probe the
 * connection is first unsteady, then dead.
 *
 *     silence 2 s ─► probe ─► 3 s: unsteady ─► 7 s: dead
 *
 * Messages of others arrive also where nothing that the client sends does: what was
 * sent and is not confirmed counts as silence. A connection that brings messages but
 * not the answer to a probe is unsteady as well, but gets a second more, because a
 * slow one may have them all in its queue, and is then dead too.
 * @module
 */

/** @import { Environment } from "./environment.js" */

/**
 * @typedef {object} HeartbeatHooks
 * @property {() => boolean} attentive whether the page is visible and needs the connection now
 * @property {() => number | undefined} awaiting_since local ms since when the oldest request waits for its
 *   answer, or a command for its confirmation
 * @property {() => boolean} probe sends a probe; false if there is none to answer
 * @property {(steady: boolean) => void} steady whether the connection answers
 * @property {() => void} dead nothing was received for long after a probe
 */

/** The server's heartbeat if it announces none. */
const HEARTBEAT_MS = 30000;
/** Silence after which an attentive page probes. */
const SILENCE_MS = 2000;
/** Time for the answer to a request, before which the silence behind an older message is no reason to probe. */
const ANSWER_MS = 1000;
/** Time after an unanswered probe. */
const UNSTEADY_MS = 3000;
const DEAD_MS = 7000;
/** The same, while other messages arrive. */
const ONE_WAY_MS = 8000;
/** A timer this late means that the page was frozen. */
const FROZEN_MS = 1000;
/** Minimum interval of probes that are made at once. */
const AT_ONCE_MS = 500;

export class Heartbeat {
  #env;
  #interval_ms;
  #hooks;
  #running = false;
  #period_ms = 0;
  #active_at = 0;
  #probed_at = 0;
  /** When the probe timer fires. */
  #due = 0;
  /** @type {any} */
  #timer;
  /** Measures the silence after a probe. @type {any} */
  #wait_timer;
  #waiting = false;
  /** Measures the time to the answer of a probe. @type {any} */
  #answer_timer;
  #answering = false;
  /** When the answer began to be awaited. */
  #asked_at = 0;
  /** Whether messages arrive, and no answer. */
  #one_way = false;
  #steady = true;

  /**
   * @param {{environment: Environment, interval_ms: number}} options interval_ms: maximum
   *   interval between probes
   * @param {HeartbeatHooks} hooks
   */
  constructor({ environment, interval_ms }, hooks) {
    this.#env = environment;
    this.#interval_ms = interval_ms;
    this.#hooks = hooks;
  }

  /**
   * @param {number | undefined} heartbeat_ms the server's heartbeat: probes are sent at
   *   least twice as often
   */
  start(heartbeat_ms) {
    this.stop();
    const heartbeat = heartbeat_ms !== undefined && heartbeat_ms > 0 ? heartbeat_ms : HEARTBEAT_MS;
    this.#period_ms = Math.min(this.#interval_ms, heartbeat / 2);
    this.#active_at = this.#probed_at = this.#env.local();
    this.#running = true;
    this.#schedule();
  }

  stop() {
    this.#running = this.#one_way = false;
    this.#steady = true;
    this.#env.clearTimeout(this.#timer);
    this.answered();
  }

  /** A probe was answered. */
  answered() {
    this.#answering = false;
    this.#env.clearTimeout(this.#answer_timer);
    this.activity();
    if (!this.#one_way) return;
    this.#one_way = false;
    this.#report(true);
  }

  /** Something was received. */
  activity() {
    this.#active_at = this.#env.local();
    // The answer is late: what arrives from now on does not replace it.
    if (this.#answering && this.#active_at - this.#asked_at >= UNSTEADY_MS) this.#one_way = true;
    if (!this.#waiting) return;
    this.#waiting = false;
    this.#env.clearTimeout(this.#wait_timer);
    if (!this.#one_way) this.#report(true);
    if (this.#running) this.#schedule();
  }

  /** Something was sent, or the page became visible: a probe may be due sooner. */
  attend() {
    if (this.#running && !this.#waiting && this.#next() < this.#due) this.#schedule();
  }

  /** Probes at once: the network may have changed. */
  check() {
    if (this.#running && this.#env.local() - this.#probed_at >= AT_ONCE_MS) this.#probe();
  }

  /** Local ms of the next probe. */
  #next() {
    const regular = this.#probed_at + this.#period_ms;
    if (!this.#hooks.attentive()) return regular;
    // Messages of others say nothing about the way of a request that has no answer; where nothing arrives, the
    // silence may be older than the request.
    const awaiting_since = this.#hooks.awaiting_since();
    const since = Math.min(awaiting_since ?? this.#active_at, this.#active_at);
    const silent = Math.max(since, this.#probed_at) + SILENCE_MS;
    return Math.min(regular, Math.max(silent, (awaiting_since ?? -Infinity) + ANSWER_MS));
  }

  #schedule() {
    this.#env.clearTimeout(this.#timer);
    this.#due = this.#next();
    this.#timer = this.#env.setTimeout(() => this.#tick(), Math.max(0, this.#due - this.#env.local()));
  }

  #tick() {
    // Activity since then has moved the next probe.
    if (this.#next() > this.#env.local()) this.#schedule();
    else this.#probe();
  }

  #probe() {
    this.#probed_at = this.#env.local();
    if (this.#hooks.probe()) {
      if (!this.#waiting) this.#wait(UNSTEADY_MS, () => this.#unanswered());
      if (!this.#answering) {
        this.#asked_at = this.#probed_at;
        this.#awaitAnswer(UNSTEADY_MS, () => this.#oneWay());
      }
    }
    if (this.#running) this.#schedule();
  }

  #unanswered() {
    this.#report(false);
    if (this.#waiting) this.#wait(DEAD_MS - UNSTEADY_MS, () => this.#dead());
  }

  #oneWay() {
    // Where nothing has arrived since the probe, the silence is measured already.
    this.#one_way = this.#active_at > this.#asked_at;
    this.#report(false);
    if (this.#answering) this.#awaitAnswer(ONE_WAY_MS - UNSTEADY_MS, () => this.#dead());
  }

  #dead() {
    this.#waiting = this.#answering = this.#one_way = false;
    for (const timer of [this.#wait_timer, this.#answer_timer]) this.#env.clearTimeout(timer);
    this.#hooks.dead();
  }

  /**
   * @param {number} ms
   * @param {() => void} then
   */
  #awaitAnswer(ms, then) {
    this.#answering = true;
    const due = this.#env.local() + ms;
    this.#answer_timer = this.#env.setTimeout(() => {
      if (this.#env.local() > due + FROZEN_MS) this.#awaitAnswer(FROZEN_MS, then);
      else then();
    }, ms);
  }

  /** @param {boolean} steady */
  #report(steady) {
    if (steady === this.#steady) return;
    this.#steady = steady;
    this.#hooks.steady(steady);
  }

  /**
   * @param {number} ms
   * @param {() => void} then
   */
  #wait(ms, then) {
    this.#waiting = true;
    const due = this.#env.local() + ms;
    this.#env.clearTimeout(this.#wait_timer);
    this.#wait_timer = this.#env.setTimeout(() => {
      // After a freeze, process the messages received meanwhile first.
      if (this.#env.local() > due + FROZEN_MS) this.#wait(FROZEN_MS, then);
      else then();
    }, ms);
  }
}
