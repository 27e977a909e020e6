/** The services of the configuration: up or down, how they answer, and their switch. */

import { element, setText } from "./dom.js";
import { changeButton } from "./confirm.js";
import { capital, count, number, within } from "./format.js";
import { heading } from "./page.js";
import { link } from "./route.js";
import { Facts, Links, Table } from "./table.js";

/** @typedef {{name: string, state: string, functions: string[], instances: number, open: number, disabled_users: number, calls: number, calls_second: number, latency_ms: number|undefined, slow_ms: number|undefined, errors: number, recent_errors: number|undefined}} Service */
/** @typedef {import("./metrics.js").Metrics} Metrics */

const LATENCY = "turntable_service_call_ms";
const ERRORS = "turntable_service_errors_total";

/** @param {import("./page.js").Page} page  @returns {import("./page.js").View} */
export function services({ api, samples }) {
  const table = new Table(/** @type {import("./table.js").Column<Service>[]} */ ([
    { title: "Service", class: "name", text: ({ name }) => name, href: ({ name }) => link("services", name) },
    { title: "State", text: ({ state }) => state },
    { title: "Instances", class: "number", text: ({ instances }) => number(instances) },
    { title: "Waiting calls", class: "number", text: ({ open }) => number(open) },
    { title: "Errors", class: "number", text: ({ recent_errors }) => number(recent_errors) },
    { title: "Median", class: "number", text: ({ latency_ms }) => within(latency_ms), href: () => link("metrics", LATENCY) },
    { title: "95th percentile", class: "number", text: ({ slow_ms }) => within(slow_ms), href: () => link("metrics", LATENCY) },
    { title: "Calls/s", class: "number", text: ({ calls_second }) => number(calls_second) },
    { title: "Calls since start", class: "number", text: ({ calls }) => number(calls) },
    { title: "Errors since start", class: "number", text: ({ errors }) => number(errors), href: () => link("metrics", ERRORS) },
    { title: "Disabled for", class: "number", text: ({ disabled_users }) => count(disabled_users, "user") },
  ]), { key: ({ name }) => name, empty: "The configuration has no service ([services.NAME]).", label: "Services", testid: "services-table" });
  const note = element("p.small.muted", { "data-testid": "services-window" });
  return {
    title: "Services",
    node: element("div.stack.wide", {}, heading("Services"), element("section.card.stack", {}, table.node, note)),
    update: async () => {
      const { services: list } = await api.call("service/listAll", { limit: 500 });
      setText(note, `Median, 95th percentile and errors are those of the ${samples.window}.`);
      table.show(rowsOf(list, samples));
    },
  };
}

/** One service. @param {import("./page.js").Page} page  @returns {import("./page.js").View} */
export function service({ api, samples, route, refresh }) {
  const name = route.path[1];
  const known = { instances: 0, open: 0 };
  const facts = new Facts("service-facts");
  const functions = new Links("No instance offers a function.", "service-functions");
  const errors = new Table(/** @type {import("./table.js").Column<[string, number, number|undefined]>[]} */ ([
    { title: "Code", class: "name", text: ([code]) => code },
    { title: "Last minute", class: "number", text: ([, , recent]) => number(recent) },
    { title: "Since start", class: "number", text: ([, total]) => number(total) },
  ]), { key: ([code]) => code, empty: "No call was answered with an error.", label: "Errors", testid: "service-errors" });
  const disable = changeButton(api, "Disable", "disable", "service/disable", () => ({
    given: { name }, title: `Disable ${name}`, submit: "Disable", dangerous: true,
    effect: `Calls of ${name} are refused with service_down, for all users or for the one that is entered; its ${count(known.instances, "instance gets", "instances get")} none, and ${count(known.open, "call waits", "calls wait")} now.`,
    outcome: switched,
  }), refresh);
  const enable = changeButton(api, "Enable", "enable", "service/enable", () => ({
    given: { name }, title: `Enable ${name}`, submit: "Enable",
    effect: `Calls of ${name} reach its ${count(known.instances, "instance")} again, for all users or for the one that is entered.`,
    outcome: switched,
  }), refresh);
  [disable.hidden, enable.hidden] = [true, true];
  return {
    title: name,
    node: element("div.stack.wide", {}, heading(name, disable, enable),
      element("div.cards", {},
        element("section.card.stack", {}, element("h2", {}, "Service"), facts.node),
        element("section.card.stack", {}, element("h2", {}, "Errors by code"), errors.node),
        element("section.card.stack", {}, element("h2", {}, "Functions"), functions.node))),
    update: async () => {
      const { services: list } = await api.call("service/listAll", { limit: 500 });
      if (!Object.hasOwn(list, name)) throw new Error(`the configuration has no service ${name}`);
      const [row] = rowsOf({ [name]: list[name] }, samples);
      [known.instances, known.open] = [row.instances, row.open];
      disable.hidden = row.state === "disabled";
      enable.hidden = row.state !== "disabled" && row.disabled_users === 0;
      facts.show([
        ["State", row.state], ["Instances", number(row.instances)], ["Waiting calls", number(row.open)],
        ["Calls", `${number(row.calls)}, ${number(row.calls_second)}/s`],
        [`Median, ${samples.window}`, within(row.latency_ms)], [`95th percentile, ${samples.window}`, within(row.slow_ms)],
        ["Errors", `${number(row.errors)}, ${number(row.recent_errors)} in the ${samples.window}`],
        ["Disabled for", count(row.disabled_users, "user")],
      ]);
      errors.rename(1, capital(samples.window));
      errors.show(codesOf(name, samples));
      functions.show(row.functions.map((text) => ({ text })));
    },
  };
}

/**
 * The codes with which calls of a service failed, how often since the start and in the last minute, the most first.
 * @param {string} service
 * @param {import("./samples.js").Samples} samples
 * @returns {[string, number, number|undefined][]}
 */
function codesOf(service, samples) {
  const all = (samples.last?.byName.get(ERRORS) ?? []).filter(({ labels, value }) => labels.service === service && value > 0);
  return all
    .map(({ labels: { code }, value }) => /** @type {[string, number, number|undefined]} */ ([code, value, samples.recent((m) => m.sum(ERRORS, { service, code }))]))
    .sort(([, one, recent = 0], [, other, lately = 0]) => lately - recent || other - one);
}

/** What a switch has led to, for all or for one user. @param {{state: string}} service  @param {{userId?: string}} params */
function switched({ state }, { userId }) {
  return userId === undefined ? state : `${state} for ${userId}`;
}

/**
 * The services with their calls and errors, those in trouble first.
 * @param {Record<string, any>} list
 * @param {import("./samples.js").Samples} samples
 * @returns {Service[]}
 */
export function rowsOf(list, samples) {
  const rows = Object.entries(list).map(([name, service]) => {
    const calls = (/** @type {Metrics} */ m) => m.sum("turntable_service_calls_total", { service: name });
    const errors = (/** @type {Metrics} */ m) => m.sum(ERRORS, { service: name });
    const [latency_ms, slow_ms] = samples.quantiles(LATENCY, [0.5, 0.95], { service: name });
    return {
      name, ...service,
      latency_ms, slow_ms,
      calls: samples.last ? calls(samples.last) : 0, calls_second: samples.rate(calls),
      errors: samples.last ? errors(samples.last) : 0, recent_errors: samples.recent(errors),
    };
  });
  return rows.sort((one, other) => (other.recent_errors ?? 0) - (one.recent_errors ?? 0) || other.open - one.open || (one.name < other.name ? -1 : 1));
}
