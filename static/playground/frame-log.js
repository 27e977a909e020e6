/**
 * The list of frames: newest at the end, filtered, paused, bounded. A row
 * opens to show the message laid out.
 */

import { element } from "../demo/element.js";

/** Rows kept; the oldest go. */
export const FRAMES_MAX = 500;
const PREVIEW_MAX = 300;

/** @typedef {{number: number, direction: "in"|"out"|"note", time: Date, text: string, bytes: number, command: string}} Frame */

/**
 * Whether a frame passes the filter: each word must be found, `-word` must not.
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
    /** What came while paused. @type {Frame[]} */
    this.held = [];
    this.paused = false;
    this.filter = { words: "", direction: "all", quiet: false };
    this.count = 0;
    this.bytes = { in: 0, out: 0 };
  }

  /**
   * @param {"in"|"out"|"note"} direction
   * @param {string} text
   */
  add(direction, text) {
    this.count += 1;
    const bytes = direction === "note" ? 0 : new TextEncoder().encode(text).length;
    if (direction !== "note") this.bytes[direction] += bytes;
    const frame = { number: this.count, direction, time: new Date(), text, bytes, command: direction === "note" ? "" : commandOf(text) };
    if (this.paused) {
      this.held.push(frame);
      if (this.held.length > FRAMES_MAX) this.held.shift();
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
    if (!paused) for (const frame of this.held.splice(0)) this.append(frame);
    this.changed();
  }

  clear() {
    this.entries = [];
    this.held = [];
    this.list.replaceChildren();
    this.changed();
  }

  setFilter(change) {
    this.filter = { ...this.filter, ...change };
    for (const { frame, row } of this.entries) row.hidden = !passes(frame, this.filter);
    this.changed();
  }

  /** Frames that are shown. */
  get shown() {
    return this.entries.filter(({ row }) => !row.hidden).map(({ frame }) => frame);
  }
}

function commandOf(text) {
  try {
    const { command } = JSON.parse(text);
    return typeof command === "string" ? command : "";
  } catch {
    return "";
  }
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
    element("span.size", {}, `${frame.bytes} B`)));
  details.addEventListener("toggle", () => {
    if (details.open && details.children.length === 1) details.append(element("pre", { tabindex: "0" }, laidOut(frame.text)));
  });
  return element("li.frame", { "data-direction": frame.direction, "data-command": frame.command }, details);
}

function laidOut(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
