/**
 * WebSocket with encoding v1: each message is one text frame of JSON.
 * @module
 */

import { parse } from "../binary.js";
import { pageLeaves, sayGoodbye } from "../goodbye.js";
import { LOST, NORMAL } from "./transport.js";

/** @import { Sent } from "../sent_log.js" */
/** @import { Target, Transport, TransportConnection, TransportHooks } from "./transport.js" */

/** WebSocket.OPEN */
const OPEN = 1;
const UNSUPPORTED = 1003;
/** Maximum time for the server's close frame. */
const GOODBYE_MS = 2000;

/** @implements {TransportConnection} */
export class WebSocketConnection {
  #target;
  /** @protected */
  hooks;
  /** @protected @type {any} */
  socket = null;
  /** @protected */
  closed = false;

  /**
   * @param {Target} target
   * @param {TransportHooks} hooks
   */
  constructor(target, hooks) {
    this.#target = target;
    this.hooks = hooks;
  }

  open() {
    this.connect([]);
  }

  /**
   * @protected
   * @param {string[]} protocols
   */
  connect(protocols) {
    const { url, WebSocket } = this.#target;
    try {
      this.socket = protocols.length > 0 ? new WebSocket(url, protocols) : new WebSocket(url);
    } catch (error) {
      this.end(LOST, String(error));
      return;
    }
    this.socket.onmessage = (/** @type {any} */ event) => {
      this.hooks.activity();
      this.receive(event.data);
    };
    // A close event with more information always follows.
    this.socket.onerror = () => {};
    this.socket.onclose = (/** @type {any} */ event) => this.end(event.code || LOST, event.reason || "");
  }

  get writable() {
    return this.socket?.readyState === OPEN;
  }

  get idle() {
    return true;
  }

  /**
   * @param {string} text
   * @param {Sent} [entry]
   */
  send(text, entry) {
    if (entry && this.writable) entry.sent = true;
    this.raw(text);
  }

  /** @param {string} text */
  raw(text) {
    if (!this.writable) return;
    this.hooks.traffic("out", "frame", text);
    this.socket.send(text);
  }

  /**
   * @param {number} code
   * @param {string} reason
   */
  close(code, reason) {
    this.closed = true;
    const socket = this.socket;
    if (!socket) return;
    socket.onmessage = null;
    socket.onclose = null;
    if (code === NORMAL) this.#goodbye(socket);
    try {
      // Browsers accept only 1000 and 3000 to 4999 here.
      if (code === 1000 || code >= 3000) socket.close(code, reason);
      else socket.close();
    } catch {
      // Already closed.
    }
  }

  /**
   * `bye` was sent. The server's close frame says that it arrived; otherwise, and
   * in a page that is being left, a request says goodbye.
   * @param {any} socket
   */
  #goodbye(socket) {
    const { session, unconfirmed = [] } = this.hooks.resume() ?? {};
    if (session === undefined) return;
    const open = [...unconfirmed];
    let over = false;
    const request = () => {
      if (!over) void sayGoodbye(this.#target, session, open);
      over = true;
    };
    if (pageLeaves() || socket.readyState !== OPEN) {
      request();
      return;
    }
    const { environment } = this.#target;
    const timer = environment.setTimeout(request, GOODBYE_MS);
    socket.onclose = (/** @type {any} */ { wasClean }) => {
      environment.clearTimeout(timer);
      if (!wasClean) request();
      over = true;
    };
  }

  /**
   * @protected
   * @param {any} data of a frame
   */
  receive(data) {
    if (typeof data !== "string") {
      this.close(UNSUPPORTED, "");
      this.hooks.closed(UNSUPPORTED, "the server sent a binary frame");
      return;
    }
    this.hooks.traffic("in", "frame", data);
    /** @type {any} */
    let message;
    try {
      message = parse(data);
    } catch {
      message = undefined;
    }
    this.hooks.message(message);
  }

  /**
   * @protected
   * @param {number} code
   * @param {string} reason
   */
  end(code, reason) {
    if (this.closed) return;
    this.closed = true;
    this.hooks.closed(code, reason);
  }
}

/** @type {Transport} */
export const websocket = {
  name: "websocket",
  push: true,
  createConnection: (target, hooks) => new WebSocketConnection(target, hooks),
};
