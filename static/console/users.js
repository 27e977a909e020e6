/** The users that have sessions, by id; a field finds those whose id begins with a text. */

import { element, setText } from "./dom.js";
import { begin, presenceOf } from "./list.js";
import { card, heading } from "./page.js";
import { change, link } from "./route.js";
import { Table } from "./table.js";

/** Users of one look. */
const LIMIT = 50;

/** @param {import("./page.js").Page} page  @returns {import("./page.js").View} */
export function users({ api, route, refresh }) {
  const input = /** @type {HTMLInputElement} */ (element("input", {
    type: "search", placeholder: "id begins with …", "aria-label": "Users whose id begins with", value: route.query.find ?? "",
    autocomplete: "off", spellcheck: "false", "data-testid": "find-user",
  }));
  const open = element("a.button.compact", { "data-testid": "open-user", hidden: true });
  const more = /** @type {HTMLButtonElement} */ (element("button.compact", { type: "button", hidden: true, "data-testid": "more" }, "Show more"));
  const table = new Table(/** @type {import("./table.js").Column<{id: string, presence: any}>[]} */ ([
    { title: "User", class: "name", text: ({ id }) => id, href: ({ id }) => link("users", id) },
    { title: "State", text: ({ presence }) => presence?.state },
    { title: "Devices", class: "number", text: ({ presence }) => presence?.devices },
    { title: "Profile", class: "name wide", text: ({ presence }) => short(presence?.profile) },
    { title: "Note", class: "name wide", text: ({ presence }) => short(presence?.note) },
  ]), { key: ({ id }) => id, empty: "No user with a session has such an id.", label: "Users", testid: "users-table" });
  const bans = new Table(/** @type {import("./table.js").Column<{id: string, until_ms?: number, reason?: string}>[]} */ ([
    { title: "User", class: "name", text: ({ id }) => id, href: ({ id }) => link("users", id) },
    { title: "Until", text: ({ until_ms }) => (until_ms === undefined ? "unban" : new Date(until_ms).toLocaleString("en-GB")) },
    { title: "Reason", class: "name wide", text: ({ reason }) => reason },
  ]), { key: ({ id }) => id, empty: "No user is banned.", label: "Banned users", testid: "bans-table" });

  let limit = LIMIT;
  const find = () => input.value.trim();
  const offer = () => {
    open.hidden = find() === "";
    open.setAttribute("href", link("users", find()));
    setText(open, `Open ${find()}`);
  };
  const show = () => {
    change({ find: find() });
    offer();
    return refresh();
  };
  input.addEventListener("input", show);
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && find() !== "") location.hash = link("users", find());
  });
  more.addEventListener("click", () => {
    limit += LIMIT;
    void refresh();
  });
  offer();

  return {
    title: "Users",
    node: element("div.stack.wide", {},
      heading("Users"),
      element("section.card.stack", {}, element("div.row.nowrap", {}, input, open), table.node, more),
      card("Banned", bans.node)),
    update: async () => {
      const { users: ids, next } = await begin(api, find(), limit);
      more.hidden = next === undefined;
      const presence = await presenceOf(api, ids);
      table.show(ids.map((id) => ({ id, presence: presence[id] })));
      const { bans: list } = await api.call("user/listBans", { limit: LIMIT });
      bans.show(Object.entries(list).map(([id, ban]) => ({ id, ...ban })));
    },
  };
}

/** @param {unknown} value */
function short(value) {
  return value === undefined ? undefined : typeof value === "string" ? value : JSON.stringify(value);
}
