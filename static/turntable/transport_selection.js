/**
 * Which transport to try next, in order of preference. A transport is proven
 * once a connection lasted and carried messages both ways. An attempt counts as
 * a failure of its transport only while the server can be reached by other
 * requests (`Reachability`): a server that is away says nothing about
 * transports. After two failures, or three of a proven transport, the next one
 * is tried, and after the last the first. Where a transport has worked and an attempt
 * gets no response, the server may be slow: the first such attempt gets all of its time,
 * and a second one. Failures are counted up to a connection that lasted long: something
 * between client and server may cut a transport after it has proven itself, each time. A
 * transport whose connections were cut too often is left for longer (`CutBudget`). No
 * timers, no network.
 * @module
 */

import { CutBudget } from "./cut_budget.js";

/** Failures in a row of a transport that is not proven, and of one that is. */
const FAILURES = 2;
const FAILURES_PROVEN = 3;

export class TransportSelection {
  #count;
  #failures = 0;
  /** @type {Set<number>} */
  #proven = new Set();
  /** How long the connections of a transport lived at most that failed since one lasted. @type {Map<number, number>} */
  #lives = new Map();
  /** @type {Map<number, CutBudget>} */
  #budgets = new Map();

  /** Index of the transport to try. */
  index = 0;

  /** @param {number} count of transports */
  constructor(count) {
    this.#count = count;
  }

  /**
   * The transport failed although the server can be reached.
   * @param {boolean} final whether further attempts are useless
   * @param {number} [life_ms] how long the connection worked before it was lost
   * @param {number} [now] local ms
   */
  failed(final, life_ms = 0, now = 0) {
    this.#failures += 1;
    this.#lives.set(this.index, Math.max(this.life_ms(this.index), life_ms));
    const budget = this.#budgets.get(this.index) ?? new CutBudget();
    this.#budgets.set(this.index, budget);
    if (life_ms > 0) budget.cut(now);
    if (!final && this.#failures < (this.#proven.has(this.index) ? FAILURES_PROVEN : FAILURES)) return;
    // What has changed may be the network: the transport has to prove itself again.
    this.#proven.delete(this.index);
    if (life_ms > 0) budget.left(now);
    this.use((this.index + 1) % this.#count);
  }

  /**
   * Whether an attempt without a response says little, because the transport is proven and nothing has failed
   * since it last worked.
   */
  get trusted() {
    return this.#failures === 0 && this.#proven.has(this.index);
  }

  /** The transport lasted and carried messages both ways. */
  proved() {
    this.#proven.add(this.index);
  }

  /** A connection lasted so long that its loss says nothing about the transport. */
  lasted() {
    this.#failures = 0;
    this.#lives.delete(this.index);
  }

  /**
   * How long connections worked at most before they were lost. One that lives no longer shows nothing.
   * @param {number} index of a transport
   */
  life_ms(index) {
    return this.#lives.get(index) ?? 0;
  }

  /**
   * Whether a transport was cut so often that it is not to be tried while another one works.
   * @param {number} index of a transport
   * @param {number} now local ms
   */
  rests(index, now) {
    return this.#budgets.get(index)?.rests(now) === true;
  }

  /** The network is another one: what it cuts is not known. */
  forget() {
    this.#budgets.clear();
    this.#lives.clear();
  }

  /**
   * A probe lasted. If connections over this transport worked and were cut, the next one that is cut
   * leads away again.
   * @param {number} index of the transport to use
   */
  probed(index) {
    this.use(index);
    if (this.life_ms(index) > 0) this.#failures = FAILURES_PROVEN - 1;
  }

  /** After an outage: selects the best proven transport, if there is one. */
  recover() {
    if (this.#proven.size > 0) this.use(Math.min(...this.#proven));
  }

  /** @param {number} index of the transport to use */
  use(index) {
    if (index !== this.index) this.#failures = 0;
    this.index = index;
  }
}
