/** The rooms that there are, with their games. */

import { element } from "./dom.js";
import { before } from "./list.js";
import { bytes, moment, number } from "./format.js";
import { heading } from "./page.js";
import { change, link } from "./route.js";
import { Table } from "./table.js";

const LIMIT = 50;

/** @param {import("./page.js").Page} page  @returns {import("./page.js").View} */
export function games({ api, route, refresh }) {
  const input = /** @type {HTMLInputElement} */ (element("input", {
    type: "search", placeholder: "id begins with …", "aria-label": "Rooms whose id begins with", value: route.query.find ?? "",
    autocomplete: "off", spellcheck: "false", "data-testid": "find-room",
  }));
  const more = element("button.compact", { type: "button", hidden: true }, "Show more");
  const late = element("p.field-error", { hidden: true });
  const table = new Table(/** @type {import("./table.js").Column<any>[]} */ ([
    { title: "Room", class: "name", text: ({ channelId }) => channelId, href: ({ channelId }) => link("games", channelId) },
    { title: "Game", class: "name", text: ({ game }) => (game === "" ? "generic" : game) },
    { title: "Members", class: "number", text: ({ members }) => members },
    { title: "Away", class: "number", text: ({ away }) => away },
    { title: "Actions", class: "number", text: ({ actions }) => (actions === undefined ? undefined : number(actions)) },
    { title: "Last action", text: ({ last_action_ms }) => (last_action_ms === undefined ? undefined : moment(last_action_ms)) },
    { title: "Since", text: ({ since_ms }) => (since_ms === undefined ? "does not answer" : moment(since_ms)) },
    { title: "State", class: "number", text: ({ state_bytes }) => (state_bytes === undefined ? undefined : bytes(state_bytes)) },
  ]), { key: ({ channelId }) => channelId, empty: "No room has such an id.", label: "Rooms", testid: "games-table" });
  let limit = LIMIT;
  input.addEventListener("input", () => {
    change({ find: input.value.trim() });
    void refresh();
  });
  more.addEventListener("click", () => {
    limit += LIMIT;
    void refresh();
  });
  return {
    title: "Games",
    node: element("div.stack.wide", {}, heading("Games"), element("section.card.stack", {}, input, late, table.node, more)),
    update: async () => {
      const find = input.value.trim();
      const { rooms, next, unanswered = [] } = await api.call("game/listAll", { limit, ...(find === "" ? {} : { after: before(find) }) });
      table.show(rooms.filter((/** @type {{channelId: string}} */ { channelId }) => channelId.startsWith(find)));
      more.hidden = next === undefined;
      late.hidden = unanswered.length === 0;
      late.textContent = `Workers that do not answer: ${unanswered.join(", ")}. What they have is missing.`;
    },
  };
}
