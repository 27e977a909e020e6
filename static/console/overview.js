/**
 * The overview: how the server is, in one screen. Each number links to what it counts. In a table the name of a row
 * links to the same view, and only that is a stop of the Tab key.
 */

import { element, setText } from "./dom.js";
import { Figure } from "./chart.js";
import { bytes, capital, count, moment, number, within } from "./format.js";
import { link } from "./route.js";
import { rowsOf } from "./services.js";
import { Table } from "./table.js";

/** @typedef {import("./metrics.js").Metrics} Metrics */

/** Rows of a table of the overview. */
const ROWS_MAX = 5;
const DELIVERIES = "turntable_deliveries_total";
const PINGS = "turntable_ping_round_trip_ms";
const KERNEL = "turntable_kernel_round_trip_ms";
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
  const errors = counted("Errors by code", "turntable_errors_total", "errors-by-code", "No error since the start.",
    { name: "failed service calls", metric: "turntable_service_errors_total", href: link("services") });
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
      services.node,
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
    const measured = (/** @type {string} */ name) => ({ name, values: samples.quantiles(name, [0.5, 0.95]) });
    const pings = measured(PINGS);
    const { name, values: [median, slow] } = [pings, measured(KERNEL)].find(({ values }) => values[0] !== undefined) ?? pings;
    figures.latency.to(metric(name));
    const sums = samples.rates((m) => m.sum(`${name}_sum`));
    const means = samples.rates((m) => m.sum(`${name}_count`)).map((rate, index) => (rate > 0 ? sums[index] / rate : 0));
    figures.latency.show(within(median), median === undefined
      ? `no client in a room was pinged, ${samples.window}` : `p95 ${within(slow)}, ${name === PINGS ? "pings" : "kernel"}, ${samples.window}`, means);
  };

  return {
    title: "Overview",
    node,
    update: async () => {
      show();
      if (!api.method("service/listAll")) return;
      const { services: list } = await api.call("service/listAll", { limit: 100 });
      services.show(rowsOf(list, samples).slice(0, ROWS_MAX), samples.window);
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

/**
 * The largest of counters by name: since the start, and in the last minute.
 * @param {string} title
 * @param {string} metric
 * @param {string} testid
 * @param {string} empty
 * @param {{name: string, metric: string, href: string}} [others]  what is counted elsewhere, as the last row
 */
function counted(title, metric, testid, empty, others) {
  /** @typedef {{name: string, href: string, total: number, recent: number|undefined}} Row */
  let window = "";
  const table = new Table(/** @type {import("./table.js").Column<Row>[]} */ ([
    { title: "Name", class: "name", text: ({ name }) => name, href: ({ href }) => href },
    { title: "Last minute", class: "number", text: ({ recent }) => number(recent), href: ({ href }) => href, label: ({ name, recent }) => `${number(recent)} in the ${window}, ${name}` },
    { title: "Since start", class: "number", text: ({ total }) => number(total), href: ({ href }) => href, label: ({ name, total }) => `${number(total)} since the start, ${name}` },
  ]), { key: ({ name }) => name, empty, label: title, testid });
  return {
    node: card(title, table.node, link("metrics", metric)),
    /** @param {import("./samples.js").Samples} samples */
    show(samples) {
      window = samples.window;
      table.rename(1, capital(window));
      const row = (/** @type {string} */ name, /** @type {string} */ href, /** @type {(metrics: Metrics) => number} */ of) => (
        { name, href, total: samples.last ? of(samples.last) : 0, recent: samples.recent(of) });
      const rows = Object.keys(samples.last?.by(metric, "name") ?? {})
        .map((name) => row(name, link("metrics", metric), (m) => m.sum(metric, { name })))
        .filter(({ total }) => total > 0)
        .sort((one, other) => (other.recent ?? 0) - (one.recent ?? 0) || other.total - one.total);
      const last = others ? [row(others.name, others.href, (m) => m.sum(others.metric))].filter(({ total }) => total > 0) : [];
      table.show([...rows.slice(0, ROWS_MAX - last.length), ...last]);
    },
  };
}

/** The services in trouble first. How long their calls took and their errors are those of the last minute. */
function serviceTable() {
  /** @typedef {import("./services.js").Service} Service */
  let window = "";
  const numbers = (/** @type {string} */ title, /** @type {(service: Service) => string} */ text, isRecent = false) => ({
    title, class: "number", text,
    href: (/** @type {Service} */ { name }) => link("services", name),
    label: (/** @type {Service} */ service) => `${text(service)} ${title}${isRecent ? ` in the ${window}` : ""}, ${service.name}`,
  });
  const table = new Table(/** @type {import("./table.js").Column<Service>[]} */ ([
    { title: "Service", class: "name", text: ({ name }) => name, href: ({ name }) => link("services", name) },
    { title: "State", text: ({ state }) => state },
    numbers("Errors", ({ recent_errors }) => number(recent_errors), true),
    numbers("p95", ({ slow_ms }) => within(slow_ms), true),
    numbers("Calls/s", ({ calls_second }) => number(calls_second)),
    numbers("Waiting", ({ open }) => number(open)),
  ]), { key: ({ name }) => name, empty: "The configuration has no service.", label: "Services", testid: "overview-services" });
  const heading = element("a", { href: link("services") }, "Services");
  return {
    node: element("section.card", {}, element("h2", {}, heading), table.node),
    /** @param {Service[]} rows  @param {string} of  "last minute" */
    show(rows, of) {
      window = of;
      setText(heading, `Services, ${window}`);
      table.show(rows);
    },
  };
}
