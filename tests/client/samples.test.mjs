/** What the console shows of the last minutes: its own looks, and what the server had before. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { parse } from "../../static/console/metrics.js";
import { Samples } from "../../static/console/samples.js";

const ERRORS = 'turntable_service_errors_total{service="forum",code="failed"}';
const errors = (/** @type {any} */ m) => m.sum("turntable_service_errors_total");

/** An answer of node/getSamples: `count` samples, two seconds apart. @param {number} count  @param {Record<string, number[]>} series */
function past(count, series) {
  const now_ms = 1_700_000_000_000;
  return { at_ms: Array.from({ length: count }, (_, index) => now_ms - 2000 * (count - index)), now_ms, series };
}

/** A bucket of how long calls of forum took. @param {string} le  @param {number[]} values */
function bucket(le, values) {
  return { [`turntable_service_call_ms_bucket{le="${le}",service="forum"}`]: values };
}

test("what the server had before is of the last minute, and charts are full", () => {
  const samples = new Samples();
  assert.equal(samples.isBehind(1000), true);
  assert.equal(samples.recent(errors), undefined);
  const connections = Array.from({ length: 150 }, (_, index) => index);
  samples.load(past(150, { turntable_connections: connections, [ERRORS]: Array.from({ length: 31 }, (_, index) => 100 + 2 * index) }), 500_000);
  samples.push(parse(`turntable_connections 150\n${ERRORS} 162`), 500_000);
  assert.equal(samples.isBehind(502_000), false);
  assert.equal(samples.series((m) => m.sum("turntable_connections")).length, 150);
  assert.equal(samples.recent(errors), 60);
  assert.equal(samples.rate(errors), 1);
  assert.equal(samples.window, "last minute");
});

test("a server that began lately has less than a minute, which is said", () => {
  const samples = new Samples();
  assert.equal(samples.window, "last minute");
  samples.load(past(10, { [ERRORS]: [1, 2, 3] }), 20_000);
  samples.push(parse(`${ERRORS} 3`), 20_000);
  // Before it began, a counter was 0.
  assert.equal(samples.recent(errors), 3);
  assert.equal(samples.window, "last 20 s");
});

test("after a restart of the server counters go on", () => {
  const samples = new Samples();
  for (const [at_ms, value] of [[0, 50], [2000, 53], [4000, 2], [6000, 4]]) samples.push(parse(`${ERRORS} ${value}`), at_ms);
  assert.equal(samples.recent(errors), 7);
  assert.deepEqual(samples.rates(errors), [1.5, 1, 1]);
});

test("a time without looks is a gap, that is filled by the server", () => {
  const samples = new Samples();
  samples.push(parse("turntable_connections 1"), 0);
  assert.equal(samples.isBehind(5000), false);
  assert.equal(samples.isBehind(60_000), true);
});

test("how long calls took is that of the last minute, and not known where there was none", () => {
  const samples = new Samples();
  const of = () => samples.quantiles("turntable_service_call_ms", [0.5], { service: "forum" })[0];
  const series = (/** @type {number[]} */ fast, /** @type {number[]} */ all) => ({ ...bucket("10.0", fast), ...bucket("500.0", all), ...bucket("+Inf", all) });
  const text = (/** @type {number} */ fast, /** @type {number} */ all) => Object.entries(series([fast], [all])).map(([name, [value]]) => `${name} ${value}`).join("\n");
  samples.load(past(3, series([0, 0, 0], [90, 90, 90])), 6000);
  samples.push(parse(text(0, 90)), 6000);
  assert.equal(of(), undefined);
  samples.push(parse(text(5, 95)), 8000);
  assert.equal(of(), 10);
  // Entries that were pushed more often than every two seconds have a minute, too.
  for (let at_ms = 8500; at_ms <= 66_000; at_ms += 500) samples.push(parse(text(5, 95)), at_ms);
  assert.equal(of(), 10);
  samples.push(parse(text(0, 0)), 66_500);
  assert.equal(of(), undefined);
});
