/**
 * Looks for a better transport while another one is in use. At growing intervals
 * it probes each better transport, the best first. A probe is a connection of
 * its own without the session: `idyou` must arrive, a `time` must be answered,
 * and the connection must last, longer than those that were cut, so that an
 * intermediary that cuts connections early is noticed. Another `time` at the end
 * shows that it has not become silent. Then the session moves.
 *
 * The session moves to the probe itself where the client chooses the session in
 * a message (WebSocket). A stream names its session in its request, so it is
 * opened again.
 * @module
 */

/** @import { Environment } from "./environment.js" */
/** @import { Probe } from "./guarded_hooks.js" */
/** @import { StreamSlots } from "./stream_slots.js" */
/** @import { Transport, TransportConnection } from "./transports/transport.js" */

/**
 * @typedef {object} UpgradeHooks
 * @property {(transport: Transport, events: Probe) => TransportConnection} create
 * @property {() => boolean} idle whether the connection in use has no outgoing message pending
 * @property {(index: number) => number} life_ms how long connections over a transport worked that were cut
 * @property {(index: number) => boolean} rests whether a transport was cut so often that it is left for now
 * @property {(index: number, connection: TransportConnection | undefined) => void} move
 */

/** Interval between probes: initial and maximum. */
const INTERVAL_MS = 10_000;
const INTERVAL_MAX_MS = 300_000;
/** Time until a probe after a change of the network. */
const SOON_MS = 1000;
/** A probe must last this long, or this much longer than connections that were cut, up to a maximum. */
const LAST_MS = 3000;
const LAST_FACTOR = 1.5;
const LAST_MAX_MS = 8000;
/** More time for the answer, and until the connection in use is idle. */
const LIMIT_MS = 5000;
/** Interval between looks whether the connection in use is idle. */
const IDLE_MS = 50;
const MOVED = 4000;
/** The server closes connections that do not identify in time. */
const NOT_IDENTIFIED = 4001;

export class Upgrade {
  #options;
  #hooks;
  #env;
  /** @type {any} */
  #timer;
  #interval_ms = INTERVAL_MS;
  /** @type {TransportConnection | undefined} */
  #probe;
  /** Number of the series of probes; results of earlier ones are ignored. */
  #series = 0;

  /**
   * @param {{environment: Environment, transports: Transport[], streams: StreamSlots | undefined}} options
   * @param {UpgradeHooks} hooks
   */
  constructor(options, hooks) {
    this.#options = options;
    this.#env = options.environment;
    this.#hooks = hooks;
  }

  /**
   * Schedules the next probes.
   * @param {number} index of the transport in use
   * @param {number} [ms]
   */
  schedule(index, ms = this.#interval_ms) {
    this.cancel();
    if (index === 0) return;
    this.#timer = this.#env.setTimeout(() => {
      this.#interval_ms = Math.min(INTERVAL_MAX_MS, this.#interval_ms * 2);
      void this.#next(0, index, this.#series);
    }, ms);
  }

  /**
   * The session has begun, and moves to a transport that could not begin it, without a
   * probe: the server has answered over that transport.
   * @param {number} index of that transport
   */
  carry(index) {
    this.cancel();
    const series = this.#series;
    const move = async () => {
      const { transports, streams } = this.#options;
      const granted = !streams || !transports[index]?.stream || (await streams.claim());
      if (granted && series === this.#series) this.#hooks.move(index, undefined);
    };
    const check = () => {
      if (this.#hooks.idle()) void move();
      else this.#timer = this.#env.setTimeout(check, IDLE_MS);
    };
    this.#timer = this.#env.setTimeout(check, IDLE_MS);
  }

  /**
   * The network has changed: probes soon, and often again.
   * @param {number} index of the transport in use
   */
  soon(index) {
    this.reset();
    if (!this.#probe) this.schedule(index, SOON_MS);
  }

  /** The first transport works, or the network is another one. */
  reset() {
    this.#interval_ms = INTERVAL_MS;
  }

  /** Closes the probe and cancels the next one. */
  cancel() {
    this.#series += 1;
    this.#env.clearTimeout(this.#timer);
    const probe = this.#probe;
    this.#probe = undefined;
    probe?.close(MOVED, "");
  }

  /**
   * Probes the transports from `candidate` up to the one in use.
   * @param {number} candidate
   * @param {number} used
   * @param {number} series
   */
  async #next(candidate, used, series) {
    const { transports, streams } = this.#options;
    const current = transports[used];
    for (let index = candidate; index < used; index += 1) {
      const transport = transports[index];
      if (!transport?.push || this.#hooks.rests(index)) continue;
      if (streams && transport.stream && !current?.stream) {
        const granted = await streams.claim();
        if (series !== this.#series) return;
        if (!granted) continue;
      }
      this.#open(transport, index, used, series);
      return;
    }
    if (!current?.stream) streams?.release();
    this.schedule(used);
  }

  /**
   * @param {Transport} transport
   * @param {number} index
   * @param {number} used
   * @param {number} series
   */
  #open(transport, index, used, series) {
    const opened_at = this.#env.local();
    const last_ms = Math.min(LAST_MAX_MS, Math.max(LAST_MS, this.#hooks.life_ms(index) * LAST_FACTOR));
    const ask = () => probe.send(`{"command":"time","data":{"t0":${opened_at}}}`);
    /** How many exchanges were answered, and whether the last one was sent. */
    let answers = 0;
    let last_asked = false;
    /** Whether the probe lasted as long as the server lets it. */
    let over = false;
    const failed = () => {
      if (series !== this.#series || this.#probe !== probe) return;
      this.#env.clearTimeout(this.#timer);
      this.#probe = undefined;
      probe.close(MOVED, "");
      void this.#next(index + 1, used, series);
    };
    const check = () => {
      if (series !== this.#series || this.#probe !== probe) return;
      const lasted = this.#env.local() - opened_at;
      if (answers > 0 && !last_asked && !over && lasted >= last_ms) {
        last_asked = true;
        answers = 0;
        ask();
      }
      if (answers > 0 && (over || lasted >= last_ms) && this.#hooks.idle()) {
        this.#probe = undefined;
        this.cancel();
        if (transport.stream) probe.close(MOVED, "");
        this.#hooks.move(index, transport.stream || over ? undefined : probe);
      } else if (lasted >= last_ms + LIMIT_MS) failed();
      else this.#timer = this.#env.setTimeout(check, Math.max(IDLE_MS, last_ms - lasted));
    };
    const probe = this.#hooks.create(transport, {
      message: (message) => {
        if (message?.command === "idyou") ask();
        else if (message?.command === "time") answers += 1;
      },
      closed: (code) => {
        over = (answers > 0 || last_asked) && code === NOT_IDENTIFIED;
        answers = over ? 1 : answers;
        if (!over) failed();
      },
    });
    this.#probe = probe;
    this.#timer = this.#env.setTimeout(check, last_ms);
    probe.open();
  }
}
