/** One room: who is in it and how late they are, its clock, its settings, and its actions as they come. */

import { element, setText } from "./dom.js";
import { changeButton } from "./confirm.js";
import { bytes, count, duration, moment, number, pretty } from "./format.js";
import { heading } from "./page.js";
import { link } from "./route.js";
import { Facts, Table } from "./table.js";

/** The last actions that are shown. */
const ACTIONS_MAX = 200;

/** @param {import("./page.js").Page} page  @returns {import("./page.js").View} */
export function game({ api, route, refresh }) {
  const channelId = route.path[1];
  const known = { members: 0, seen: 0, since_ms: 0, gap: false, actions: /** @type {{number: number, action: any}[]} */ ([]) };
  const facts = new Facts("game-facts");
  const settings = element("pre.result", { tabindex: "0", "aria-label": "Settings" });
  const gaps = element("p.small.muted", { role: "status" });
  const members = new Table(/** @type {import("./table.js").Column<any>[]} */ ([
    { title: "User", class: "name", text: ({ user }) => user, href: ({ user }) => link("users", user) },
    { title: "Team", class: "name", text: ({ team }) => team },
    { title: "State", text: ({ state, seat_until_ms }) => (seat_until_ms === undefined ? state : `${state}, seat until ${moment(seat_until_ms)}`) },
    { title: "Since", text: ({ since_ms }) => moment(since_ms) },
    { title: "Lag", class: "number", text: ({ lag }) => (lag?.measured_ms === undefined ? undefined : `${lag.measured_ms} ms`) },
    { title: "Credit", class: "number", text: ({ lag }) => (lag === undefined ? undefined : `${lag.credit_ms} ms`) },
    { title: "Last action", text: ({ last_action_ms }) => (last_action_ms === undefined ? undefined : moment(last_action_ms)) },
    { title: "Session", class: "name mono", text: ({ sessions }) => sessions[0]?.session, href: ({ sessions }) => (sessions.length > 0 ? link("sessions", sessions[0].session) : undefined) },
    { title: "", class: "number action", node: ({ user }) => kick(user) },
  ]), { key: ({ user }) => user, empty: "Nobody is in it.", label: "Members", testid: "game-members" });
  const actions = new Table(/** @type {import("./table.js").Column<any>[]} */ ([
    { title: "Number", class: "number", text: ({ number }) => number },
    { title: "Time", text: ({ action }) => (typeof action?.timestamp === "number" ? moment(action.timestamp) : undefined) },
    { title: "From", class: "name", text: ({ action }) => action?.from, href: ({ action }) => (typeof action?.from === "string" ? link("users", action.from) : undefined) },
    { title: "Data", class: "name wide", text: ({ action }) => JSON.stringify(action?.data ?? action) },
  ]), { key: ({ number }) => String(number), empty: "No action yet.", label: "Actions", testid: "game-actions" });

  /** @param {string} userId */
  function kick(userId) {
    return changeButton(api, "Kick", `kick-${userId}`, "game/kick", () => ({
      given: { channelId, userId }, title: `Kick ${userId} from ${channelId}`, submit: "Kick", dangerous: true,
      effect: `${userId} leaves the room, and the other members see it. Its sessions stay, and it may join again.`,
    }), refresh);
  }
  const end = changeButton(api, "End", "end-game", "game/end", () => ({
    given: { channelId }, title: `End ${channelId}`, submit: "End", dangerous: true,
    effect: `The room ends for its ${count(known.members, "member")}, and its state is deleted. The reason is for the log. The next user that joins begins another room.`,
  }), refresh);
  const part = (/** @type {string} */ title, /** @type {...Node} */ ...nodes) => element("section.card.stack.full", {}, element("h2", {}, title), ...nodes);

  return {
    title: channelId,
    node: element("div.stack.wide", {}, heading(channelId, end),
      element("div.cards", {},
        part("Who is in it", members.node),
        element("section.card.stack", {}, element("h2", {}, "Room"), facts.node, element("details", {}, element("summary", {}, "Settings in force"), settings)),
        element("section.card.stack.two", {}, element("h2", {}, "Actions, newest first"), gaps, actions.node))),
    update: async () => {
      const report = await api.call("game/get", { channelId });
      known.members = report.members.length;
      // Another room of the same id counts from the beginning.
      if (report.since_ms !== known.since_ms) Object.assign(known, { since_ms: report.since_ms, seen: 0, gap: false, actions: [] });
      facts.show([
        ["Game", report.game || "generic"],
        ["Since", moment(report.since_ms)],
        ["Clock", moment(report.time_ms)],
        ["Ends", report.ends_ms === undefined ? "not while it has members" : `in ${duration((report.ends_ms - report.time_ms) / 1000)}, unless somebody joins`],
        ["Actions", number(report.actions)],
        ["Last action", report.last_action_ms === undefined ? "none" : moment(report.last_action_ms)],
        ["State", bytes(report.state_bytes)],
        ["Wait for the tick", bytes(report.waiting_bytes)],
      ]);
      const text = pretty(JSON.stringify(report.settings));
      if (settings.textContent !== text) settings.textContent = text;
      members.show(report.members);
      const recent = await api.call("game/getActions", known.seen > 0 ? { channelId, since: known.seen } : { channelId });
      known.gap ||= !recent.complete;
      if (known.gap) setText(gaps, `Of ${count(recent.total, "action")} the room retains the last ones alone.`);
      known.seen = recent.total;
      known.actions = [...known.actions, ...recent.actions].slice(-ACTIONS_MAX);
      actions.show([...known.actions].reverse());
    },
  };
}
