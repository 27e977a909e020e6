/**
 * The text of `GET /metrics` (OpenMetrics 1.0): families, their samples, and what is
 * computed from several of them.
 */

/**
 * @typedef {{name: string, labels: Record<string, string>, value: number}} Sample
 * @typedef {{name: string, kind: string, help: string, samples: Sample[]}} Family
 */

const SAMPLE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;

/** @param {string} text */
export function parse(text) {
  /** @type {Map<string, Family>} */
  const families = new Map();
  /** @type {Family|undefined} */
  let family;
  const named = (/** @type {string} */ name) => {
    const known = families.get(name) ?? { name, kind: "", help: "", samples: [] };
    families.set(name, known);
    return known;
  };
  for (const line of text.split("\n")) {
    const [, what, name, rest] = /^# (HELP|TYPE) (\S+) ?(.*)$/.exec(line) ?? [];
    if (what) {
      family = named(name);
      if (what === "TYPE") family.kind = rest;
      else family.help = rest;
      continue;
    }
    const [, sample, labels, value] = SAMPLE.exec(line) ?? [];
    if (!sample) continue;
    if (!family || !sample.startsWith(family.name)) family = named(sample);
    family.samples.push({ name: sample, labels: labelsOf(labels ?? ""), value: Number(value.replace("Inf", "Infinity")) });
  }
  return new Metrics([...families.values()]);
}

/** @param {string} text */
function labelsOf(text) {
  const found = [...text.matchAll(LABEL)];
  return Object.fromEntries(found.map(([, name, value]) => [name, value.replace(/\\(.)/g, (_, c) => (c === "n" ? "\n" : c))]));
}

/** All metrics of one moment. */
export class Metrics {
  /** @param {Family[]} families */
  constructor(families) {
    this.families = families;
    /** @type {Map<string, Sample[]>} */
    this.byName = new Map();
    for (const sample of families.flatMap((family) => family.samples)) {
      const same = this.byName.get(sample.name);
      if (same) same.push(sample);
      else this.byName.set(sample.name, [sample]);
    }
  }

  /**
   * The sum of the samples of a name that have these labels.
   * @param {string} name
   * @param {Record<string, string>} [labels]
   */
  sum(name, labels = {}) {
    const has = Object.entries(labels);
    return (this.byName.get(name) ?? [])
      .filter((sample) => has.every(([label, value]) => sample.labels[label] === value))
      .reduce((sum, { value }) => sum + value, 0);
  }

  /**
   * The sums by the value of a label.
   * @param {string} name
   * @param {string} label
   * @returns {Record<string, number>}
   */
  by(name, label) {
    /** @type {Map<string, number>} */
    const sums = new Map();
    for (const { labels, value } of this.byName.get(name) ?? []) {
      const key = labels[label] ?? "";
      sums.set(key, (sums.get(key) ?? 0) + value);
    }
    return Object.fromEntries(sums);
  }

  /**
   * The buckets of a histogram, `[le, count]` with the counts of all below, in order.
   * @param {string} name
   * @param {Record<string, string>} [labels]
   * @returns {[number, number][]}
   */
  buckets(name, labels = {}) {
    const has = Object.entries(labels);
    /** @type {Map<number, number>} */
    const counts = new Map();
    for (const sample of this.byName.get(`${name}_bucket`) ?? []) {
      if (!has.every(([label, value]) => sample.labels[label] === value)) continue;
      const bound = Number(sample.labels.le.replace("+Inf", "Infinity"));
      counts.set(bound, (counts.get(bound) ?? 0) + sample.value);
    }
    return [...counts].sort(([one], [other]) => one - other);
  }
}

/**
 * The value below which `share` of the observations are, between two moments of a
 * histogram; undefined where there were none. It is the bound of a bucket.
 * @param {[number, number][]} now
 * @param {[number, number][]} before
 * @param {number} share
 */
export function quantile(now, before, share) {
  const earlier = new Map(before);
  const counts = now.map(([bound, count]) => /** @type {[number, number]} */ ([bound, count - (earlier.get(bound) ?? 0)]));
  const all = counts.at(-1)?.[1] ?? 0;
  if (all <= 0) return undefined;
  return counts.find(([, count]) => count >= all * share)?.[0];
}
