/**
 * The interface that every transport implements. Transports differ only in how
 * a message travels. An outgoing message is its JSON text; an incoming message
 * is passed on decoded.
 *
 * A transport connection is used once: `open`, then `writable`, then `closed`.
 * `closed` is called at most once and never after `close`. Hooks may be called
 * before `open` returns.
 * @module
 */

/** @import { Environment } from "../environment.js" */
/** @import { Sent } from "../sent_log.js" */

/**
 * @typedef {object} Transport
 * @property {string} name one of TRANSPORTS
 * @property {boolean} push whether the server can send at any time
 * @property {boolean} [stream] whether a request stays open: browsers open few to one host
 * @property {number} [envelope] bytes that a request adds to each message, which the server counts
 * @property {(target: Target, hooks: TransportHooks) => TransportConnection} createConnection
 * @property {(ms: number) => void} [heartbeat] sets the polling interval; polling transports only
 */

/**
 * @typedef {object} Target
 * @property {string} url the server's WebSocket URL; other endpoints are relative to it
 * @property {Environment} environment
 * @property {any} WebSocket
 * @property {any} EventSource
 * @property {any} fetch
 * @property {boolean} alone whether there is no other transport
 */

/**
 * @typedef {object} TransportConnection
 * @property {() => void} open
 * @property {boolean} writable whether a message sent now can reach the server
 * @property {(text: string) => number | undefined} [bytesOf] how many bytes a message has, if that
 *   differs from its JSON
 * @property {boolean} idle whether no outgoing message is pending
 * @property {(text: string, entry?: Sent) => void} send sends one message, given as JSON, with its
 *   entry in the log of sent commands if it counts
 * @property {() => boolean} [probe] polling transports: a request that shows whether the server
 *   answers; returns whether one is under way
 * @property {(text: string) => void} raw sends a text unchanged
 * @property {(code: number, reason: string) => void} close with 1000, sends what is pending and
 *   repeats it until it is answered, then closes; with another code, closes at once
 */

/**
 * @typedef {object} TransportHooks
 * @property {() => {session: string, received: number, welcomes?: number, unconfirmed?: readonly Sent[]} | undefined} resume the
 *   session to resume, if any; welcomes: how many connections it has had; unconfirmed: its
 *   commands that may not have arrived
 * @property {() => number} attempt the number of the connection, which requests name: the server drops those that come
 *   behind one of a later connection
 * @property {() => void} activity something arrived from the server
 * @property {(number: number) => void} taken the server has taken the commands up to this number
 * @property {(count: number) => void} accepted the server says how many commands it has taken
 * @property {(entries: (Sent | undefined)[], sure: boolean) => void} discarded the server did not read these
 *   commands and does not count them. sure: false if something else refused them, which leaves open
 *   whether the server took an earlier copy; what it has counted is asked before the next command
 * @property {() => void} stale marks the commands of which only the number is to be repeated (`blank`),
 *   and those that are not to be sent (`dropped`)
 * @property {(message: any) => void} message undefined if the received text was not a message
 * @property {(accepted?: number) => void} resumed the transport resumed the session itself; no welcome
 *   follows. accepted: how many commands the server has taken, if it said so
 * @property {(error: ResponseError) => void} parting why the server ends the session, whose close code follows
 * @property {() => void} expired the session no longer exists; the transport starts a new one
 * @property {(texts: string[], error: {code: string, message: string, details?: any}) => void} refused
 *   the server did not accept these messages
 * @property {(code: number, reason: string, unsupported?: boolean | "begin") => void} closed the close
 *   code, and whether this transport is not available at this server; "begin": it carries
 *   sessions that began over another one
 * @property {(direction: "in" | "out", kind: Kind, content: string | (() => string), bytes?: number) => void} traffic
 *   what was sent or received, as text; `bytes` if it differs from the size of the text
 */

/**
 * Whether this transport cannot begin a session at this server, and another one may: a
 * tunnel is not opened before its client has identified, unless the server accepts claims
 * without credentials; and credentials do not belong into an address.
 * @param {number} status of the refusal
 * @param {Target} target
 * @returns {boolean}
 */
export function beginsElsewhere(status, { alone }) {
  return status === 401 && !alone;
}

/** @typedef {"frame" | "datagram" | "entry"} Kind */

/** The client's own, orderly close. */
export const NORMAL = 1000;
/** The code that browsers report if no close frame was received. */
export const LOST = 1006;
export const EXPIRED = 4004;
export const RATE_LIMITED = 4007;
const REPLACED = 4002;
/** How late a request of a lost connection may reach the server, in ms. */
const OVERTAKEN_MS = 3000;
/** Local ms of each client's last loss. @type {WeakMap<Environment, number>} */
const losses = new WeakMap();

/**
 * The close code as it counts for this client. A request of its lost connection may
 * reach the server behind that of the next one, which it then replaces. That is a
 * loss: the client resumes, once, and replaces the old request.
 * @param {Environment} environment
 * @param {number} code
 * @returns {number}
 */
export function ownCloseCode(environment, code) {
  const lost_at = losses.get(environment) ?? -Infinity;
  if (code === LOST) losses.set(environment, environment.local());
  if (code !== REPLACED) return code;
  losses.delete(environment);
  return environment.local() - lost_at < OVERTAKEN_MS ? LOST : code;
}

/** @typedef {{text: string, entry: Sent | undefined}} Outgoing a message that is to be sent */

/**
 * Removes from a queue what is stale and was never sent.
 * @param {Outgoing[]} queue
 */
export function removeDropped(queue) {
  for (let index = queue.length - 1; index >= 0; index -= 1) if (queue[index]?.entry?.dropped) queue.splice(index, 1);
}

/** Maximum bytes of messages per request, about; a single longer message is sent alone. */
const BATCH_BYTES = 32768;
/** Connections on which a gateway may answer for the server before its refusal counts. */
const BOUNCES_MAX = 2;
/** Maximum messages per request, unless the server takes fewer. */
export const BATCH_MAX = 100;
/** Bytes that a request adds to each message, at most. */
export const WRAPPER_BYTES = 120;

/**
 * The URL of an HTTP endpoint, relative to the WebSocket URL, with its query.
 * @param {string} url
 * @param {string} name
 * @param {Record<string, string | number | undefined>} [query]
 * @returns {string}
 */
export function endpointUrl(url, name, query = {}) {
  const base = new URL(url);
  base.protocol = base.protocol === "wss:" ? "https:" : "http:";
  const target = new URL(name, base);
  const own = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (value !== undefined) own.set(key, String(value));
  }
  // The query of the address stays as it was written: it may be signed.
  const parts = [base.search.slice(1), own.toString()].filter((part) => part !== "");
  target.search = parts.join("&");
  return target.href;
}

/** @typedef {{code: string, message: string, details?: any, foreign?: boolean}} ResponseError */

/**
 * The error in the body of an HTTP error response. Every error of this server has
 * one; without it something between the client and the server has answered, such
 * as a gateway during maintenance, and the error is `foreign`: the server may
 * never have seen the request.
 * @param {any} response
 * @returns {Promise<ResponseError>}
 */
export async function responseError(response) {
  const body = await response.json().catch(() => undefined);
  const error = body?.error;
  if (typeof error?.code === "string") return { message: "", ...error };
  return { code: "unavailable", message: `status ${response.status}, which is not an answer of the server`, foreign: true };
}

/**
 * Whether a request that ends a session needs no repetition: the server has answered
 * it, if only that the session is over (410).
 * @param {any} response
 * @returns {Promise<boolean>}
 */
export async function isFinal(response) {
  if (response.status === 429 || response.status >= 500) return false;
  if (!response.ok) return (await responseError(response)).foreign !== true;
  return response.json().then(() => true, () => false);
}

/**
 * Whether a refusal concerns the request itself, and would be repeated. A gateway's
 * answer counts where it limits the size of requests, and where it let nothing of
 * these commands through on two connections.
 * @param {number} status
 * @param {ResponseError} error
 * @param {Outgoing[]} messages
 * @returns {boolean} false: the answer counts as lost
 */
export function concernsRequest(status, { foreign }, messages) {
  return !foreign || status === 413 || messages.some(({ entry }) => (entry?.bounces ?? 0) >= BOUNCES_MAX);
}

/**
 * The connection is lost because something other than the server answers.
 * @param {Outgoing[]} messages of the request
 */
export function bounced(messages) {
  const entry = messages.find((message) => message.entry)?.entry;
  if (entry) entry.bounces = (entry.bounces ?? 0) + 1;
}

/**
 * The close code that corresponds to an HTTP status.
 * @param {number} status
 * @returns {number}
 */
export function closeCodeOf(status) {
  if (status === 410) return EXPIRED;
  return status === 429 ? RATE_LIMITED : LOST;
}

/**
 * The content of a `traffic` hook as text, with its size.
 * @param {string | (() => string)} content
 * @param {number | undefined} bytes if it differs from the size of the text
 */
export function textAndSize(content, bytes) {
  const text = typeof content === "string" ? content : content();
  return { text, bytes: bytes ?? new TextEncoder().encode(text).length };
}

const encoder = new TextEncoder();

/**
 * The bytes of messages in a request, about.
 * @param {{text: string | undefined}[]} messages
 */
export function requestBytes(messages) {
  return messages.reduce((sum, { text = "" }) => sum + WRAPPER_BYTES + encoder.encode(text).length, 0);
}

/**
 * Removes from the front of `queue` as many messages as fit into one request.
 * @template {{text: string | undefined}} T
 * @param {T[]} queue
 * @param {number} [count_max]
 * @returns {T[]}
 */
export function takeBatch(queue, count_max = BATCH_MAX) {
  let count = 0;
  for (let size = 0; count < queue.length && count < count_max; count += 1) {
    size += requestBytes(queue.slice(count, count + 1));
    if (count > 0 && size > BATCH_BYTES) break;
  }
  return queue.splice(0, count);
}

/**
 * A request was too large: what is behind its first half goes back to the front of the queue.
 * @template T
 * @param {T[]} batch of the request
 * @param {T[]} queue
 * @returns {boolean} false if the request has one message: what is too large alone never arrives
 */
export function halve(batch, queue) {
  if (batch.length < 2) return false;
  queue.unshift(...batch.splice(batch.length >> 1));
  return true;
}

/**
 * How many messages the server takes in one request, where it has refused one that has more.
 * @param {number} status
 * @param {ResponseError} error
 * @returns {number | undefined}
 */
export function batchMaxOf(status, { code, details }) {
  const max = details?.max;
  return status === 429 && code === "too_many" && Number.isSafeInteger(max) && max > 0 ? max : undefined;
}

/**
 * A request had too many messages: what is behind the first ones goes back to the front of the queue.
 * @template T
 * @param {T[]} batch of the request
 * @param {T[]} queue
 * @param {number | undefined} max how many a request may have, if the server said so
 * @returns {boolean} false if the request has no more
 */
export function shorten(batch, queue, max = Infinity) {
  if (batch.length <= max) return false;
  queue.unshift(...batch.splice(max));
  return true;
}

/**
 * A datagram of a command.
 * @param {string} tunnel
 * @param {string | undefined} text undefined: it counts, and has no effect (docs/protocol.md, Repeating commands)
 */
export function datagramOf(tunnel, text) {
  const to = `{"tunnel":${JSON.stringify(tunnel)}`;
  return text === undefined ? `${to},"path":"/interest","data":{"add":[]}}` : `${to},"path":"/server","data":${text}}`;
}

/**
 * The number of the last message that counts.
 * @param {Outgoing[]} messages
 * @returns {number} 0 if none counts
 */
export function lastNumber(messages) {
  return messages.reduce((last, { entry }) => entry?.number ?? last, 0);
}
