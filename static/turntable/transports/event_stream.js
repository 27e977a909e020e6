/**
 * Parses text/event-stream (HTML standard, section 9.2.6) on platforms without
 * EventSource. Bytes in, events out; no timers, no network.
 * @module
 */

/** @typedef {{type: string, data: string, id: string}} StreamEvent */

export class EventStream {
  #decoder = new TextDecoder();
  #buffer = "";
  #type = "";
  /** @type {string[]} */
  #data = [];
  #id = "";

  /**
   * @param {Uint8Array} bytes
   * @returns {StreamEvent[]} the events that are now complete
   */
  push(bytes) {
    this.#buffer += this.#decoder.decode(bytes, { stream: true });
    /** @type {StreamEvent[]} */
    const events = [];
    // A trailing CR may be the first half of a CRLF.
    const end = this.#buffer.endsWith("\r") ? this.#buffer.length - 1 : this.#buffer.length;
    const lines = this.#buffer.slice(0, end).split(/\r\n|\n|\r/);
    this.#buffer = (lines.pop() ?? "") + this.#buffer.slice(end);
    for (const line of lines) {
      const event = this.#line(line);
      if (event) events.push(event);
    }
    return events;
  }

  /**
   * @param {string} line
   * @returns {StreamEvent | undefined}
   */
  #line(line) {
    if (line === "") {
      const event = { type: this.#type || "message", data: this.#data.join("\n"), id: this.#id };
      const empty = this.#data.length === 0;
      this.#type = "";
      this.#data = [];
      return empty ? undefined : event;
    }
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "data") this.#data.push(value);
    else if (field === "event") this.#type = value;
    else if (field === "id" && !value.includes("\0")) this.#id = value;
    return undefined;
  }
}
