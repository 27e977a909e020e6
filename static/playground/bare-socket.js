/**
 * A WebSocket to a turntable server that hides nothing: every frame is told,
 * and nothing is sent but what is asked for. It identifies itself and compares
 * clocks only where it is told to. (A program uses turntable.js instead.)
 */

const CLOCK_MS = 10_000;
const SAMPLES = 8;

/**
 * @typedef {"idme"|"resume"|"none"} Identify
 * @typedef {object} Options
 * @property {() => {user: string, identify: Identify, clock: boolean}} settings
 * @property {(direction: "in"|"out", text: string) => void} frame
 * @property {(state: string, note?: string) => void} state
 * @property {() => void} measured
 */

export class BareSocket {
  /** @param {Options} options */
  constructor(options) {
    this.options = options;
    /** @type {WebSocket|null} */
    this.socket = null;
    this.session = "";
    /** Messages of the session since its first welcome, as `resume` counts them. */
    this.received = 0;
    this.welcomed = false;
    this.samples = [];
    this.timer = 0;
  }

  /** @param {string} url */
  open(url) {
    this.close();
    let socket;
    try {
      socket = new WebSocket(url);
    } catch (error) {
      this.options.state("closed", error.message);
      return;
    }
    this.socket = socket;
    this.welcomed = false;
    this.samples = [];
    this.options.state("connecting");
    socket.addEventListener("open", () => this.options.state("open"));
    socket.addEventListener("message", ({ data }) => socket === this.socket && this.take(data));
    socket.addEventListener("close", ({ code, reason }) => {
      if (socket !== this.socket) return;
      this.socket = null;
      clearInterval(this.timer);
      this.options.state("closed", `${code}${reason ? ` ${reason}` : ""}`);
    });
    clearInterval(this.timer);
    this.timer = setInterval(() => this.measure(), CLOCK_MS);
  }

  close() {
    this.socket?.close(1000);
  }

  get isOpen() {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  /** Sends a text frame as it is. */
  send(text) {
    if (!this.isOpen) return false;
    this.socket.send(text);
    this.options.frame("out", text);
    return true;
  }

  take(data) {
    const text = typeof data === "string" ? data : "(a binary frame)";
    this.options.frame("in", text);
    let message;
    try {
      message = JSON.parse(text);
    } catch {
      return;
    }
    if (message?.command === "idyou") this.identify();
    else if (message?.command === "welcome") this.welcome(message.data);
    else if (this.welcomed) this.received += 1;
    if (message?.command === "time") this.compared(message.data);
  }

  identify() {
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
    if (!this.isOpen || !this.options.settings().clock) return;
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
