/** The channels that have subscribers or retained messages. */

import { element, setText } from "./dom.js";
import { startingWith } from "./list.js";
import { heading } from "./page.js";
import { change, link } from "./route.js";
import { Table } from "./table.js";

/** Channels of one look. */
const LIMIT = 50;

/** @param {import("./page.js").Page} page  @returns {import("./page.js").View} */
export function channels({ api, route, refresh }) {
  const input = /** @type {HTMLInputElement} */ (element("input", {
    type: "search", placeholder: "path begins with …", "aria-label": "Channels whose path begins with", value: route.query.find ?? "",
    autocomplete: "off", spellcheck: "false", "data-testid": "find-channel",
  }));
  const open = element("a.button.compact", { "data-testid": "open-channel", hidden: true });
  const more = element("button.compact", { type: "button", hidden: true }, "Show more");
  const table = new Table(/** @type {import("./table.js").Column<{path: string, users: string[]}>[]} */ ([
    { title: "Channel", class: "name", text: ({ path }) => path, href: ({ path }) => link("channels", path) },
    { title: "Users", class: "number", text: ({ users }) => users.length },
    { title: "Who", class: "name wide", text: ({ users }) => users.slice(0, 8).join(", ") + (users.length > 8 ? ", …" : "") },
  ]), { key: ({ path }) => path, empty: "No channel has such a path.", label: "Channels", testid: "channels-table" });
  let limit = LIMIT;
  const find = () => input.value.trim();
  const offer = () => {
    open.hidden = find() === "";
    open.setAttribute("href", link("channels", find()));
    setText(open, `Open ${find()}`);
  };
  input.addEventListener("input", () => {
    change({ find: find() });
    offer();
    void refresh();
  });
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && find() !== "") location.hash = link("channels", find());
  });
  more.addEventListener("click", () => {
    limit += LIMIT;
    void refresh();
  });
  offer();

  return {
    title: "Channels",
    node: element("div.stack.wide", {}, heading("Channels"),
      element("section.card.stack", {}, element("div.row.nowrap", {}, input, open), table.node, more)),
    update: async () => {
      const { list, next } = await startingWith(api, "channel/listAll", "channels", find(), limit);
      more.hidden = next === undefined;
      table.show(await Promise.all(list.map(async (path) => ({ path, users: await api.call("channel/getSubscribers", { channelId: path }) }))));
    },
  };
}
