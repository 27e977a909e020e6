/**
 * The overview: how the server is, in one screen. Each number links to what it counts. In a table the name of a row
 * links to the same view, and only that is a stop of the Tab key.
 */

import { element } from "./dom.js";
import { Figure } from "./chart.js";
import { bytes, count, moment, number, within } from "./format.js";
import { quantile } from "./metrics.js";
import { link } from "./route.js";
import { rowsOf } from "./services.js";
import { Table } from "./table.js";

/** @typedef {import("./metrics.js").Metrics} Metrics */

const MINUTE_MS = 60_000;
/** Rows of a table of the overview. */
const ROWS_MAX = 5;
const DELIVERIES = "turntable_deliveries_total";
const PINGS = "turntable_ping_round_trip_ms";
const SILENT = "turntable_worker_silent_ms";
const MEMORY = "turntable_resident_bytes";

/** @param {import("./page.js").Page} page  @returns {import("./page.js").View} */
export function overview({ samples, api }) {
  const metric = (/** @type {string} */ name) => link("metrics", name);
  const figures = {
    connections: new Figure("Connections", [link("sessions"), link("sessions")], "connections"),
    users: new Figure("Users", [link("users"), metric("turntable_absent_watched")], "users"),
    rooms: new Figure("Rooms", [link("games"), metric("turntable_invites")], "rooms"),
    channels: new Figure("Channels", [link("channels"), metric("turntable_history_bytes")], "channels"),
    messages: new Figure("Messages delivered", [metric(DELIVERIES), metric("turntable_sent_bytes_total")], "messages"),
    commands: new Figure("Commands received", [metric("turntable_commands_total"), metric("turntable_received_bytes_total")], "commands"),
    latency: new Figure("Round trip", [metric(PINGS), metric(PINGS)], "latency"),
    memory: new Figure("Memory", [metric(MEMORY), metric("turntable_outbox_bytes")], "memory"),
  };
  const errors = counted("Errors by code", "turntable_errors_total", "errors-by-code", "No error since the start.");
  const closes = counted("Closed connections by reason", "turntable_connections_closed_total", "closes", "The server has closed no connection.");
  const limits = counted("Limits that were reached", "turntable_limits_reached_total", "limits", "No limit was reached.");
  const refused = counted("Refused connections and requests", "turntable_handshakes_refused_total", "refused", "None was refused.");
  const transports = new Table([
    { title: "Transport", text: ([name]) => name, href: () => metric("turntable_connections_by_transport") },
    { title: "Now", class: "number", text: ([, value]) => number(value), href: () => metric("turntable_connections_by_transport"), label: ([name, value]) => `${number(value)} now, ${name}` },
  ], { key: ([name]) => name, empty: "No connection.", label: "Connections by transport", testid: "transports" });
  const services = serviceTable();
  const silent = silentWorkers();

  const node = element("div.overview", {},
    element("h1.visually-hidden", {}, "Overview"),
    silent.node,
    element("div.figures", {}, ...Object.values(figures).map((figure) => figure.node)),
    element("div.cards", {},
      card("Services", services.node, link("services")),
      card("Connections by transport", transports.node, link("sessions")),
      errors.node, closes.node, limits.node, refused.node));

  /** @param {keyof typeof figures} name  @param {string} detail  @param {(metrics: Metrics) => number} of */
  const gauge = (name, detail, of) => figures[name].show(number(of(/** @type {Metrics} */ (samples.last))), detail, samples.series(of));
  /** @param {keyof typeof figures} name  @param {string} detail  @param {(metrics: Metrics) => number} of */
  const rate = (name, detail, of) => figures[name].show(`${number(samples.rate(of))}/s`, detail, samples.rates(of));

  const show = () => {
    const last = samples.last;
    if (!last) return;
    const detached = last.sum("turntable_sessions_detached");
    gauge("connections", `${count(last.sum("turntable_sessions"), "session")}, ${number(detached)} without a connection`, (m) => m.sum("turntable_connections"));
    gauge("users", `${count(last.sum("turntable_absent_watched"), "absent one")} watched`, (m) => m.sum("turntable_actors", { name: "avatar" }));
    gauge("rooms", count(last.sum("turntable_invites"), "open invite"), (m) => m.sum("turntable_actors", { name: "room" }));
    gauge("channels", `${bytes(last.sum("turntable_history_bytes"))} retained`, (m) => m.sum("turntable_actors", { name: "channel" }));
    rate("messages", `${bytes(samples.rate((m) => m.sum("turntable_sent_bytes_total")))}/s sent`, (m) => m.sum(DELIVERIES));
    rate("commands", `${bytes(samples.rate((m) => m.sum("turntable_received_bytes_total")))}/s received`, (m) => m.sum("turntable_commands_total"));
    latency();
    const pressure = ["", ", ends sessions", ", refuses clients"][last.sum("turntable_memory_pressure")] ?? "";
    figures.memory.show(bytes(last.sum(MEMORY)), `${bytes(last.sum("turntable_outbox_bytes"))} wait to be written${pressure}`, samples.series((m) => m.sum(MEMORY)));
    transports.show(Object.entries(last.by("turntable_connections_by_transport", "name")).filter(([, value]) => value > 0));
    silent.show(last);
    for (const table of [errors, closes, limits, refused]) table.show(samples);
  };

  /** Of the clients in rooms, which are pinged; else as the kernel measures them. */
  const latency = () => {
    const [last, before] = [samples.last, samples.before(MINUTE_MS)];
    if (!last || !before) return;
    const of = (/** @type {string} */ name, /** @type {Metrics} */ metrics) => metrics.buckets(name);
    const name = [PINGS, "turntable_kernel_round_trip_ms"].find((name) => quantile(of(name, last), [], 0.5) !== undefined) ?? PINGS;
    const [now, then] = [of(name, last), of(name, before)];
    figures.latency.to(metric(name));
    const since = quantile(now, then, 0.5) === undefined ? [] : then;
    const sums = samples.rates((m) => m.sum(`${name}_sum`));
    const means = samples.rates((m) => m.sum(`${name}_count`)).map((rate, index) => (rate > 0 ? sums[index] / rate : 0));
    figures.latency.show(within(quantile(now, since, 0.5)), quantile(now, since, 0.95) === undefined
      ? "no client in a room was pinged" : `p95 ${within(quantile(now, since, 0.95))}, ${name === PINGS ? "pings" : "kernel"}`, means);
  };

  return {
    title: "Overview",
    node,
    update: async () => {
      show();
      if (!api.method("service/listAll")) return;
      const { services: list } = await api.call("service/listAll", { limit: 100 });
      services.show(rowsOf(list, samples).slice(0, ROWS_MAX));
    },
  };
}

/** A line for each worker that does not answer. */
function silentWorkers() {
  const node = element("ul.warnings", { "data-testid": "silent-workers", role: "status", hidden: true });
  /** Since when, by number. @type {Map<string, number>} */
  let known = new Map();
  return {
    node,
    /** @param {Metrics} metrics */
    show(metrics) {
      const silent = Object.entries(metrics.by(SILENT, "worker")).filter(([, ms]) => ms > 0);
      const isSame = silent.length === known.size && silent.every(([worker]) => known.has(worker));
      if (isSame) return;
      known = new Map(silent.map(([worker, ms]) => [worker, known.get(worker) ?? Date.now() - ms]));
      node.hidden = known.size === 0;
      node.replaceChildren(...[...known].map(([worker, since]) => element("li", {},
        element("a", { href: link("metrics", SILENT) }, `Worker ${worker} has not answered since ${moment(since)}`))));
    },
  };
}

/** @param {string} title  @param {Node} content  @param {string} href */
function card(title, content, href) {
  return element("section.card", {}, element("h2", {}, element("a", { href }, title)), content);
}

/** The largest of counters by name: since the start, and in the last minute. @param {string} title  @param {string} metric  @param {string} testid  @param {string} empty */
function counted(title, metric, testid, empty) {
  const table = new Table([
    { title: "Name", class: "name", text: ({ name }) => name, href: () => link("metrics", metric) },
    { title: "Last minute", class: "number", text: ({ recent }) => number(recent), href: () => link("metrics", metric), label: ({ name, recent }) => `${number(recent)} in the last minute, ${name}` },
    { title: "Since start", class: "number", text: ({ total }) => number(total), href: () => link("metrics", metric), label: ({ name, total }) => `${number(total)} since the start, ${name}` },
  ], { key: ({ name }) => name, empty, label: title, testid });
  return {
    node: card(title, table.node, link("metrics", metric)),
    /** @param {import("./samples.js").Samples} samples */
    show(samples) {
      const totals = Object.entries(samples.last?.by(metric, "name") ?? {}).filter(([, total]) => total > 0);
      const rows = totals.map(([name, total]) => ({ name, total, recent: samples.growth(MINUTE_MS, (m) => m.sum(metric, { name })) }));
      table.show(rows.sort((one, other) => other.recent - one.recent || other.total - one.total).slice(0, ROWS_MAX));
    },
  };
}

function serviceTable() {
  /** @typedef {import("./services.js").Service} Service */
  const numbers = (/** @type {string} */ title, /** @type {(service: Service) => string} */ text) => ({
    title, class: "number", text,
    href: (/** @type {Service} */ { name }) => link("services", name),
    label: (/** @type {Service} */ service) => `${text(service)} ${title}, ${service.name}`,
  });
  return new Table(/** @type {import("./table.js").Column<Service>[]} */ ([
    { title: "Service", class: "name", text: ({ name }) => name, href: ({ name }) => link("services", name) },
    { title: "State", text: ({ state }) => state },
    numbers("Calls/s", ({ calls_second }) => number(calls_second)),
    numbers("p95", ({ slow_ms }) => within(slow_ms)),
    numbers("Waiting", ({ open }) => number(open)),
    numbers("Errors", ({ errors }) => number(errors)),
  ]), { key: ({ name }) => name, empty: "The configuration has no service.", label: "Services", testid: "overview-services" });
}
