/**
 * The commands of a session, from the call to the answer: queued (`Outbox`), sent,
 * counted and repeated (`Uplink`), and answered (`Requests`).
 * @module
 */

import { notJson, opaque, stringify } from "./binary.js";
import { TurntableError } from "./error.js";
import { Outbox } from "./outbox.js";
import { Requests } from "./requests.js";
import { Uplink } from "./uplink.js";

/** @import { Environment } from "./environment.js" */
/** @import { Message } from "./outbox.js" */
/** @import { Sent } from "./sent_log.js" */

/**
 * @typedef {object} CommandHooks
 * @property {() => boolean} online whether a command written now can reach the server
 * @property {(text: string, entry?: Sent) => void} write
 * @property {() => number} envelope how many bytes the connection adds to a message
 * @property {(text: string) => number} bytesOf how many bytes a message has in the encoding of the connection
 * @property {() => number} received messages since the session's first welcome
 * @property {(error: TurntableError) => void} error an error that belongs to no request
 * @property {() => void} sent a command was sent
 */

export class Commands {
  #hooks;
  #outbox;
  #requests;
  #uplink;
  #last_id = 0;

  /** @protected @type {Environment} */
  env;
  closed = false;
  /** Whether what was not sent is being dropped, because the client is closed. */
  ending = false;

  /**
   * @param {{environment: Environment, timeout_ms: number, queue_max: number}} options
   * @param {CommandHooks} hooks
   */
  constructor({ environment, timeout_ms, queue_max }, hooks) {
    this.env = environment;
    this.#hooks = hooks;
    this.#requests = new Requests(environment, timeout_ms);
    this.#uplink = new Uplink({ write: (text, entry) => hooks.write(text, entry) }, () => this.#confirm(), () => environment.local());
    this.#outbox = new Outbox(queue_max, environment, {
      online: () => hooks.online(),
      write: (message) => this.#write(message),
      repeat: (entry) => {
        this.#requests.sent(entry.id);
        this.#uplink.repeat(entry);
      },
      envelope: () => hooks.envelope(),
      bytesOf: (text) => hooks.bytesOf(text),
      load: () => this.#uplink.log.load,
      confirm: () => this.#uplink.confirm(),
      dropped: ({ id }, error) => {
        if (!this.#requests.drop(id, error)) hooks.error(error);
      },
    });
  }

  /** The last id of a command. @protected */
  get last_id() {
    return this.#last_id;
  }

  /** Which commands were sent and not confirmed. @protected */
  get log() {
    return this.#uplink.log;
  }

  /**
   * Sends a command and waits for its answer. While offline the command is
   * queued, unless it is `interruptible`: then it may be sent only while online,
   * a lost session rejects it with INTERRUPTED, and the caller sends it again.
   * @param {string} command
   * @param {any} data
   * @param {{interruptible?: boolean}} [options]
   * @returns {Promise<any>}
   */
  request(command, data, options = {}) {
    return new Promise((resolve, reject) => {
      this.ask(command, data, options, (error, answer) => (error ? reject(error) : resolve(answer)));
    });
  }

  /**
   * Like `request`; `done` is called at once when the outcome is known, before
   * later messages are processed.
   * @param {string} command
   * @param {any} data
   * @param {{interruptible?: boolean, behind?: string}} options behind: a channel whose queued
   *   commands are sent first
   * @param {(error: any, answer: any) => void} done
   * @returns {() => boolean} withdraws the command, unless it was sent; returns whether it did
   */
  ask(command, data, { interruptible = false, behind }, done) {
    const id = this.#nextId();
    /** @type {string} */
    let text;
    try {
      text = this.#prepare(command, data, id, interruptible);
    } catch (error) {
      done(error, undefined);
      return () => false;
    }
    const outcome = (/** @type {any} */ error, /** @type {any} */ answer) => {
      done(error, answer);
      // Commands may have waited for this answer.
      if (interruptible && this.#outbox.waiting) queueMicrotask(() => this.#outbox.flush());
    };
    this.#requests.add(id, { command, data, interruptible, resolve: (answer) => outcome(undefined, answer), reject: (error) => outcome(error, undefined) });
    this.#outbox.send({ command, data, text, id, repeatable: interruptible, behind });
    return () => {
      if (!this.#outbox.withdraw(id)) return false;
      this.#requests.take(id);
      return true;
    };
  }

  /**
   * Sends a command without waiting for an answer. Throws a TurntableError if
   * the command can be neither sent nor queued.
   * @param {string} command
   * @param {any} data
   * @param {(error: TurntableError) => void} [refused] called if the server refuses the command,
   *   or if it is dropped
   * @param {{expires_ms?: number, merge?: string}} [options] expires_ms: maximum time in the queue;
   *   merge: a later command with this key replaces it in the queue
   */
  send(command, data, refused, options = {}) {
    const id = refused ? this.#nextId() : undefined;
    const text = this.#prepare(command, data, id, false, options.merge);
    if (id !== undefined && refused) this.#requests.watch(id, refused);
    this.#outbox.send({ command, data, text, id, ...options });
  }

  /**
   * Whether a command would be sent at once.
   * @param {string} command
   * @param {any} data
   * @returns {boolean}
   */
  immediate(command, data) {
    return this.#outbox.immediate(command, data);
  }

  /** @param {(message: Message) => boolean} isDeferred whether a command has to wait for an answer */
  deferBy(isDeferred) {
    this.#outbox.isDeferred = isDeferred;
  }

  /**
   * @protected
   * @param {any} id
   * @returns {string | undefined} the command whose answer with this id is awaited
   */
  requested(id) {
    return this.#requests.commandOf(id);
  }

  /**
   * Drops the queued commands of a channel that the session has left.
   * @param {string} channel
   */
  discard(channel) {
    this.#outbox.discard(channel, new TurntableError("not_member", `the session was lost, and ${channel} was left before this was sent`));
  }

  /** Whether a request waits for its answer. */
  get awaiting() {
    return this.#requests.open;
  }

  /** Local ms since when the oldest request waits for its answer, or a command for its confirmation. @returns {number | undefined} */
  get awaiting_since() {
    const since = [this.#requests.waiting_since, this.#uplink.log.waiting_since].filter((ms) => ms !== undefined);
    return since.length > 0 ? Math.min(...since) : undefined;
  }

  /** The server's limits by name. @returns {Record<string, any>} */
  get limits() {
    return this.#outbox.limits;
  }

  /**
   * Answers a call of the server, paced as commands are. A result over the server's limit, or
   * one that JSON does not have, is answered as an error.
   * @param {any} id
   * @param {any} result
   * @param {{code: string, message: string}} [error]
   * @returns {TurntableError | undefined} why the result could not be sent
   */
  reply(id, result, error) {
    if (this.closed) return undefined;
    /** @type {string} */
    let text;
    try {
      text = encodeReply(id, error ? { error } : result);
    } catch (fault) {
      this.reply(id, undefined, { code: "internal", message: "the function failed" });
      return fault instanceof TurntableError ? fault : notJson("reply", fault);
    }
    const large = this.#outbox.tooLarge("reply", text);
    if (large) {
      const { code, message } = large;
      this.reply(id, undefined, { code, message });
      return large;
    }
    this.#outbox.send({ command: "reply", data: undefined, text, id: undefined });
    return undefined;
  }

  /**
   * Resolves the first matching request with an answer that came without an id.
   * @param {(request: {command: string, data: any}) => boolean} matches
   * @param {any} data
   * @returns {boolean} whether a request matched
   */
  resolveFirst(matches, data) {
    return this.#requests.resolveFirst(matches, data);
  }

  /** @param {Message} message */
  #write(message) {
    this.#requests.sent(message.id);
    this.#uplink.write(message);
    this.#hooks.sent();
  }

  #confirm() {
    try {
      this.send("time", { t0: this.env.local(), received: this.#hooks.received() });
    } catch {
      // Over the rate: a later exchange confirms as well.
    }
  }

  #nextId() {
    this.#last_id += 1;
    return this.#last_id;
  }

  /**
   * Encodes a message; throws if it can be neither sent nor queued now.
   * @param {string} command
   * @param {any} data
   * @param {number | undefined} id
   * @param {boolean} [repeatable]
   * @param {string} [merge]
   */
  #prepare(command, data, id, repeatable = false, merge) {
    if (this.closed || this.ending) throw new TurntableError("unavailable", "the client is closed", { command });
    return this.#outbox.prepare(command, data, id, repeatable, merge);
  }

  /**
   * The session began in an earlier page, which may have sent more than it has stored.
   * @protected
   * @param {number} last_id
   */
  restored(last_id) {
    this.#last_id = last_id;
    this.#uplink.log.reset(false);
  }

  /** The connection was lost. @protected */
  pause() {
    this.#requests.pause();
  }

  /**
   * The connection has its welcome.
   * @protected
   * @param {any} data of the welcome
   * @param {boolean} resumed
   * @param {boolean} numbered whether the transport numbers what it sends
   */
  begin(data, resumed, numbered) {
    this.#outbox.limits = data?.limits ?? {};
    if (resumed) {
      this.#outbox.resumed();
      this.#uplink.resumed(data?.accepted, numbered);
    } else {
      // What was sent in the lost session, and not confirmed, may or may not have been executed.
      this.#outbox.reset();
      for (const id of this.#uplink.reset()) this.#requests.unconfirmed(id);
      this.#requests.lost(this.#outbox.ids);
    }
    this.#requests.resume();
    if (resumed) this.#prune(Number.isSafeInteger(data?.accepted));
    // What the server did not take comes first.
    this.#outbox.repeat(this.#uplink.log.open);
  }

  /** Marks and drops what is stale, before a transport sends or repeats it. @protected */
  stale() {
    this.#prune(false);
  }

  /**
   * Drops what is stale of what the server has not confirmed.
   * @param {boolean} exact whether the server said what it has taken
   */
  #prune(exact) {
    const { expired, merged } = this.#uplink.prune(this.env.local(), exact);
    for (const { id } of merged) this.#requests.unwatch(id);
    for (const { id, command, expires_ms, dropped, seen } of expired) {
      if (seen) continue;
      const what = dropped ? "not delivered" : "not confirmed";
      const rest = dropped ? "" : "; it may or may not have been executed";
      const error = new TurntableError("timeout", `${what} within ${expires_ms} ms${rest}`, { command });
      if (!this.#requests.drop(id, error)) this.#hooks.error(error);
    }
  }

  /**
   * The server says how many commands of the session it has taken.
   * @protected
   * @param {number} count
   */
  accepted(count) {
    this.#uplink.accepted(count);
    this.confirmed();
  }

  /**
   * The server does not count these commands.
   * @protected
   * @param {readonly (Sent | undefined)[]} entries
   * @param {boolean} sure whether it has none of them for certain
   */
  discarded(entries, sure) {
    this.#uplink.discard(entries, sure);
    this.confirmed();
  }

  /** The server has confirmed commands. @protected */
  confirmed() {
    this.#outbox.confirmed();
  }

  /**
   * Own actions arrived in a broadcast.
   * @param {string} channel
   * @param {any} data of an action
   */
  seen(channel, data) {
    this.#uplink.log.seen(channel, data);
  }

  /** Sends what is queued. @protected */
  flush() {
    this.#outbox.flush();
  }

  /**
   * @protected
   * @param {any} id
   * @param {any} data
   * @returns {boolean} whether a request had this id
   */
  answered(id, data) {
    this.#uplink.log.answered(id);
    this.confirmed();
    const request = this.#requests.take(id);
    request?.resolve(data);
    return request !== undefined;
  }

  /**
   * A clock exchange was answered.
   * @protected
   * @param {any} t0
   */
  exchanged(t0) {
    this.#uplink.exchanged(t0);
    this.confirmed();
  }

  /**
   * The server refused a command.
   * @protected
   * @param {any} data of the `error`
   * @param {any} id
   * @returns {boolean} whether somebody waits for it
   */
  rejected(data, id) {
    this.#uplink.log.refused(data?.command, id);
    this.confirmed();
    if (data?.code === "rate_limited" && data.details?.retry_ms > 0) this.#outbox.limited(data.command, data.details.retry_ms);
    // A clock exchange is repeated anyway. Over poll it has an id of the transport.
    if (data?.command === "time" && typeof id !== "number") {
      this.#uplink.forget();
      return true;
    }
    return this.#requests.reject(id, data);
  }

  /** Counts what is queued as sent: the goodbye has it. @protected */
  handOver() {
    for (const message of this.#outbox.take()) this.#uplink.log.add(message.command, message.text, message.id, message.repeatable ?? false, message);
  }

  /** The client is closed. @protected */
  end() {
    this.ending = true;
    for (const { id, command } of this.#outbox.take()) {
      this.#requests.drop(id, new TurntableError("unavailable", "the client was closed before this was sent", { command }));
    }
    this.ending = false;
    this.closed = true;
    this.#outbox.clear();
    this.#requests.close();
  }
}

/**
 * Throws if the data has no JSON.
 * @param {any} id
 * @param {any} data
 * @returns {string}
 */
function encodeReply(id, data) {
  const json = stringify(opaque(data, "reply"));
  // What a `toJSON` returned.
  if (json === undefined) throw notJson("reply", "its toJSON returns nothing");
  return `{"command":"reply","data":${json},"id":${stringify(id)}}`;
}
