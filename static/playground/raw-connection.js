/**
 * A connection without the automatic behaviour of the client library: it
 * reports all traffic, identifies and exchanges clock messages only if the
 * settings say so, and does not reconnect. It uses the library's transports.
 * (Programs use `connect` instead.)
 */

import { socketUrl } from "../turntable/address.js";
import { environment } from "../turntable/environment.js";
import { createTransports, platformOf } from "../turntable/transports/registry.js";
import { textAndSize } from "../turntable/transports/transport.js";

const CLOCK_MS = 10_000;
const SAMPLES = 8;

/**
 * @typedef {"idme"|"resume"|"none"} Identify
 * @typedef {{direction: "in"|"out", kind: string, text: string, bytes: number}} Traffic
 * @typedef {object} Options
 * @property {() => {user: string, identify: Identify, clock: boolean, heartbeat_ms: number}} settings
 * @property {(traffic: Traffic) => void} frame
 * @property {(state: string, note?: string) => void} state
 * @property {(text: string) => void} note
 * @property {() => void} clockChanged
 */

export class RawConnection {
  /** @param {Options} options */
  constructor(options) {
    this.options = options;
    /** @type {import("../turntable/transports/transport.js").TransportConnection|null} */
    this.connection = null;
    /** @type {import("../turntable/transports/transport.js").Transport|null} */
    this.transport = null;
    this.session = "";
    /** Messages received since the session's first welcome, for `resume`. */
    this.received = 0;
    this.welcomed = false;
    this.responded = false;
    this.samples = [];
    this.timer = 0;
  }

  /**
   * @param {string} url
   * @param {{transports: string[], encoding: string}} options
   */
  open(url, { transports, encoding }) {
    this.close();
    const platform = platformOf();
    this.welcomed = false;
    this.responded = false;
    this.samples = [];
    this.options.state("connecting");
    try {
      const [transport] = createTransports({ names: transports, encoding, poll: { heartbeat_ms: this.options.settings().heartbeat_ms }, platform });
      this.transport = transport;
      const connection = transport.createConnection({ url: socketUrl(url), environment: environment(), ...platform, alone: true }, this.hooks(() => connection === this.connection));
      this.connection = connection;
      connection.open();
    } catch (error) {
      this.connection = null;
      this.options.state("closed", error.message);
      return;
    }
    clearInterval(this.timer);
    this.timer = setInterval(() => this.syncClock(), CLOCK_MS);
  }

  /**
   * @param {() => boolean} isCurrent  whether the connection is still in use
   * @returns {import("../turntable/transports/transport.js").TransportHooks}
   */
  hooks(isCurrent) {
    const { options } = this;
    return {
      resume: () => (options.settings().identify === "resume" && this.session ? { session: this.session, received: this.received } : undefined),
      // The page does not repeat what was sent.
      taken: () => {},
      accepted: () => {},
      discarded: () => {},
      attempt: () => 0,
      stale: () => {},
      activity: () => isCurrent() && this.markResponse(),
      message: (message) => isCurrent() && this.receive(message),
      resumed: () => {
        if (!isCurrent()) return;
        this.welcomed = true;
        options.state("online", "resumed");
        this.syncClock();
      },
      expired: () => {
        if (!isCurrent()) return;
        this.session = "";
        options.note("The session has expired; a new one is started.");
      },
      parting: ({ code, message }) => isCurrent() && options.note(`The session ends: ${code}: ${message}`),
      refused: (_texts, { code, message }) => isCurrent() && options.note(`Refused: ${code}: ${message}`),
      closed: (code, reason) => {
        if (!isCurrent()) return;
        this.connection = null;
        clearInterval(this.timer);
        options.state("closed", `${code}${reason ? ` ${reason}` : ""}`);
      },
      traffic: (direction, kind, content, bytes) => {
        if (isCurrent()) options.frame({ direction, kind, ...textAndSize(content, bytes) });
      },
    };
  }

  close() {
    if (!this.connection) return;
    const { connection } = this;
    this.connection = null;
    clearInterval(this.timer);
    connection.close(1000, "");
    this.options.state("closed", "1000");
  }

  get isOpen() {
    return this.connection?.writable === true;
  }

  /**
   * Sends a message, given as JSON, in the transport's format.
   * @param {string} text
   */
  send(text) {
    if (!this.isOpen) return false;
    this.connection.send(text);
    return true;
  }

  /**
   * Sends a text unchanged, as a frame or as the body of a request.
   * @param {string} text
   */
  raw(text) {
    if (!this.isOpen) return false;
    this.connection.raw(text);
    return true;
  }

  /** Applies the polling interval of the settings. */
  heartbeat() {
    this.transport?.heartbeat?.(this.options.settings().heartbeat_ms);
  }

  markResponse() {
    if (this.responded) return;
    this.responded = true;
    if (!this.welcomed) this.options.state("open");
  }

  receive(message) {
    if (message?.command === "idyou") this.identify();
    else if (this.welcomed) this.received += 1;
    else if (message?.command === "welcome") this.welcome(message.data);
    if (message?.command === "time") this.receiveTime(message.data);
  }

  identify() {
    this.markResponse();
    const { user, identify } = this.options.settings();
    if (identify === "resume" && this.session) {
      this.send(JSON.stringify({ command: "resume", data: { session: this.session, received: this.received } }));
    } else if (identify !== "none") {
      this.send(JSON.stringify({ command: "idme", data: user }));
    }
  }

  welcome(data) {
    this.session = data?.session ?? "";
    if (!data?.resumed) this.received = 0;
    this.welcomed = true;
    this.options.state("online");
    this.syncClock();
  }

  syncClock() {
    if (!this.isOpen || !this.welcomed || !this.transport?.push || !this.options.settings().clock) return;
    this.send(JSON.stringify({ command: "time", data: { t0: performance.now(), received: this.received } }));
  }

  receiveTime({ t0, t1, t2 } = {}) {
    const t3 = performance.now();
    if (![t0, t1, t2].every(Number.isFinite) || t0 > t3) return;
    this.samples.push({ latency: t3 - t0 - (t2 - t1), offset: (t1 - t0 + (t2 - t3)) / 2 });
    if (this.samples.length > SAMPLES) this.samples.shift();
    this.options.clockChanged();
  }

  /** The exchange with the lowest latency, which is the most accurate; null before the first. */
  get best() {
    return this.samples.reduce((best, sample) => (best === null || sample.latency < best.latency ? sample : best), null);
  }
}
