/**
 * A line to a turntable server that hides nothing: everything that travels is
 * told, and nothing is sent but what is asked for. It identifies itself and
 * compares clocks only where it is told to, and never comes back by itself. The
 * doors are those of turntable.js. (A program uses `connect` instead.)
 */

import { socketUrl } from "../turntable/address.js";
import { createTransports, platformOf } from "../turntable/transports/registry.js";
import { textAndSize } from "../turntable/transports/transport.js";
import { environment } from "../turntable/environment.js";

const CLOCK_MS = 10_000;
const SAMPLES = 8;

/**
 * @typedef {"idme"|"resume"|"none"} Identify
 * @typedef {{direction: "in"|"out", kind: string, text: string, bytes: number}} Travelled
 * @typedef {object} Options
 * @property {() => {user: string, identify: Identify, clock: boolean, heartbeat_ms: number}} settings
 * @property {(travelled: Travelled) => void} frame
 * @property {(state: string, note?: string) => void} state
 * @property {(text: string) => void} note
 * @property {() => void} measured
 */

export class BareLine {
  /** @param {Options} options */
  constructor(options) {
    this.options = options;
    /** @type {import("../turntable/transports/transport.js").TransportConnection|null} */
    this.connection = null;
    /** @type {import("../turntable/transports/transport.js").Transport|null} */
    this.door = null;
    this.session = "";
    /** Messages of the session since its first welcome, as `resume` counts them. */
    this.received = 0;
    this.welcomed = false;
    this.greeted = false;
    this.samples = [];
    this.timer = 0;
  }

  /**
   * @param {string} url
   * @param {{transports: string[], encoding: string}} way
   */
  open(url, { transports, encoding }) {
    this.close();
    const platform = platformOf();
    this.welcomed = false;
    this.greeted = false;
    this.samples = [];
    this.options.state("connecting");
    try {
      const [door] = createTransports({ names: transports, encoding, poll: { heartbeat_ms: this.options.settings().heartbeat_ms }, platform });
      this.door = door;
      const connection = door.createConnection({ url: socketUrl(url), environment: environment(), ...platform }, this.hooks(() => connection === this.connection));
      this.connection = connection;
      connection.open();
    } catch (error) {
      this.connection = null;
      this.options.state("closed", error.message);
      return;
    }
    clearInterval(this.timer);
    this.timer = setInterval(() => this.measure(), CLOCK_MS);
  }

  /**
   * @param {() => boolean} used  whether the connection is still the one in use
   * @returns {import("../turntable/transports/transport.js").TransportHooks}
   */
  hooks(used) {
    const { options } = this;
    return {
      resume: () => (options.settings().identify === "resume" && this.session ? { session: this.session, received: this.received } : undefined),
      activity: () => used() && this.greet(),
      message: (message) => used() && this.take(message),
      resumed: () => {
        if (!used()) return;
        this.welcomed = true;
        options.state("online", "resumed");
        this.measure();
      },
      expired: () => {
        if (!used()) return;
        this.session = "";
        options.note("The session is gone; a new one is begun.");
      },
      refused: (_texts, { code, message }) => used() && options.note(`Not taken: ${code}: ${message}`),
      closed: (code, reason) => {
        if (!used()) return;
        this.connection = null;
        clearInterval(this.timer);
        options.state("closed", `${code}${reason ? ` ${reason}` : ""}`);
      },
      traffic: (direction, kind, what, bytes) => {
        if (used()) options.frame({ direction, kind, ...textAndSize(what, bytes) });
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
   * Sends a message, given as JSON, as the door has it.
   * @param {string} text
   */
  send(text) {
    if (!this.isOpen) return false;
    this.connection.send(text);
    return true;
  }

  /**
   * Sends a text as it is: a frame, or the body of a request.
   * @param {string} text
   */
  raw(text) {
    if (!this.isOpen) return false;
    this.connection.raw(text);
    return true;
  }

  /** Sets how often the poll asks by itself. */
  heartbeat() {
    this.door?.heartbeat?.(this.options.settings().heartbeat_ms);
  }

  greet() {
    if (this.greeted) return;
    this.greeted = true;
    if (!this.welcomed) this.options.state("open");
  }

  take(message) {
    if (message?.command === "idyou") this.identify();
    else if (message?.command === "welcome") this.welcome(message.data);
    else if (this.welcomed) this.received += 1;
    if (message?.command === "time") this.compared(message.data);
  }

  identify() {
    this.greet();
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
    this.measure();
  }

  measure() {
    if (!this.isOpen || !this.welcomed || !this.door?.push || !this.options.settings().clock) return;
    this.send(JSON.stringify({ command: "time", data: { t0: performance.now(), received: this.received } }));
  }

  compared({ t0, t1, t2 } = {}) {
    const t3 = performance.now();
    if (![t0, t1, t2].every(Number.isFinite) || t0 > t3) return;
    this.samples.push({ latency: t3 - t0 - (t2 - t1), offset: (t1 - t0 + (t2 - t3)) / 2 });
    if (this.samples.length > SAMPLES) this.samples.shift();
    this.options.measured();
  }

  /** The exchange with the shortest way, which tells the clock best; null before the first. */
  get best() {
    return this.samples.reduce((best, sample) => (best === null || sample.latency < best.latency ? sample : best), null);
  }
}
