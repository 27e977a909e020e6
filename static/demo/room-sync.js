/**
 * Brings a newcomer of a room to the very state the others have.
 *
 * The room's order of actions is the only truth. A newcomer asks with
 * `{"sync": n}`; a member that is in step takes its snapshot at that place of
 * the order and answers `{"answer": n, "for": id, "state": S}`; the newcomer
 * restores S and replays what came after its question. Who is alone, or gets
 * no answer, says `{"seed": true, "state": S}`: S is the state at that very
 * place of the order, for everyone. No sockets, no DOM.
 *
 * ```text
 *   newcomer      room order       member
 *      | sync n  →  ..., sync n, a1, a2 ...
 *      |                         S = snapshot at "sync n"
 *      |  ← answer n, S, after a2
 *      restore S, replay a1, a2
 * ```
 */

/** How long an answer is waited for before the question is put again, ms. */
export const PATIENCE_MS = 1200;
/** Questions before the newcomer goes on with what it has. */
export const ATTEMPTS = 2;
/** Members answer one after the other, so that one answer is the rule, ms. */
export const TURN_MS = 250;

/**
 * @typedef {{timestamp: number, from: string, data: any, team?: string}} Action
 *
 * @typedef {object} SyncOptions
 * @property {string} self
 * @property {(data: object) => void} act  sends an action to the room
 * @property {(action: Action) => void} apply  an action in its place of the order
 * @property {() => any} snapshot
 * @property {(state: any) => void} restore
 * @property {() => string[]} others  ids of the other members that are connected
 * @property {() => void} [onSynced]
 * @property {boolean} [adoptSeeds]  whether a seed also counts for members in step (default true)
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
    /** Whether the state is that of the room's order. */
    this.synced = false;
    this.attempts = 0;
    this.question = 0;
    /** @type {Action[]|null} what came since our question; null before it came back */
    this.missed = null;
    this.timer = null;
    /** @type {Map<string, any>} answers that wait for our turn */
    this.answers = new Map();
  }

  /** Begins anew: at the first join and at each one after a lost session. */
  begin() {
    this.stop();
    this.synced = false;
    this.attempts = 0;
    if (this.options.others().length === 0) this.seed();
    else this.ask();
  }

  /** Forgets what is under way. */
  stop() {
    this.options.cancel(this.timer);
    this.timer = null;
    for (const timer of this.answers.values()) this.options.cancel(timer);
    this.answers.clear();
  }

  ask() {
    this.attempts += 1;
    this.question += 1;
    this.missed = null;
    this.options.act({ sync: this.question });
    this.timer = this.options.later(() => {
      if (this.synced) return;
      if (this.attempts < ATTEMPTS && this.options.others().length > 0) this.ask();
      else this.seed();
    }, PATIENCE_MS);
  }

  seed() {
    this.options.act({ seed: true, state: this.options.snapshot() });
  }

  /**
   * Takes the next action of the room's order.
   * @param {Action} action
   */
  take(action) {
    const data = action.data;
    if (typeof data !== "object" || data === null) return;
    if (data.sync !== undefined) this.asked(action);
    else if (data.seed === true) this.seeded(action);
    else if (data.answer !== undefined) this.answered(action);
    else if (this.synced) this.options.apply(action);
    else if (this.missed) this.missed.push(action);
  }

  asked({ from, data }) {
    if (from === this.options.self) {
      if (data.sync === this.question && !this.synced) this.missed = [];
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
      }, rank * TURN_MS),
    );
  }

  seeded({ data }) {
    if (this.synced && !this.options.adoptSeeds) return;
    this.options.restore(data.state);
    this.finish([]);
  }

  answered({ data }) {
    const key = `${data.for} ${data.answer}`;
    this.options.cancel(this.answers.get(key));
    this.answers.delete(key);
    if (data.for !== this.options.self || data.answer !== this.question) return;
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
