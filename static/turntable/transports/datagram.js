/**
 * Datagrams, the units of a tunnel. Received: `{"id", "path", "data"}`. Sent:
 * `{"tunnel", "path": "/server", "data": MESSAGE}`. Datagrams are sent by
 * separate requests: those of one event-loop turn share a request, and requests
 * follow one after another, which preserves their order.
 *
 * A request numbers its datagrams (`n`). It is repeated until it is answered: the
 * server skips the datagrams that it took before, and refuses a request that
 * leaves a gap (409), which says how many it took. A reloaded page does not know
 * its numbers and asks first. What is stale when it is repeated keeps its number: a
 * datagram without effect takes its place. The identification has no number; a repeated
 * one is answered with another welcome.
 *
 * The server answers a request at once, so a request without an answer was lost, or
 * its connection is dead. It is abandoned, which closes the connection, and repeated.
 * Answers to requests prove nothing about the stream of received messages.
 * @module
 */

import { outlives, pageLeaves, sayGoodbye, untilAnswered } from "../goodbye.js";
import { BATCH_MAX, LOST, batchMaxOf, bounced, closeCodeOf, concernsRequest, datagramOf, endpointUrl, halve, isFinal, lastNumber, removeDropped, responseError, shorten, takeBatch } from "./transport.js";

/** @import { Outgoing, ResponseError, Target, TransportHooks } from "./transport.js" */

const CHANNEL = "/channel/";
/** Delays before a request is repeated, in ms; after the last one the connection counts as lost. */
const REPEAT_MS = [0, 100, 300, 1000];
/** Maximum time for an answer: at first, and for each further byte of the request at least. */
const ANSWER_MS = 3000;
const BYTES_PER_MS = 8;
/** Maximum number of gaps to repair for one request. */
const GAPS_MAX = 4;
/** Asks how many commands the server took; it takes none of the request. */
const UNKNOWN = "unknown";

/**
 * Decodes the message of a datagram. On a channel's path, `data` is the
 * published data; sender, offset and time are fields beside it, and `message` is
 * the message's id where the datagram has another one. On every other path,
 * `data` is a message.
 * @param {any} datagram
 * @returns {any} undefined if the datagram contains no message
 */
export function messageOf(datagram) {
  if (typeof datagram !== "object" || datagram === null) return undefined;
  const { path, data } = datagram;
  if (typeof path === "string" && path.startsWith(CHANNEL)) {
    const { tunnel: _tunnel, path: _path, data: _data, message, ...fields } = datagram;
    const id = message ?? datagram.id;
    return { command: "message", data: { ...fields, id, channel: path.slice(CHANNEL.length), data } };
  }
  return typeof data?.command === "string" ? data : undefined;
}

/** @typedef {"answered" | "repeat" | "smaller" | "failed"} Outcome of a request; smaller: the rest of it is repeated */

export class Sender {
  #target;
  #hooks;
  #failed;
  /** @type {Outgoing[]} */
  #queue = [];
  /** The messages of the request under way. @type {Outgoing[]} */
  #open = [];
  #in_flight = false;
  #closed = false;
  /** How many messages a request may have. */
  #count_max = BATCH_MAX;
  /** Whether an identification has no welcome yet. */
  #identifies = false;
  /** Ends the request under way. */
  #abort = () => {};

  /** The tunnel's id, once known. */
  tunnel = "";
  /** The number of the connection; a request that comes behind one of a later connection is dropped. */
  attempt = 0;

  /**
   * @param {Target} target
   * @param {TransportHooks} hooks
   * @param {(code: number, reason: string) => void} failed
   */
  constructor(target, hooks, failed) {
    this.#target = target;
    this.#hooks = hooks;
    this.#failed = failed;
  }

  get idle() {
    return this.#queue.length === 0 && !this.#in_flight;
  }

  /**
   * @param {string} text
   * @param {Outgoing["entry"]} entry
   */
  send(text, entry) {
    this.#identifies ||= text.startsWith('{"command":"idme"');
    this.#queue.push({ text, entry });
    if (this.#queue.length === 1 && !this.#in_flight) queueMicrotask(() => void this.#flush());
  }

  /**
   * A message came. With the welcome the session is known, which a later page may continue; a refused identification
   * begins none.
   * @param {any} message
   */
  received(message) {
    if (message?.command === "welcome" || message?.command === "error") this.#identifies = false;
  }

  /**
   * Sends a text unchanged as a separate request.
   * @param {string} text
   */
  raw(text) {
    this.#hooks.traffic("out", "datagram", text);
    this.#request(text, undefined, 0).then(
      ({ response, error }) => this.#answered(response, [], error),
      (/** @type {any} */ error) => this.#fail(closeCodeOf(0), `the request failed: ${error}`),
    );
  }

  /** Ends the requests; a later connection repeats what was not taken. */
  close() {
    this.#closed = true;
    this.#queue = [];
    this.#abort();
    // A session may have begun of which the client knows nothing without its welcome: the next connection begins another.
    if (this.#identifies && this.#hooks.resume() === undefined) void sayGoodbye(this.#target, this.tunnel);
    this.#identifies = false;
  }

  /**
   * Sends what is pending, the goodbye included, in one request that takes the place
   * of the one under way, or in several if it is more than a request may have. Each is
   * repeated until it is answered.
   * @returns {Promise<void>}
   */
  async finish() {
    this.#closed = true;
    this.#identifies = false;
    const pending = [...this.#open, ...this.#queue.splice(0)];
    this.#abort();
    while (pending.length > 0) {
      const batch = takeBatch(pending, this.#count_max);
      // A page that is left can send one request: the goodbye is more important than the rest.
      if (pageLeaves() && pending.length > 0) {
        batch.splice(this.#count_max - 1);
        batch.push(...pending.splice(0).slice(-1));
      }
      if (!(await this.#finishOne(batch, pending))) return;
    }
  }

  /**
   * @param {Outgoing[]} batch
   * @param {Outgoing[]} pending what follows; a batch that is too large leaves its second half there
   * @returns {Promise<boolean>} whether the server has answered
   */
  #finishOne(batch, pending) {
    let first = this.#number(batch);
    return untilAnswered(this.#target.environment, async (signal) => {
      /** @type {any} */
      let response;
      /** @type {number | "unknown" | undefined} */
      let n;
      for (;;) {
        n = batch.some(({ entry }) => entry) ? first : undefined;
        const body = this.#body(batch);
        response = await this.#fetch(body, n, { signal, keepalive: outlives(body) });
        const max = response.status === 429 ? batchMaxOf(429, await responseError(response)) : undefined;
        if (shorten(batch, pending, max)) {
          this.#count_max = batch.length;
          continue;
        }
        if (response.status !== 413) break;
        if (halve(batch, pending)) continue;
        // What is too large alone never arrives; its number counts.
        const entry = batch[0]?.entry;
        if (!entry || entry.blank) return true;
        entry.blank = true;
      }
      if (response.status !== 409 && !(response.ok && n === UNKNOWN)) return isFinal(response);
      const details = response.ok ? await response.json() : (await responseError(response)).details;
      if (this.#gap(batch, details)) first = details.accepted + 1;
      return batch.length === 0;
    });
  }

  async #flush() {
    if (this.#in_flight) return;
    this.#in_flight = true;
    while (this.#queue.length > 0 && !this.#closed) {
      this.#hooks.stale();
      removeDropped(this.#queue);
      if (this.#closed || this.#queue.length === 0) break;
      this.#open = takeBatch(this.#queue, this.#count_max);
      if (!(await this.#deliver(this.#open))) break;
      if (!this.#closed) this.#open = [];
    }
    this.#in_flight = false;
  }

  /**
   * @param {Outgoing[]} batch
   * @returns {Promise<boolean>} false if the connection failed or is closed
   */
  async #deliver(batch) {
    let gaps = 0;
    let foreign = false;
    /** Why the only message is not sent again: it is too large for a request. @type {ResponseError | undefined} */
    let too_large;
    for (let failures = 0; !this.#closed && batch.length > 0; ) {
      /** @type {any} */
      let response;
      /** @type {ResponseError | undefined} */
      let error;
      if (failures > 0) this.#hooks.stale();
      // A listener of what is stale may have closed the client.
      if (this.#closed) return false;
      try {
        const body = too_large ? `[${datagramOf(this.tunnel, undefined)}]` : this.#body(batch);
        this.#hooks.traffic("out", "datagram", body);
        ({ response, error } = await this.#request(body, too_large ? UNKNOWN : this.#number(batch), failures));
        foreign = error !== undefined && response.status < 500 && !concernsRequest(response.status, error, batch);
        if (foreign) throw new Error(error?.message);
      } catch (failure) {
        const ms = REPEAT_MS[failures];
        failures += 1;
        if (ms === undefined) {
          if (foreign && !this.#closed) bounced(batch);
          this.#fail(closeCodeOf(0), `the request failed: ${failure}`);
          return false;
        }
        await this.#wait(ms);
        continue;
      }
      if (this.#closed) return false;
      if (error?.code !== undefined && response.status === 413 && !too_large && batch.length === 1 && batch[0]?.entry) {
        // A frame may have more bytes than a request: the server may have the command from another transport.
        too_large = error;
        failures = 0;
        continue;
      }
      if (too_large && (error === undefined || (response.status < 500 && ![410, 429].includes(response.status)))) {
        this.#tooLarge(batch, response.answers, too_large);
        return !this.#closed;
      }
      const outcome = await this.#answered(response, batch, error);
      if (outcome === "failed") return false;
      if (outcome === "answered") return true;
      if (outcome === "repeat") gaps += 1;
      if (gaps > GAPS_MAX) {
        this.#fail(closeCodeOf(0), "the server lacks earlier commands");
        return false;
      }
    }
    return !this.#closed;
  }

  /**
   * A command is too large for a request, and the server has said what it has.
   * @param {Outgoing[]} batch
   * @param {any} answer to the question; undefined if it was refused
   * @param {ResponseError} error
   */
  #tooLarge(batch, answer, error) {
    const texts = batch.map(({ text }) => text);
    const knows = this.#gap(batch, answer);
    if (this.#closed || batch.length === 0) return;
    this.#hooks.discarded(batch.map(({ entry }) => entry), knows);
    this.#hooks.refused(texts, error);
  }

  /**
   * @param {any} response, or the answers of an accepted request
   * @param {Outgoing[]} batch
   * @param {ResponseError | undefined} error undefined if the request was accepted
   * @returns {Promise<Outcome>}
   */
  async #answered(response, batch, error) {
    if (this.#closed) return "failed";
    if (error === undefined) {
      const { answers } = response;
      return this.#gap(batch, answers) ? "repeat" : this.#accepted(answers, batch);
    }
    const { status } = response;
    if (status === 409 && this.#gap(batch, error.details)) return "repeat";
    if (status === 429 && error.details?.retry_ms > 0) {
      // Nothing of the request was taken.
      await this.#wait(error.details.retry_ms);
      return "repeat";
    }
    if (status === 413 && halve(batch, this.#queue)) return "smaller";
    if (shorten(batch, this.#queue, batchMaxOf(status, error))) {
      this.#count_max = batch.length;
      return "smaller";
    }
    if (status === 410) return this.#over();
    if (status === 429 || status >= 500) {
      this.#fail(closeCodeOf(status), error.message);
      return "failed";
    }
    this.#hooks.discarded(batch.map(({ entry }) => entry), error.foreign !== true);
    // What the server has answered before is repeated for its number, and not refused.
    const texts = batch.filter(({ entry }) => !entry?.answered).map(({ text }) => text);
    if (texts.length > 0 || batch.length === 0) this.#hooks.refused(texts, error);
    return "answered";
  }

  /**
   * The session is over. How it ended, the next request of the tunnel is answered.
   * @returns {Outcome}
   */
  #over() {
    this.#fail(LOST, "the session is over");
    return "failed";
  }

  /**
   * @param {any} answers one per message
   * @param {Outgoing[]} batch
   * @returns {Outcome}
   */
  #accepted(answers, batch) {
    const list = Array.isArray(answers) ? answers : [answers];
    if (list.some((answer) => answer?.error?.code === "session_expired")) return this.#over();
    const last = lastNumber(batch);
    if (last > 0) this.#hooks.taken(last);
    for (const [index, answer] of list.entries()) {
      // A command that another transport has sent was refused in a message.
      if (answer?.error && !batch[index]?.entry?.answered) this.#hooks.refused(batch.slice(index, index + 1).map(({ text }) => text), answer.error);
    }
    return "answered";
  }

  /**
   * The server took another number of commands than this client assumes.
   * @param {Outgoing[]} batch from which the commands that were taken are removed
   * @param {any} details of the error, or the answer to a question
   * @returns {boolean} whether the server said how many
   */
  #gap(batch, details) {
    if (!Number.isSafeInteger(details?.accepted)) return false;
    const taken = batch.filter(({ entry }) => entry?.numbered() && entry.number <= details.accepted);
    for (const one of taken) batch.splice(batch.indexOf(one), 1);
    this.#hooks.accepted(details.accepted);
    return true;
  }

  /** @param {Outgoing[]} batch */
  #body(batch) {
    for (const { entry } of batch) if (entry) entry.sent = true;
    return `[${batch.map(({ text, entry }) => datagramOf(this.tunnel, entry?.blank ? undefined : text)).join(",")}]`;
  }

  /**
   * The number of the first command.
   * @param {Outgoing[]} batch
   * @returns {number | "unknown" | undefined} undefined if none has a number
   */
  #number(batch) {
    const first = batch.find(({ entry }) => entry)?.entry;
    return first && (first.numbered() ? first.number : UNKNOWN);
  }

  /**
   * A request with a deadline, which is longer for a repetition: the network may be slow.
   * @param {string} body
   * @param {number | "unknown" | undefined} n
   * @param {number} failures of this request before
   * @returns {Promise<{response: any, error: ResponseError | undefined}>}
   */
  async #request(body, n, failures) {
    const { environment } = this.#target;
    const abort = new AbortController();
    this.#abort = () => abort.abort();
    const timer = environment.setTimeout(this.#abort, (ANSWER_MS + body.length / BYTES_PER_MS) * (1 + failures / 2));
    try {
      const response = await this.#fetch(body, n, { signal: abort.signal });
      // An answer that breaks off counts as lost.
      if (response.ok) return { response: { ok: true, answers: await response.json() }, error: undefined };
      return { response, error: await responseError(response) };
    } finally {
      environment.clearTimeout(timer);
    }
  }

  /**
   * @param {string} body
   * @param {number | "unknown" | undefined} n
   * @param {{signal: AbortSignal, keepalive?: boolean}} options
   * @returns {Promise<any>}
   */
  #fetch(body, n, options) {
    const attempt = n === undefined ? undefined : this.attempt;
    return this.#target.fetch(endpointUrl(this.#target.url, "tunnel/send", { n, attempt }), {
      method: "POST",
      // This content type needs no CORS preflight request.
      headers: { "Content-Type": "text/plain;charset=UTF-8" },
      body,
      cache: "no-store",
      ...options,
    });
  }

  /** @param {number} ms */
  async #wait(ms) {
    if (ms > 0) await new Promise((resolve) => void this.#target.environment.setTimeout(() => resolve(undefined), ms));
  }

  /**
   * @param {number} code
   * @param {string} reason
   */
  #fail(code, reason) {
    if (!this.#closed) this.#failed(code, reason);
  }
}
