/**
 * Reads text/event-stream as the HTML standard says (section 9.2.6), for where
 * there is no EventSource. Bytes in, events out; no time, no network.
 * @module
 */

/** @typedef {{type: string, data: string, id: string}} StreamEvent */

export class EventStream {
  #decoder = new TextDecoder();
  #rest = "";
  #type = "";
  /** @type {string[]} */
  #data = [];
  #id = "";

  /**
   * @param {Uint8Array} bytes
   * @returns {StreamEvent[]} those that are complete now
   */
  push(bytes) {
    this.#rest += this.#decoder.decode(bytes, { stream: true });
    /** @type {StreamEvent[]} */
    const events = [];
    // A CR at the very end may be half of a CRLF.
    const end = this.#rest.endsWith("\r") ? this.#rest.length - 1 : this.#rest.length;
    const lines = this.#rest.slice(0, end).split(/\r\n|\n|\r/);
    this.#rest = (lines.pop() ?? "") + this.#rest.slice(end);
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
