/**
 * The metrics of the last minutes, one entry for each look at them: series for charts,
 * and rates.
 */

/** @typedef {import("./metrics.js").Metrics} Metrics */

/** Five minutes at one look in two seconds. */
const ENTRIES_MAX = 150;
/** Histograms are compared over one minute: older ones are left out. */
const BUCKETS_MAX = 31;

export class Samples {
  constructor() {
    /** @type {{at_ms: number, metrics: Metrics}[]} */
    this.entries = [];
  }

  /** @param {Metrics} metrics  @param {number} [at_ms] */
  push(metrics, at_ms = performance.now()) {
    // Families are for the list of the metrics: the last ones are enough.
    const before = this.entries.at(-1);
    if (before) before.metrics.families = [];
    this.entries.push({ at_ms, metrics });
    const old = this.entries.at(-BUCKETS_MAX - 1)?.metrics.byName;
    for (const name of old?.keys() ?? []) if (name.endsWith("_bucket")) old?.delete(name);
    if (this.entries.length > ENTRIES_MAX) this.entries.shift();
  }

  /** @returns {Metrics|undefined} */
  get last() {
    return this.entries.at(-1)?.metrics;
  }

  /** The metrics of `ms` ago, or the oldest ones. @param {number} ms */
  before(ms) {
    const last = this.entries.at(-1);
    return this.entries.find(({ at_ms }) => last !== undefined && last.at_ms - at_ms <= ms)?.metrics;
  }

  /** @param {(metrics: Metrics) => number} of */
  series(of) {
    return this.entries.map(({ metrics }) => of(metrics));
  }

  /** How much a counter grew each second, at each look but the first. @param {(metrics: Metrics) => number} of */
  rates(of) {
    return this.entries.slice(1).map(({ at_ms, metrics }, index) => {
      const before = this.entries[index];
      // After a restart of the server counters begin again.
      return Math.max(0, of(metrics) - of(before.metrics)) / ((at_ms - before.at_ms) / 1000 || 1);
    });
  }

  /** The rate over the last ten seconds. @param {(metrics: Metrics) => number} of */
  rate(of) {
    const last = this.rates(of).slice(-5);
    return last.length === 0 ? 0 : last.reduce((sum, rate) => sum + rate, 0) / last.length;
  }

  /** How much counters grew within `ms`. @param {number} ms  @param {(metrics: Metrics) => number} of */
  growth(ms, of) {
    const [last, before] = [this.last, this.before(ms)];
    return last && before ? Math.max(0, of(last) - of(before)) : 0;
  }
}
