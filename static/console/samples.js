/**
 * The metrics of the last minutes, one entry for each look at them: series for charts,
 * rates, and what was counted in the last minute. Those of before the page was loaded are the server's.
 */

import { parse, quantile } from "./metrics.js";

/** @typedef {import("./metrics.js").Metrics} Metrics */

/** Time between two looks, and between two samples of the server, ms. */
export const PERIOD_MS = 2000;
const MINUTE_MS = 60_000;
/** A minute of looks may be shorter by one of them, and each may be late. */
const ABOUT_MINUTE_MS = MINUTE_MS - 1.5 * PERIOD_MS;
/** A rate is that of so long. */
const RATE_MS = 10_000;
/** Five minutes at one look in two seconds. */
const ENTRIES_MAX = 150;
/** Histograms are compared over one minute: older ones are left out. */
const BUCKETS_MS = MINUTE_MS + 5 * PERIOD_MS;

export class Samples {
  constructor() {
    /** @type {{at_ms: number, metrics: Metrics}[]} */
    this.entries = [];
  }

  /** Whether there was no look for so long that what came in between is missing. @param {number} [at_ms] */
  isBehind(at_ms = performance.now()) {
    const last = this.entries.at(-1);
    return last === undefined || at_ms - last.at_ms > 3 * PERIOD_MS;
  }

  /**
   * Replaces the entries by those of the server (`node/getSamples`). The metrics of now come next.
   * @param {{at_ms: number[], now_ms: number, series: Record<string, number[]>}} past
   * @param {number} [at_ms]
   */
  load({ at_ms: times, now_ms, series }, at_ms = performance.now()) {
    const texts = times.map(() => /** @type {string[]} */ ([]));
    for (const [name, values] of Object.entries(series)) {
      // The last value is of the last sample.
      values.forEach((value, index) => texts[texts.length - values.length + index]?.push(`${name} ${value}`));
    }
    const entries = times.map((time, index) => ({ at_ms: at_ms - (now_ms - time), metrics: parse(texts[index].join("\n")) }));
    // The rate between two that are close together says nothing.
    this.entries = entries.filter((entry) => at_ms - entry.at_ms >= PERIOD_MS / 2);
  }

  /** @param {Metrics} metrics  @param {number} [at_ms] */
  push(metrics, at_ms = performance.now()) {
    // Families are for the list of the metrics: the last ones are enough.
    const before = this.entries.at(-1);
    if (before) before.metrics.families = [];
    this.entries.push({ at_ms, metrics });
    for (const { metrics: { byName } } of this.entries.filter((entry) => at_ms - entry.at_ms > BUCKETS_MS)) {
      for (const name of byName.keys()) if (name.endsWith("_bucket")) byName.delete(name);
    }
    if (this.entries.length > ENTRIES_MAX) this.entries.shift();
  }

  /** @returns {Metrics|undefined} */
  get last() {
    return this.entries.at(-1)?.metrics;
  }

  /** The entries of the last `ms`, the last one too. @param {number} ms */
  within(ms) {
    const last = this.entries.at(-1);
    return last === undefined ? [] : this.entries.filter(({ at_ms }) => last.at_ms - at_ms <= ms);
  }

  /** How many ms of the last minute there are entries of. */
  get minute_ms() {
    const entries = this.within(MINUTE_MS);
    return entries.length < 2 ? 0 : entries[entries.length - 1].at_ms - entries[0].at_ms;
  }

  /** What the time is called of which `recent` and `quantiles` are: "last minute", or "last 20 s" while there is less. */
  get window() {
    const ms = this.minute_ms;
    return ms === 0 || ms >= ABOUT_MINUTE_MS ? "last minute" : `last ${Math.max(1, Math.round(ms / 1000))} s`;
  }

  /** @param {(metrics: Metrics) => number} of */
  series(of) {
    return this.entries.map(({ metrics }) => of(metrics));
  }

  /** How much a counter grew each second, at each look but the first. @param {(metrics: Metrics) => number} of */
  rates(of) {
    return this.entries.slice(1).map(({ at_ms, metrics }, index) => {
      const before = this.entries[index];
      return grown(of(before.metrics), of(metrics)) / ((at_ms - before.at_ms) / 1000 || 1);
    });
  }

  /** The rate over the last ten seconds. @param {(metrics: Metrics) => number} of */
  rate(of) {
    const entries = this.within(RATE_MS);
    const ms = entries.length < 2 ? 0 : entries[entries.length - 1].at_ms - entries[0].at_ms;
    return ms === 0 ? 0 : sum(entries, of) / (ms / 1000);
  }

  /** How much a counter grew in the last minute, or in what `window` says; undefined while nothing is known of it. @param {(metrics: Metrics) => number} of */
  recent(of) {
    return this.minute_ms === 0 ? undefined : sum(this.within(MINUTE_MS), of);
  }

  /**
   * The values below which these shares of what a histogram counted in the last minute are.
   * @param {string} name
   * @param {number[]} shares
   * @param {Record<string, string>} [labels]
   */
  quantiles(name, shares, labels) {
    const entries = this.within(MINUTE_MS).map(({ metrics }) => metrics);
    const now = entries.at(-1)?.buckets(name, labels) ?? [];
    const then = entries.length < 2 ? now : entries[0].buckets(name, labels);
    // After a restart of the server it begins again.
    const before = (then.at(-1)?.[1] ?? 0) > (now.at(-1)?.[1] ?? 0) ? [] : then;
    return shares.map((share) => quantile(now, before, share));
  }
}

/** How much a counter grew; after a restart of the server it begins with 0 again. @param {number} before  @param {number} now */
function grown(before, now) {
  return now >= before ? now - before : now;
}

/** @param {{metrics: Metrics}[]} entries  @param {(metrics: Metrics) => number} of */
function sum(entries, of) {
  const values = entries.map(({ metrics }) => of(metrics));
  return values.slice(1).reduce((all, value, index) => all + grown(values[index], value), 0);
}
