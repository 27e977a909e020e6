/** One session: its connection, what waits for it, and what it is in. */

import { element } from "./dom.js";
import { changeButton } from "./confirm.js";
import { bytes, count, duration, milliseconds, moment, number } from "./format.js";
import { heading } from "./page.js";
import { link } from "./route.js";
import { endedTable, errorText, keyed, pastPart, timeline } from "./past.js";
import { Facts, Links } from "./table.js";
import { Trace } from "./trace.js";

/** Ended sessions among which one is looked for. */
const ENDED_MAX = 1000;

/** @param {import("./page.js").Page} page  @returns {import("./page.js").View} */
export function session({ api, route, refresh }) {
  const id = route.path[1];
  const known = { user: "its user", isOver: false };
  const events = timeline("session-events");
  const ended = endedTable("session-ended");
  const trace = api.method("session/getTrace") ? new Trace(api, id, { traced: route.query.trace === "1" && api.obstacle("session/getTrace") === undefined, refresh }) : undefined;
  const state = element("span.pill", { "data-testid": "session-state" }, "…");
  const about = new Facts("session-facts");
  const path = new Facts("session-path");
  const queue = new Facts("session-queue");
  const rooms = new Links("In no room.", "session-rooms");
  const channels = new Links("In no channel.", "session-channels");
  const provides = new Links("Provides no service.", "session-provides");
  const commands = new Links("No command.", "session-commands");
  const close = changeButton(api, "Close", "close-session", "session/close", () => ({
    given: { session: id }, title: `Close session ${id}`, submit: "Close", dangerous: true,
    effect: `Ends this session of ${known.user}. Its client gets the reason, and does not come back by itself; other sessions of the user stay.`,
  }), refresh);
  const part = (/** @type {string} */ title, /** @type {Node} */ node) => element("section.card.stack", {}, element("h2", {}, title), node);

  const now = element("div.cards", {}, part("Session", about.node), part("Connection", path.node), part("What waits for the client", queue.node),
    part("Rooms", rooms.node), part("Channels", channels.node), part("Services and last commands", element("div.stack", {}, provides.node, commands.node)));
  const over = element("section.card.stack.full", { hidden: true }, element("h2", {}, "Why it ended"), ended.node);

  /** What is known of it now; nothing once it is over. */
  const current = async () => {
    try {
      return await api.call("session/get", { session: id });
    } catch (/** @type {any} */ error) {
      if (error.code !== "not_found" || !api.method("session/getEnded")) throw error;
    }
    known.isOver = true;
    state.textContent = "ended";
    [now.hidden, close.hidden, over.hidden] = [true, true, false];
    const { sessions } = await api.call("session/getEnded", { limit: ENDED_MAX });
    ended.show(sessions.filter((/** @type {{session: string}} */ { session }) => session === id));
    return undefined;
  };

  const show = async () => {
    const report = await current();
    if (!report) return;
    const { round_trip: trip, queue: waits } = report;
    known.user = report.user || "a client without identity";
    state.textContent = report.state;
    about.show([
      ["User", known.user, report.user ? link("users", report.user) : undefined],
      ["Roles", report.roles.join(", ") || "none"],
      ["Since", moment(report.since_ms)],
      ["Last command", moment(report.active_ms)],
      ["Credentials", report.expires_in === undefined ? "do not expire" : `expire in ${duration(report.expires_in)}`],
      ["Errors", report.last_error ? `${number(report.errors)}, the last ${errorText(report.last_error)}` : number(report.errors ?? 0)],
      ["Watches", count(report.watching, "user")],
    ]);
    path.show([
      ["Transport", report.transport ?? (report.detached_ms === undefined ? "none" : `no connection since ${moment(report.detached_ms)}`)],
      ["Address", report.address ?? "–"],
      ["Worker", report.worker],
      ["Round trip", `ping ${milliseconds(trip.ping_ms)}, kernel ${milliseconds(trip.kernel_ms)}`],
      ["Received", `${count(report.received, "message")}, ${bytes(report.received_bytes)}`],
      ["Sent", count(report.sent, "message")],
    ]);
    queue.show([
      ["Waiting", `${count(waits.messages, "message")}, ${bytes(waits.bytes)} of ${bytes(waits.bytes_max)}`],
      ["Socket", waits.blocked ? "takes nothing now: a slow reader" : "takes what is written"],
      ["Retained for a resume", `${count(waits.retained, "message")}, ${bytes(waits.retained_bytes)}`],
      ["Changes", number(waits.changes)],
    ]);
    rooms.show(report.rooms.map((/** @type {string} */ text) => ({ text, href: link("games", text) })));
    channels.show(report.channels.map((/** @type {{channel: string, subpaths: boolean}} */ { channel, subpaths }) => ({ text: channel + (subpaths ? " and below" : ""), href: link("channels", channel) })));
    provides.show(report.provides.map((/** @type {string} */ text) => ({ text, href: link("services", text) })));
    commands.show(report.recent_commands.map((/** @type {string} */ text) => ({ text })));
  };

  return {
    title: `Session ${id}`,
    node: element("div.stack.wide", {}, heading(`Session ${id}`, state, close),
      element("div.cards", {}, over, pastPart(api, "session/getEvents", "What happened, in order", events)), now, trace?.node ?? ""),
    update: async () => {
      if (api.method("session/getEvents")) events.show(keyed(await api.call("session/getEvents", { session: id })));
      if (!known.isOver) await show();
      if (known.isOver && trace) trace.begin.hidden = true;
      await trace?.update();
    },
  };
}
