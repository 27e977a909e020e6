/**
 * Channels that may have missed messages, which no later message shows. Each is joined
 * again from its position, one at a time: the connection is behind already, and the
 * answer comes when what waited before it has been read.
 * @module
 */

/** @import { Subscription } from "./channels.js" */
/** @import { Session } from "./session.js" */

export class ChannelChecks {
  #session;
  #ask;
  /** @type {Set<Subscription>} */
  #due = new Set();
  /** The one that is joined again. @type {Subscription | undefined} */
  #current;
  /** @type {any} */
  #timer;

  /**
   * @param {Session} session
   * @param {(subscription: Subscription) => void} ask joins again, or reports the gap
   */
  constructor(session, ask) {
    this.#session = session;
    this.#ask = ask;
  }

  /** @param {Subscription} subscription */
  add(subscription) {
    this.#due.add(subscription);
  }

  /** Goes on, if the last one was answered or left. */
  next() {
    const { environment } = this.#session;
    environment.clearTimeout(this.#timer);
    if (this.#current?.state.active && this.#current.holding.joining) return;
    this.#current = undefined;
    let wait_ms = Infinity;
    for (const subscription of this.#due) {
      // After a reconnection it goes on.
      if (!this.#session.online) return;
      const { state, holding } = subscription;
      const askable_in_ms = state.askable_in_ms(environment.local());
      // A join that is under way brings what is missing, and one that was left misses nothing.
      const is_needless = !state.active || state.stale;
      if (!is_needless && askable_in_ms > 0) {
        wait_ms = Math.min(wait_ms, askable_in_ms);
        continue;
      }
      this.#due.delete(subscription);
      if (is_needless) continue;
      this.#ask(subscription);
      if (!holding.joining) continue;
      this.#current = subscription;
      return;
    }
    if (wait_ms < Infinity) this.#timer = environment.setTimeout(() => this.next(), wait_ms);
  }

  /** A new session joins all channels, or none is left. */
  clear() {
    this.#session.environment.clearTimeout(this.#timer);
    this.#due.clear();
    this.#current = undefined;
  }
}
