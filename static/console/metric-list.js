/** All metrics with what they count, live. */

import { element } from "./dom.js";
import { number } from "./format.js";
import { heading } from "./page.js";
import { link } from "./route.js";
import { Table } from "./table.js";

/** @typedef {import("./metrics.js").Sample & {help: string, key: string}} Row */

/** @param {import("./page.js").Page} page  @returns {import("./page.js").View} */
export function metricList({ samples, route }) {
  const chosen = route.path[1];
  const input = /** @type {HTMLInputElement} */ (element("input", {
    type: "search", placeholder: "name contains …", "aria-label": "Metrics whose name contains", autocomplete: "off", "data-testid": "find-metric",
  }));
  const table = new Table(/** @type {import("./table.js").Column<Row>[]} */ ([
    { title: "Metric", class: "name", text: ({ name, labels }) => name + labelText(labels), href: ({ name }) => link("metrics", name) },
    { title: "Value", class: "number", text: ({ value }) => number(value) },
    { title: "What it counts", class: "wide", text: ({ help }) => help },
  ]), { key: ({ key }) => key, empty: chosen === undefined ? "No metric has such a name." : "Nothing was counted, or no metric has this name.", label: "Metrics", testid: "metrics-table" });
  const show = async () => {
    const rows = (samples.last?.families ?? []).flatMap((family) => family.samples.map((sample) => (
      { ...sample, help: family.help, key: sample.name + labelText(sample.labels) })));
    const find = input.value.trim();
    table.show(rows.filter((row) => isOf(row.name, chosen) && row.key.includes(find)));
  };
  input.addEventListener("input", show);
  const all = chosen === undefined ? [] : [element("a", { href: link("metrics") }, "All metrics")];
  return {
    title: chosen ?? "Metrics",
    node: element("div.stack.wide", {}, heading(chosen ?? "Metrics", ...all), element("section.card.stack", {}, input, table.node)),
    update: show,
  };
}

/** Whether a sample is of the chosen metric; a histogram has three kinds of them. @param {string} name  @param {string|undefined} chosen */
function isOf(name, chosen) {
  return chosen === undefined || ["", "_bucket", "_sum", "_count"].some((end) => name === chosen + end);
}

/** @param {Record<string, string>} labels */
function labelText(labels) {
  const list = Object.entries(labels).map(([name, value]) => `${name}="${value}"`);
  return list.length === 0 ? "" : `{${list.join(", ")}}`;
}
