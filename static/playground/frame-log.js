/**
 * The list of sent and received frames, datagrams and entries: newest last, with
 * a filter, a pause and a maximum length. A row opens to show formatted JSON.
 */

import { element } from "../demo/dom.js";
import { commandName } from "../turntable/transports/msgpack.js";

/** Maximum number of rows; the oldest are removed. */
export const FRAMES_MAX = 500;
const PREVIEW_MAX = 300;

/** @typedef {{number: number, direction: "in"|"out"|"note", time: Date, kind: string, text: string, bytes: number, command: string}} Frame */

/**
 * Whether a frame matches the filter: it contains each word and no `-word`.
 * @param {{direction: string, text: string, command: string}} frame
 * @param {{words: string, direction: string, quiet: boolean}} filter
 */
export function passes(frame, { words, direction, quiet }) {
  if (direction !== "all" && frame.direction !== direction) return false;
  if (quiet && frame.command === "time") return false;
  const text = frame.text.toLowerCase();
  return words.toLowerCase().split(/\s+/).filter(Boolean).every((word) =>
    word.length > 1 && word.startsWith("-") ? !text.includes(word.slice(1)) : text.includes(word));
}

export class FrameLog {
  /**
   * @param {HTMLElement} list
   * @param {() => void} changed
   */
  constructor(list, changed) {
    this.list = list;
    this.changed = changed;
    /** @type {{frame: Frame, row: HTMLElement}[]} */
    this.entries = [];
    /** Frames recorded while paused. @type {Frame[]} */
    this.buffered = [];
    this.paused = false;
    this.filter = { words: "", direction: "all", quiet: false };
    this.count = 0;
    this.bytes = { in: 0, out: 0 };
  }

  /**
   * @param {"in"|"out"|"note"} direction
   * @param {string} text
   * @param {{kind?: string, bytes?: number}} [about]
   */
  add(direction, text, { kind = "frame", bytes = new TextEncoder().encode(text).length } = {}) {
    this.count += 1;
    if (direction !== "note") this.bytes[direction] += bytes;
    const command = direction === "note" ? "" : commandOf(direction, text);
    const frame = { number: this.count, direction, time: new Date(), kind, text, bytes: direction === "note" ? 0 : bytes, command };
    if (this.paused) {
      this.buffered.push(frame);
      if (this.buffered.length > FRAMES_MAX) this.buffered.shift();
    } else {
      this.append(frame);
    }
    this.changed();
  }

  append(frame) {
    const { scrollTop, scrollHeight, clientHeight } = this.list;
    const atEnd = scrollTop + clientHeight >= scrollHeight - 24;
    const row = rowOf(frame);
    row.hidden = !passes(frame, this.filter);
    this.entries.push({ frame, row });
    this.list.append(row);
    while (this.entries.length > FRAMES_MAX) this.entries.shift().row.remove();
    if (atEnd) this.list.scrollTop = this.list.scrollHeight;
  }

  pause(paused) {
    this.paused = paused;
    if (!paused) for (const frame of this.buffered.splice(0)) this.append(frame);
    this.changed();
  }

  clear() {
    this.entries = [];
    this.buffered = [];
    this.list.replaceChildren();
    this.changed();
  }

  setFilter(change) {
    this.filter = { ...this.filter, ...change };
    for (const { frame, row } of this.entries) row.hidden = !passes(frame, this.filter);
    this.changed();
  }

  /** The visible frames. */
  get shown() {
    return this.entries.filter(({ row }) => !row.hidden).map(({ frame }) => frame);
  }
}

/**
 * The command of a frame, datagram or entry; for several messages the first and
 * the number of others.
 * @param {"in"|"out"} direction
 * @param {string} text
 */
export function commandOf(direction, text) {
  /** @type {any} */
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    return "";
  }
  // v2: [number, data] or [number, data, id].
  if (Array.isArray(value) && typeof value[0] === "number") return commandName(direction, value[0]) ?? "";
  if (!Array.isArray(value)) return nameIn(value);
  if (value.length === 0) return "(empty)";
  return nameIn(value[0]) + (value.length > 1 ? ` +${value.length - 1}` : "");
}

/** @param {any} value  a message, a datagram or an entry */
function nameIn(value) {
  if (typeof value?.command === "string") return value.command;
  if (typeof value?.path === "string") {
    return value.path.startsWith("/channel/") ? "message" : (nameIn(value.data) || value.path);
  }
  if (typeof value?.f === "string") return value.f.replace(/^\$av:/, "");
  if (value?.error !== undefined) return "error";
  return value?.r === undefined ? "" : "answer";
}

const NAMES = { in: "received", out: "sent", note: "note" };

function rowOf(frame) {
  const time = frame.time.toISOString().slice(11, 23);
  if (frame.direction === "note") {
    return element("li.frame", { "data-direction": "note" }, element("p.note", {}, element("span.time", {}, time), frame.text));
  }
  const details = element("details", {}, element("summary", {},
    element("span.arrow", { role: "img", "aria-label": NAMES[frame.direction] }, frame.direction === "in" ? "↓" : "↑"),
    element("span.time", {}, time),
    element("span.command", {}, frame.command || "?"),
    element("span.text", {}, frame.text.slice(0, PREVIEW_MAX)),
    element("span.size", {}, `${frame.kind} · ${frame.bytes} B`)));
  details.addEventListener("toggle", () => {
    if (details.open && details.children.length === 1) details.append(element("pre", { tabindex: "0" }, formatted(frame.text)));
  });
  return element("li.frame", { "data-direction": frame.direction, "data-command": frame.command }, details);
}

function formatted(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
