/**
 * Gives a new member of a room the same state as the other members.
 *
 * The room's order of actions defines the state. A new member sends
 * `{"sync": n}`. A synchronized member takes its snapshot S at that position of
 * the order and answers `{"answer": n, "for": id, "state": S}`. The new member
 * restores S and replays the actions after its request. A member that is alone,
 * or gets no answer, sends `{"seed": true, "state": S}`: S becomes the state at
 * that position for all members. No sockets, no DOM.
 *
 * ```text
 *   new member   room order       member
 *      | sync n  →  ..., sync n, a1, a2 ...
 *      |                         S = snapshot at "sync n"
 *      |  ← answer n, S, after a2
 *      restore S, replay a1, a2
 * ```
 */

/** Time to wait for an answer before the request is repeated, ms. */
export const ANSWER_TIMEOUT_MS = 1200;
/** Requests before the new member continues with its own state. */
export const ATTEMPTS = 2;
/** Delay between the answers of the members, so that usually only one is sent, ms. */
export const ANSWER_INTERVAL_MS = 250;

/**
 * @typedef {{timestamp: number, from: string, data: any, team?: string}} Action
 *
 * @typedef {object} SyncOptions
 * @property {string} self
 * @property {(data: object) => void} act  sends an action to the room
 * @property {(action: Action) => void} apply  applies an action in the room's order
 * @property {() => any} snapshot
 * @property {(state: any) => void} restore
 * @property {() => string[]} others  ids of the other connected members
 * @property {() => void} [onSynced]
 * @property {boolean} [adoptSeeds]  whether a synchronized member accepts a seed (default true)
 * @property {(run: () => void, ms: number) => any} [later]
 * @property {(timer: any) => void} [cancel]
 */

export class RoomSync {
  /** @param {SyncOptions} options */
  constructor(options) {
    this.options = {
      adoptSeeds: true,
      onSynced: () => {},
      later: (run, ms) => setTimeout(run, ms),
      cancel: (timer) => clearTimeout(timer),
      ...options,
    };
    /** Whether the local state is that of the room. */
    this.synced = false;
    this.attempts = 0;
    this.request_number = 0;
    /** @type {Action[]|null} actions after the own request; null before it was received */
    this.missed = null;
    this.timer = null;
    /** @type {Map<string, any>} timers of pending answers */
    this.answers = new Map();
  }

  /** Starts: at the first join and after each lost session. */
  begin() {
    this.stop();
    this.synced = false;
    this.attempts = 0;
    if (this.options.others().length === 0) this.seed();
    else this.request();
  }

  /** Cancels pending requests and answers. */
  stop() {
    this.options.cancel(this.timer);
    this.timer = null;
    for (const timer of this.answers.values()) this.options.cancel(timer);
    this.answers.clear();
  }

  request() {
    this.attempts += 1;
    this.request_number += 1;
    this.missed = null;
    this.options.act({ sync: this.request_number });
    this.timer = this.options.later(() => {
      if (this.synced) return;
      if (this.attempts < ATTEMPTS && this.options.others().length > 0) this.request();
      else this.seed();
    }, ANSWER_TIMEOUT_MS);
  }

  seed() {
    this.options.act({ seed: true, state: this.options.snapshot() });
  }

  /**
   * Processes the next action of the room's order.
   * @param {Action} action
   */
  receive(action) {
    const data = action.data;
    if (typeof data !== "object" || data === null) return;
    if (data.sync !== undefined) this.receiveRequest(action);
    else if (data.seed === true) this.receiveSeed(action);
    else if (data.answer !== undefined) this.receiveAnswer(action);
    else if (this.synced) this.options.apply(action);
    else if (this.missed) this.missed.push(action);
  }

  receiveRequest({ from, data }) {
    if (from === this.options.self) {
      if (data.sync === this.request_number && !this.synced) this.missed = [];
      return;
    }
    if (!this.synced) return;
    const key = `${from} ${data.sync}`;
    const state = this.options.snapshot();
    const members = this.options.others().filter((id) => id !== from);
    const rank = members.filter((id) => id < this.options.self).length;
    this.answers.set(
      key,
      this.options.later(() => {
        this.answers.delete(key);
        this.options.act({ answer: data.sync, for: from, state });
      }, rank * ANSWER_INTERVAL_MS),
    );
  }

  receiveSeed({ data }) {
    if (this.synced && !this.options.adoptSeeds) return;
    this.options.restore(data.state);
    this.finish([]);
  }

  receiveAnswer({ data }) {
    const key = `${data.for} ${data.answer}`;
    this.options.cancel(this.answers.get(key));
    this.answers.delete(key);
    if (data.for !== this.options.self || data.answer !== this.request_number) return;
    if (this.synced || !this.missed) return;
    this.options.restore(data.state);
    this.finish(this.missed);
  }

  /** @param {Action[]} missed */
  finish(missed) {
    const first = !this.synced;
    this.synced = true;
    this.missed = null;
    this.options.cancel(this.timer);
    for (const action of missed) this.options.apply(action);
    if (first) this.options.onSynced();
  }
}
