/**
 * A place on the server that several holders of one client share: the seat in a
 * room, or the subscription of a channel. The server has one per session.
 *
 * Each `acquire` sends its own join and gets the outcome of that join. A success is
 * a holder, an object of its own, which can release once. The place is given up
 * when its last holder has released it. Joins and leaves of one place
 * are answered in the order in which they are sent, so the place is what the last
 * answer says. A join whose outcome is unknown (no answer in time) and that
 * nobody waits for is followed by a leave.
 *
 * A lost connection changes nothing here: the session repeats what the server did
 * not take. A new session has no place; the library then joins again.
 * @module
 */

import { TurntableError, passes, retryMs } from "./error.js";
import { INTERRUPTED } from "./requests.js";

/** @import { Session } from "./session.js" */

/**
 * @typedef {object} Caller a join that is not answered yet
 * @property {any} options
 * @property {boolean} sent
 * @property {() => boolean} withdraw takes the command back, unless it has left; returns whether it did
 * @property {boolean} aborted
 * @property {(holder: any) => void} resolve makes it a holder
 * @property {(error: any) => void} reject
 */

/**
 * @template Holder
 * @typedef {object} HoldingHooks
 * @property {string} join the command
 * @property {string} leave the command
 * @property {any} place the data of `leave`
 * @property {(options: any, again: boolean) => any} data of a join; `again`: after a new session
 * @property {(options: any) => Holder} acquired a join succeeded; returns its holder, with which
 *   `acquire` resolves
 * @property {(holder: Holder, last: boolean) => void} released a holder has released the place
 * @property {() => void} unused neither a holder nor a join is left
 * @property {(error: TurntableError) => void} refused the join after a new session was refused
 * @property {(error: TurntableError) => void} [unchanged] a join again in the same session was refused: the
 *   server still has the place
 */

/** Errors after which the server may or may not have the place. */
const UNCERTAIN = new Set(["timeout", "unavailable", "internal"]);
/** Errors of a leave that say that there is nothing to leave. */
const GONE = new Set(["not_member", "not_found"]);

/** @template Holder */
export class Holding {
  #session;
  #hooks;
  /** In the order of their joins, each with what takes its listener from its signal. @type {Map<Holder, () => void>} */
  #holders = new Map();
  /** @type {Set<Caller>} */
  #callers = new Set();
  /** Whether the server has the place, or may have it. */
  #placed = false;
  /** Leaves that wait for a connection, or for the join of a new session. @type {(() => void)[]} */
  #leavers = [];
  /** The leave without an answer. @type {{withdraw: () => boolean, resolve: () => void} | undefined} */
  #leaving;
  /** Whether the join of a new session was not sent yet. */
  #rejoin_due = false;
  #rejoining = false;
  /** Whether that join is one again, in the session that has the place. */
  #again = false;
  /** @type {any} */
  #timer;

  /**
   * @param {Session} session
   * @param {HoldingHooks<Holder>} hooks
   */
  constructor(session, hooks) {
    this.#session = session;
    this.#hooks = hooks;
  }

  /** Whether the answer to a join is awaited. */
  get joining() {
    return this.#rejoining || this.#callers.size > 0;
  }

  /** The options of the joins whose answers are awaited. */
  get requested() {
    return [...this.#callers].map(({ options }) => options);
  }

  /** The holders, in the order of their joins. */
  get holders() {
    return [...this.#holders.keys()];
  }

  /**
   * Joins for one more holder.
   * @param {{signal?: AbortSignal} & Record<string, any>} options
   * @returns {Promise<Holder>} rejects with the TurntableError of this join, or with the signal's reason
   */
  acquire({ signal, ...options }) {
    if (this.#session.closed) return Promise.reject(new TurntableError("unavailable", "the client is closed", { command: this.#hooks.join }));
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      const settle = (/** @type {() => void} */ then) => {
        signal?.removeEventListener("abort", abort);
        then();
      };
      /** @type {Caller} */
      const caller = {
        options,
        sent: false,
        withdraw: () => true,
        aborted: false,
        resolve: (holder) => {
          // From now on the signal releases what was acquired.
          const release = () => void this.release(holder).catch(() => {});
          signal?.addEventListener("abort", release, { once: true });
          this.#holders.set(holder, () => signal?.removeEventListener("abort", release));
          settle(() => resolve(holder));
        },
        reject: (error) => settle(() => reject(error)),
      };
      const abort = () => {
        caller.aborted = true;
        if (!caller.sent || caller.withdraw()) this.#callers.delete(caller);
        reject(signal?.reason);
        this.#settle();
      };
      signal?.addEventListener("abort", abort, { once: true });
      this.#callers.add(caller);
      if (!this.#session.online) return;
      this.#stay();
      this.#join(caller);
    });
  }

  /**
   * The server has given the session the place by itself: one more holder, without a join.
   * @param {any} options
   * @returns {Holder}
   */
  adopt(options) {
    this.#placed = true;
    const holder = this.#hooks.acquired(options);
    this.#holders.set(holder, () => {});
    return holder;
  }

  /**
   * What the server gave by itself ended with its session: this holder does not join again.
   * @param {Holder} holder
   */
  disown(holder) {
    this.#holders.delete(holder);
  }

  /**
   * One holder less; the last one leaves. A holder that has released the place, or
   * that it was taken from, releases nothing.
   * @param {Holder} holder
   * @returns {Promise<void>}
   */
  async release(holder) {
    this.#holders.get(holder)?.();
    if (!this.#holders.delete(holder)) return;
    const last = this.#holders.size === 0;
    if (last) this.#rejoin_due = false;
    this.#hooks.released(holder, last);
    if (!last) return;
    // The outcome of a pending join decides.
    if (this.#callers.size === 0) await this.#leave();
  }

  /** The server has ended the place: nobody holds it any more. */
  ended() {
    this.#clear();
    this.#placed = false;
    this.#rejoin_due = false;
    this.#session.environment.clearTimeout(this.#timer);
    if (this.#callers.size === 0) this.#hooks.unused();
  }

  /**
   * After a welcome.
   * @param {boolean} resumed
   */
  restore(resumed) {
    if (!resumed) {
      // The new session has no place.
      this.#session.environment.clearTimeout(this.#timer);
      this.#placed = false;
      this.#again = false;
      this.#rejoin_due = this.#holders.size > 0;
      for (const caller of [...this.#callers]) if (caller.aborted) this.#callers.delete(caller);
      // What was queued for the place in the lost session has no place in this one.
      if (this.#leavers.length > 0 && !this.#wanted) this.#session.discard(this.#hooks.place.channel);
    }
    if (this.#rejoin_due) this.#rejoin();
    for (const caller of [...this.#callers]) if (!caller.sent) this.#join(caller);
    this.#leaveAfterAll();
  }

  /**
   * Joins again in the same session, for what was missed.
   * @returns {boolean} whether it does
   */
  again() {
    if (!this.#placed || this.#rejoining || this.#rejoin_due || this.#leaving || this.#holders.size === 0 || !this.#session.online) return false;
    this.#again = true;
    this.#rejoin();
    return true;
  }

  /**
   * The client was closed.
   * @param {TurntableError} error
   */
  close(error) {
    this.#clear();
    this.#placed = false;
    this.#rejoin_due = false;
    this.#session.environment.clearTimeout(this.#timer);
    for (const { reject } of this.#callers) reject(error);
    this.#callers.clear();
    for (const resolve of this.#leavers.splice(0)) resolve();
  }

  #clear() {
    for (const forget of this.#holders.values()) forget();
    this.#holders.clear();
  }

  /** Whether somebody holds the place or waits for it. */
  get #wanted() {
    return this.#holders.size > 0 || this.#callers.size > 0;
  }

  /** A leave that was not sent yet is withdrawn: somebody joins. */
  #stay() {
    const { withdraw, resolve } = this.#leaving ?? {};
    if (!withdraw?.()) return;
    this.#leaving = undefined;
    this.#placed = true;
    resolve?.();
  }

  /** Carries out the leaves that had to wait, unless somebody joins: then the place stays. */
  #leaveAfterAll() {
    const leavers = this.#leavers.splice(0);
    const left = () => leavers.forEach((resolve) => resolve());
    if (leavers.length === 0) this.#settle();
    else if (this.#wanted) left();
    else void this.#leave().catch(() => {}).then(left);
  }

  /** @param {Caller} caller */
  #join(caller) {
    caller.sent = true;
    caller.withdraw = this.#ask(this.#hooks.join, () => this.#hooks.data(caller.options, false), (error) => {
      this.#callers.delete(caller);
      if (!error || UNCERTAIN.has(error.code)) this.#placed = true;
      if (caller.aborted) {
        this.#settle();
      } else if (error) {
        caller.reject(error);
        this.#settle();
      } else {
        caller.resolve(this.#hooks.acquired(caller.options));
      }
    }, () => {
      caller.sent = false;
    });
  }

  /** Joins in a new session, or again in this one, for all holders. */
  #rejoin() {
    this.#rejoin_due = false;
    this.#rejoining = true;
    this.#ask(this.#hooks.join, () => this.#hooks.data({}, true), (error) => {
      this.#rejoining = false;
      if (!error || UNCERTAIN.has(error.code)) this.#placed = true;
      if (this.#holders.size === 0) this.#leaveAfterAll();
      else if (error && passes(error)) this.#later(error, () => this.#rejoin());
      else this.#rejoined(error);
    }, () => {
      this.#rejoining = false;
      this.#rejoin_due = this.#holders.size > 0;
    });
  }

  /** @param {TurntableError | undefined} error of the join for all holders */
  #rejoined(error) {
    const again = this.#again;
    this.#again = false;
    if (error && again) this.#hooks.unchanged?.(error);
    else if (error) this.#hooks.refused(error);
  }

  /**
   * Sends a command. Its outcome is processed before the next message.
   * @param {string} command
   * @param {() => any} data
   * @param {(error: TurntableError | undefined) => void} done
   * @param {() => void} interrupted the server did not carry it out, or its session is lost
   * @param {string} [behind] the channel whose queued commands are sent first
   * @returns {() => boolean} withdraws the command, unless it was sent
   */
  #ask(command, data, done, interrupted, behind) {
    return this.#session.ask(command, data(), { interruptible: true, behind }, (error) => {
      if (error === INTERRUPTED) interrupted();
      else if (!this.#session.closed) done(error);
    });
  }

  /**
   * @param {TurntableError} error
   * @param {() => void} then
   */
  #later(error, then) {
    this.#session.environment.clearTimeout(this.#timer);
    this.#timer = this.#session.environment.setTimeout(() => {
      if (this.#session.online) then();
      else this.#rejoin_due = this.#holders.size > 0;
    }, retryMs(error));
  }

  /** Leaves if the server may have a place that nobody holds and nobody waits for. */
  #settle() {
    if (this.#wanted || this.#rejoining || this.#leaving) return;
    if (this.#placed && this.#session.online) void this.#leave().catch(() => {});
    else if (!this.#placed) this.#hooks.unused();
  }

  /** @returns {Promise<void>} */
  #leave() {
    if (this.#session.closed) return Promise.resolve();
    // The join of a new session decides whether there is a place.
    if (this.#rejoining || (this.#placed && !this.#session.online)) return new Promise((resolve) => void this.#leavers.push(resolve));
    if (!this.#placed) {
      this.#settle();
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      this.#placed = false;
      /** @type {{withdraw: () => boolean, resolve: () => void}} */
      const leaving = { withdraw: () => false, resolve: () => resolve() };
      const over = () => {
        if (this.#leaving === leaving) this.#leaving = undefined;
      };
      this.#leaving = leaving;
      leaving.withdraw = this.#ask(this.#hooks.leave, () => this.#hooks.place, (error) => {
        over();
        if (error && !GONE.has(error.code)) {
          this.#placed = true;
          this.#later(error, () => this.#settle());
          reject(error);
          return;
        }
        resolve();
        this.#settle();
      }, () => {
        over();
        this.#placed = true;
        this.#leavers.push(resolve);
      }, this.#hooks.place.channel);
    });
  }
}
