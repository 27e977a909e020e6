/** The past of sessions: what happened to one, in order, and why those ended that are over. */

import { element } from "./dom.js";
import { count, duration, milliseconds, moment, number } from "./format.js";
import { link } from "./route.js";
import { Table } from "./table.js";

/**
 * @typedef {{code: number, reason: string}} Close
 * @typedef {{at_ms: number, code: string, command?: string, message: string}} NotedError
 * @typedef {{method: string, by: string, reason?: string}} OperatorCall
 * @typedef {object} Ended
 * @property {string} session
 * @property {string} user
 * @property {number} at_ms
 * @property {number} since_ms
 * @property {number} duration_ms
 * @property {string} cause
 * @property {OperatorCall} [operator]
 * @property {Close} [close]
 * @property {Close} [dropped]
 * @property {boolean} [detached]
 * @property {string} [transport]
 * @property {string} [address]
 * @property {number} [round_trip_ms]
 * @property {NotedError} [last_error]
 * @property {number} received
 * @property {number} sent
 *
 * @typedef {object} Happened
 * @property {number} at_ms
 * @property {string} event
 * @property {string} [transport]
 * @property {string} [address]
 * @property {string} [room]
 * @property {string} [channel]
 * @property {Close} [close]
 * @property {string} [cause]
 * @property {OperatorCall} [operator]
 * @property {NotedError} [error]
 * @property {number} [repeated]
 */

/** Bytes of a message that the server retains, up to the last whole character. */
const MESSAGE_BYTES = 200;

/** Who or what ended a session. @type {Record<string, string>} */
const CAUSES = {
  client: "its client left, with bye",
  operator: "an operator ended it",
  portal: "its credentials expired or were withdrawn",
  replaced: "a newer session of the user took its place",
  expired: "it lost its connection, and was not resumed within session.resume_ms",
  lost: "its connection was lost, and it could not wait for another",
  overflow: "more waited for it without a connection than may",
  memory: "its memory was needed while it had no connection",
  resume: "its client came back, and had missed more than was retained",
  server: "the server ended it",
};

/** What a call of an operator does to a session. @type {Record<string, string>} */
const CALLS = {
  "user/kick": "kicked",
  "user/ban": "banned",
  "user/remove": "ended",
  "user/erase": "erased with its user",
  "session/close": "closed",
};

/** Who or what ended a session: an operator by its name. @param {{cause?: string, operator?: OperatorCall}} ended */
function causeText({ cause = "", operator }) {
  const text = Object.hasOwn(CAUSES, cause) ? CAUSES[cause] : cause;
  if (!operator) return text;
  const { method, by, reason } = operator;
  const did = Object.hasOwn(CALLS, method) ? `${CALLS[method]} by ${by}` : `its credentials were withdrawn by ${by}, with ${method}`;
  return reason ? `${did}: ${reason}` : did;
}

/** @param {Close} close */
function closeText({ code, reason }) {
  return `${code} ${reason}`;
}

/** @param {NotedError} error */
export function errorText({ code, command, message }) {
  const isCut = new TextEncoder().encode(message).length > MESSAGE_BYTES - 4;
  return `${code}${command ? ` to ${command}` : ""}: ${message}${isCut ? "…" : ""}`;
}

/** Why a session ended, in a sentence. @param {Ended} ended */
export function why({ cause, operator, close, dropped, detached, last_error: error }) {
  const parts = [causeText({ cause, operator })];
  if (close) parts.push(`closed with ${closeText(close)}`);
  if (detached) parts.push(dropped ? `the server had closed its connection with ${closeText(dropped)}` : "it had lost its connection before");
  if (error) parts.push(`its last error was ${errorText(error)}`);
  return parts.join("; ");
}

/** The sessions that are over, the last one first. @param {string} testid  @param {{user?: boolean}} [options]  user: whether it shows whose they were */
export function endedTable(testid, { user = true } = {}) {
  const who = /** @type {import("./table.js").Column<Ended>[]} */ (user ? [{ title: "User", class: "name", text: ({ user }) => user, href: ({ user }) => (user ? link("users", user) : undefined) }] : []);
  return new Table(/** @type {import("./table.js").Column<Ended>[]} */ ([
    { title: "Ended", text: ({ at_ms }) => moment(at_ms) },
    ...who,
    { title: "Why", class: "name wide", text: why },
    { title: "After", class: "number", text: ({ duration_ms }) => duration(duration_ms / 1000) },
    { title: "Connection", class: "name", text: ({ transport, address, round_trip_ms }) => [transport, address, round_trip_ms === undefined ? "" : milliseconds(round_trip_ms)].filter(Boolean).join(", ") },
    { title: "Received, sent", class: "number", text: ({ received, sent }) => `${number(received)}, ${number(sent)}` },
    { title: "Session", class: "name mono", text: ({ session }) => session, href: ({ session }) => link("sessions", session) },
  ]), { key: ({ session, at_ms }) => `${session} ${at_ms}`, empty: "No session that ended is remembered.", label: "Sessions that ended", testid });
}

/** What happened to a session, in order. @param {string} testid */
export function timeline(testid) {
  return new Table(/** @type {import("./table.js").Column<Happened & {key: string}>[]} */ ([
    { title: "Time", text: ({ at_ms }) => moment(at_ms) },
    { title: "What", text: ({ event }) => event },
    { title: "", class: "name wide", text: what, href: ({ room, channel }) => (room ? link("games", room) : channel ? link("channels", channel) : undefined) },
  ]), { key: ({ key }) => key, empty: "Nothing that happened is remembered.", label: "What happened", testid });
}

/** @param {Happened} happened */
function what({ event, transport, address, room, channel, close, cause, operator, error, repeated }) {
  switch (event) {
    case "began":
    case "resumed": return [transport, address].filter(Boolean).join(", ");
    case "dropped": return close ? `the server closed the connection with ${closeText(close)}` : "the connection was lost";
    case "joined":
    case "left": return room ?? channel ?? "";
    case "error": return (error ? errorText(error) : "") + (repeated ? `; the error before came ${count(repeated, "time")} more` : "");
    case "ended": return causeText({ cause, operator }) + (close ? `; closed with ${closeText(close)}` : "");
    default: return JSON.stringify({ transport, address, room, channel, close, cause, operator, error });
  }
}

/** Events with keys for a table. @param {Happened[]} events */
export function keyed(events) {
  return events.map((event, index) => ({ ...event, key: `${event.at_ms} ${event.event} ${index}` }));
}

/** A part of a view that is there where the server has a method. @param {import("./api.js").Api} api  @param {string} method  @param {string} title  @param {Table<any>} table */
export function pastPart(api, method, title, table) {
  return api.method(method) ? element("section.card.stack.full", {}, element("h2", {}, title), table.node) : undefined;
}
