/** All sessions: by number, or those that wait, send or receive the most. */

import { element } from "./dom.js";
import { bytes, moment, number } from "./format.js";
import { heading } from "./page.js";
import { endedTable, pastPart } from "./past.js";
import { change, link } from "./route.js";
import { Table } from "./table.js";

const LIMIT = 50;

/** The orders that the server has, as people say them. */
const ORDERS = {
  "": "in the order of their numbers",
  queue: "slow readers: the most bytes that wait for the client",
  messages: "top talkers: the most messages of the client",
  bytes: "top talkers: the most bytes of the client",
};

/** @param {import("./page.js").Page} page  @returns {import("./page.js").View} */
export function sessions({ api, route, refresh }) {
  const select = /** @type {HTMLSelectElement} */ (element("select", { "aria-label": "Order", "data-testid": "order" },
    ...Object.entries(ORDERS).map(([value, text]) => element("option", { value }, text))));
  select.value = route.query.order ?? "";
  const more = element("button.compact", { type: "button", hidden: true }, "Show more");
  const late = element("p.field-error", { hidden: true });
  const table = new Table(/** @type {import("./table.js").Column<any>[]} */ ([
    { title: "Session", class: "name mono", text: ({ session }) => session, href: ({ session }) => link("sessions", session) },
    { title: "User", class: "name", text: ({ user }) => user, href: ({ user }) => (user ? link("users", user) : undefined) },
    { title: "State", text: ({ state }) => state },
    { title: "Transport", text: ({ transport }) => transport },
    { title: "Address", class: "name", text: ({ address }) => address },
    { title: "Since", text: ({ since_ms }) => moment(since_ms) },
    { title: "Last command", text: ({ active_ms }) => moment(active_ms) },
    { title: "Waiting", class: "number", text: ({ queue_bytes }) => bytes(queue_bytes) },
    { title: "Received", class: "number", text: ({ received, received_bytes }) => `${number(received)}, ${bytes(received_bytes)}` },
    { title: "Sent", class: "number", text: ({ sent }) => number(sent) },
  ]), { key: ({ session }) => session, empty: "No session.", label: "Sessions", testid: "sessions-table" });
  const ended = endedTable("ended-table");
  let limit = LIMIT;
  select.addEventListener("change", () => {
    change({ order: select.value });
    void refresh();
  });
  more.addEventListener("click", () => {
    limit += LIMIT;
    void refresh();
  });
  return {
    title: "Sessions",
    node: element("div.stack.wide", {}, heading("Sessions"), element("section.card.stack", {}, select, late, table.node, more),
      pastPart(api, "session/getEnded", "Ended, the last one first", ended)),
    update: async () => {
      const order = select.value === "" ? {} : { order: select.value };
      const { sessions: list, next, unanswered = [] } = await api.call("session/listAll", { limit, ...order });
      table.show(list);
      more.hidden = next === undefined && list.length < limit;
      if (api.method("session/getEnded")) ended.show((await api.call("session/getEnded", { limit: LIMIT })).sessions);
      late.hidden = unanswered.length === 0;
      late.textContent = `Workers that do not answer: ${unanswered.join(", ")}. Their sessions are missing.`;
    },
  };
}
