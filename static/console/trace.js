/** What passes between a session and its client, both ways, while it is traced. The server masks secrets. */

import { element, setText } from "./dom.js";
import { changeButton } from "./confirm.js";
import { bytes, moment, pretty } from "./format.js";
import { change } from "./route.js";

/** @typedef {{number: number, at_ms: number, direction: "in"|"out", bytes: number, text: string, truncated?: boolean}} Frame */

/** Frames that are shown; the oldest are removed. */
const FRAMES_MAX = 500;
const PREVIEW_MAX = 300;
/** How long a trace is, unless another time is entered. */
const TRACE_SECONDS = "60";

export class Trace {
  /**
   * @param {import("./api.js").Api} api
   * @param {string} session
   * @param {{traced: boolean, refresh: () => Promise<void>}} options  traced: whether there may be a trace already
   */
  constructor(api, session, { traced, refresh }) {
    this.api = api;
    this.session = session;
    /** Whether the server may have more. */
    this.isOn = traced;
    this.last = 0;
    this.words = "";
    this.state = element("p.small.muted", { role: "status", "data-testid": "trace-state" }, "Not traced.");
    this.list = element("ol.frames.trace", { tabindex: "0", "aria-label": "Messages, oldest first", "data-testid": "trace", hidden: true });
    const filter = /** @type {HTMLInputElement} */ (element("input", { type: "search", placeholder: "message contains …", "aria-label": "Messages that contain", "data-testid": "trace-filter" }));
    filter.addEventListener("input", () => {
      this.words = filter.value.trim().toLowerCase();
      for (const row of this.list.children) this.filter(/** @type {HTMLElement} */ (row));
    });
    const begun = async () => {
      this.isOn = true;
      change({ trace: "1" });
      await refresh();
    };
    this.begin = changeButton(api, "Trace", "begin-trace", "session/trace", () => ({
      given: { session }, title: `Trace session ${session}`, submit: "Trace",
      effect: "Shows each message between this session and its client here, for so many seconds; 0 ends that. Messages are private: the log has who traced which session.",
      texts: { seconds: TRACE_SECONDS },
      outcome: ({ until_ms }) => (until_ms > Date.now() ? `until ${moment(until_ms)}` : "ended"),
    }), begun);
    this.node = element("section.card.stack.full", {},
      element("div.row.spread", {}, element("h2", {}, "Live trace"), this.begin), this.state, filter, this.list);
  }

  /** Loads what came since. */
  async update() {
    if (!this.isOn) return;
    try {
      const trace = await this.api.call("session/getTrace", { session: this.session, ...(this.last > 0 ? { since: this.last } : {}) });
      // Another trace of the session begins at 1.
      if (trace.last < this.last) this.list.replaceChildren();
      this.last = trace.last;
      this.isOn = trace.on;
      this.state.textContent = `${trace.on ? `Traced until ${moment(trace.until_ms)}.` : `The trace ended at ${moment(trace.until_ms)}.`}${trace.complete ? "" : " Some messages are not retained any more."}`;
      this.append(trace.frames);
    } catch (/** @type {any} */ error) {
      if (error.code !== "not_found") throw error;
      this.isOn = false;
      this.state.textContent = "Not traced.";
    }
  }

  /** @param {Frame[]} frames */
  append(frames) {
    this.list.hidden = this.last === 0;
    const { scrollTop, scrollHeight, clientHeight } = this.list;
    const isAtEnd = scrollTop + clientHeight >= scrollHeight - 24;
    const rows = frames.map(rowOf);
    for (const row of rows) this.filter(row);
    this.list.append(...rows);
    while (this.list.children.length > FRAMES_MAX) this.list.firstElementChild?.remove();
    if (isAtEnd) this.list.scrollTop = this.list.scrollHeight;
  }

  /** @param {HTMLElement} row */
  filter(row) {
    row.hidden = !(row.textContent ?? "").toLowerCase().includes(this.words);
  }
}

/** @param {Frame} frame */
function rowOf({ at_ms, direction, bytes: size, text, truncated }) {
  const details = /** @type {HTMLDetailsElement} */ (element("details", {}, element("summary", {},
    element("span.arrow", { role: "img", "aria-label": direction === "in" ? "from the client" : "to the client" }, direction === "in" ? "↑" : "↓"),
    element("span.time", {}, new Date(at_ms).toISOString().slice(11, 23)),
    element("span.command", {}, command(text)),
    element("span.text", {}, text.slice(0, PREVIEW_MAX)),
    element("span.size", {}, bytes(size)))));
  details.addEventListener("toggle", () => {
    if (details.open && details.children.length === 1) {
      const whole = element("pre", { tabindex: "0" });
      setText(whole, (pretty(text) + (truncated ? " …" : "")).split("\n"));
      details.append(whole);
    }
  });
  return element("li.frame", { "data-direction": direction }, details);
}

/** The command of a message. @param {string} text */
function command(text) {
  try {
    return String(JSON.parse(text)?.command ?? "?");
  } catch {
    // It is cut, or could not be read.
    return /^\{"command": ?"(\w+)"/.exec(text)?.[1] ?? "?";
  }
}
