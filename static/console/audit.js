/** What operators changed, the last one first: who, what, with which arguments, and how it ended. */

import { element } from "./dom.js";
import { moment } from "./format.js";
import { heading } from "./page.js";
import { change, link } from "./route.js";
import { Table } from "./table.js";

/** @typedef {{number: number, at_ms: number, by: string, address?: string, method: string, arguments: Record<string, string>, error?: string}} Change */

const LIMIT = 50;

/** What the list can be limited to, by the names of the parameters. @type {Record<string, string>} */
const FILTERS = { by: "Caller", method: "Method or service", argument: "Argument" };

/** @param {import("./page.js").Page} page  @returns {import("./page.js").View} */
export function audit({ api, route, refresh }) {
  const inputs = Object.entries(FILTERS).map(([name, title]) => {
    const input = /** @type {HTMLInputElement} */ (element("input", { name, type: "search", placeholder: title, "aria-label": title, autocomplete: "off", spellcheck: "false", "data-testid": `audit-${name}` }));
    input.value = route.query[name] ?? "";
    input.addEventListener("change", () => {
      change({ [name]: input.value.trim() });
      void refresh();
    });
    return input;
  });
  const more = element("button.compact", { type: "button", hidden: true }, "Show more");
  let limit = LIMIT;
  more.addEventListener("click", () => {
    limit += LIMIT;
    void refresh();
  });
  const table = new Table(/** @type {import("./table.js").Column<Change>[]} */ ([
    { title: "Time", text: ({ at_ms }) => moment(at_ms) },
    { title: "By", class: "name", text: ({ by }) => by },
    { title: "Method", class: "name", text: ({ method }) => method, href: ({ method }) => link("methods", ...method.split("/")) },
    { title: "Arguments", class: "name wide", text: given },
    { title: "Outcome", text: ({ error }) => error ?? "done" },
    { title: "Address", class: "mono", text: ({ address }) => address ?? "" },
  ]), { key: ({ number }) => String(number), empty: "No changes.", label: "Changes by operators", testid: "audit-table" });
  return {
    title: "Audit",
    node: element("div.stack.wide", {}, heading("Audit"), element("section.card.stack", {}, element("div.fields", {}, ...inputs), table.node, more)),
    update: async () => {
      const wanted = inputs.map((input) => [input.name, input.value.trim()]).filter(([, value]) => value !== "");
      const { changes, next } = await api.call("audit/listAll", { limit, ...Object.fromEntries(wanted) });
      table.show(changes);
      more.hidden = next === undefined;
    },
  };
}

/** @param {Change} change */
function given(change) {
  return Object.entries(change.arguments).map(([name, value]) => `${name}: ${value}`).join(", ");
}
