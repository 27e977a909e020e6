/** One user: presence, sessions, attributes, channels and rooms; what can be done with it. */

import { element } from "./dom.js";
import { changeButton } from "./confirm.js";
import { count, duration, moment, pretty } from "./format.js";
import { before } from "./list.js";
import { card, heading } from "./page.js";
import { endedTable, pastPart } from "./past.js";
import { link } from "./route.js";
import { Facts, Links, Table } from "./table.js";

/** Sessions of a user that are looked at one by one. */
const SESSIONS_MAX = 10;
/** Sessions that ended of a user, which are shown. */
const ENDED_MAX = 20;

/** @param {import("./page.js").Page} page  @returns {import("./page.js").View} */
export function user({ api, route, refresh }) {
  const id = route.path[1];
  const known = { sessions: 0 };
  const state = element("span.pill", { "data-testid": "user-state" }, "…");
  const facts = new Facts("user-facts");
  const sessions = new Table(/** @type {import("./table.js").Column<any>[]} */ ([
    { title: "Session", class: "name", text: ({ session }) => session, href: ({ session }) => link("sessions", session) },
    { title: "Transport", text: ({ transport }) => transport ?? "not connected" },
    { title: "Address", class: "name", text: ({ address }) => address },
    { title: "Credentials end in", class: "number", text: ({ expires_in }) => (expires_in === undefined ? undefined : duration(expires_in)) },
  ]), { key: ({ session }) => session, empty: "No session.", label: "Sessions", testid: "user-sessions" });
  const attributes = new Table(/** @type {import("./table.js").Column<[string, unknown]>[]} */ ([
    { title: "Name", class: "name", text: ([name]) => name },
    { title: "Value", class: "name wide", text: ([, value]) => JSON.stringify(value) },
  ]), { key: ([name]) => name, empty: "No attribute.", label: "Attributes", testid: "user-attributes" });
  const rooms = new Links(api.method("session/get") ? "In no room." : "This server has no session/get.", "user-rooms");
  const channels = new Links("In no channel.", "user-channels");
  const past = endedTable("user-ended", { user: false });
  const blocked = new Links("Blocks nobody.", "user-blocked");
  const disabled = new Links("No service is disabled for this user alone.", "user-disabled");

  const sessionsOf = () => count(known.sessions, "session");
  const ended = (/** @type {number} */ sessions) => `${count(sessions, "session")} ended`;
  const unban = changeButton(api, "Unban", "unban", "user/unban", () => ({
    given: { userId: id }, title: `Unban ${id}`, submit: "Unban",
    effect: `${id} may connect again.`,
    outcome: (was) => (was ? "the ban is over" : "there was no ban"),
  }), refresh);
  unban.hidden = true;
  const actions = [
    changeButton(api, "Publish", "publish", "user/publish", () => ({
      given: { userId: id }, title: `Publish to ${id}`, submit: "Publish",
      effect: `The clients of ${sessionsOf()} of ${id} get this message, as a call of user:message.`,
      outcome: (sessions) => `sent to ${count(sessions, "session")}`,
    }), refresh),
    changeButton(api, "Kick", "kick", "user/kick", () => ({
      given: { userId: id }, title: `Kick ${id}`, submit: "Kick", dangerous: true,
      effect: `Ends ${sessionsOf()} of ${id}. Its clients get the reason, and do not come back by themselves; the user may connect again.`,
      outcome: ended,
    }), refresh),
    changeButton(api, "Ban", "ban", "user/ban", () => ({
      given: { userId: id }, title: `Ban ${id}`, submit: "Ban", dangerous: true,
      effect: `Ends ${sessionsOf()} of ${id}, and refuses the user for so many seconds; 0: until unban. Its clients get the reason.`,
      outcome: ended,
    }), refresh),
    unban,
    changeButton(api, "End sessions", "remove", "user/remove", () => ({
      given: { userId: id }, title: `End the sessions of ${id}`, submit: "End sessions", dangerous: true,
      effect: `Ends ${sessionsOf()} of ${id}. Its clients may identify again at once.`,
      outcome: ended,
    }), refresh),
  ];
  const set = changeButton(api, "Set", "set-attributes", "user/setAttributes", () => ({
    given: { userId: id }, title: `Set attributes of ${id}`, submit: "Set",
    effect: `Sets these attributes of ${id}; null removes one. Its sessions get what changed, and so do its watchers where an attribute is public.`,
  }), refresh);

  const node = element("div.stack.wide", {},
    heading(id, state, ...actions),
    element("div.cards", {},
      card("Presence", facts.node),
      card("Rooms", rooms.node),
      card("Channels", channels.node),
      element("section.card.stack.full", {}, element("h2", {}, "Sessions"), sessions.node),
      pastPart(api, "session/getEnded", "Why sessions ended, the last one first", past),
      element("section.card.stack.full", {}, element("div.row.spread", {}, element("h2", {}, "Attributes"), set), attributes.node),
      card("Block list", blocked.node),
      card("Disabled services", disabled.node),
      card("More", element("p.links", {}, ...Object.entries(api.definitions).flatMap(([service, methods]) => Object.entries(methods)
        .filter(([, { params }]) => params.some(({ name, optional }) => name === "userId" && !optional))
        .map(([name]) => element("a", { href: link("methods", service, name, { userId: id }) }, `${service}/${name}`)))))));

  /** The result of a method; what there is not is undefined. @param {string} method  @param {Record<string, unknown>} params */
  const look = async (method, params) => {
    if (!api.method(method)) return undefined;
    try {
      return await api.call(method, params);
    } catch (/** @type {any} */ error) {
      if (error.code === "not_found") return undefined;
      throw error;
    }
  };

  return {
    title: id,
    node,
    update: async () => {
      const byUser = { userId: id };
      const [[full, presence] = [id, {}]] = Object.entries(await api.call("user/getPresence", { userIds: [id] }));
      // The server adds the default realm to an id without one.
      if (full !== id) return location.replace(link("users", full));
      if (api.method("session/getEnded")) past.show((await api.call("session/getEnded", { ...byUser, limit: ENDED_MAX })).sessions);
      const [list, values, paths, ban, blocks, services, joined] = await Promise.all([
        api.call("user/getSessions", byUser),
        look("user/getAttributes", byUser),
        look("channel/getSubscriptions", byUser),
        banOf(api, id),
        look("user/getBlocked", byUser),
        look("service/getDisabled", byUser),
        look("user/getSessions", byUser).then((list) => roomsOf(look, list ?? [])),
      ]);
      known.sessions = list.length;
      unban.hidden = ban === undefined;
      state.textContent = ban ? "banned" : (presence.state ?? "unknown");
      state.dataset.state = ban ? "banned" : presence.state;
      facts.show([
        ["State", presence.state ?? "–"],
        ["Connected sessions", presence.devices ?? 0],
        ["Last seen", presence.last_seen === undefined ? "–" : moment(presence.last_seen)],
        ["Note", presence.note === undefined ? "–" : pretty(JSON.stringify(presence.note)).split("\n")],
        ["Ban", ban ? `${ban.until_ms === undefined ? "until unban" : `until ${moment(ban.until_ms)}`}${ban.reason ? `: ${ban.reason}` : ""}` : "none"],
      ]);
      sessions.show(list);
      attributes.show(Object.entries(values ?? {}));
      channels.show((paths ?? []).map((/** @type {string} */ path) => ({ text: path, href: link("channels", path) })));
      rooms.show(joined.map((text) => ({ text, href: link("games", text) })));
      blocked.show((blocks ?? []).map((/** @type {string} */ other) => ({ text: other, href: link("users", other) })));
      disabled.show((services ?? []).map((/** @type {string} */ name) => ({ text: name, href: link("services", name) })));
    },
  };
}

/**
 * The rooms of a user's sessions.
 * @param {(method: string, params: Record<string, unknown>) => Promise<any>} look
 * @param {{session: string}[]} sessions
 * @returns {Promise<string[]>}
 */
async function roomsOf(look, sessions) {
  const reports = await Promise.all(sessions.slice(0, SESSIONS_MAX).map(({ session }) => look("session/get", { session })));
  return [...new Set(reports.flatMap((report) => report?.rooms ?? []))].sort();
}

/** The ban of a user. @param {import("./api.js").Api} api  @param {string} id */
async function banOf(api, id) {
  const { bans } = await api.call("user/listBans", { limit: 2, after: before(id) });
  return Object.hasOwn(bans, id) ? bans[id] : undefined;
}
