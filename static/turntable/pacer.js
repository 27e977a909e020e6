/**
 * How fast commands may be sent. The server has a token bucket per class of work
 * (docs/protocol.md, Rates); this one has the same with a margin, so that what a
 * client queued while it was offline is not refused when it is sent. The rates are
 * those of the server's `welcome`, or its defaults if it has none. After a refusal
 * with `retry_ms` the class waits that long: a client that waits is never closed for
 * its rate. The refusals of one burst count once, and the rate recovers. A server that
 * stalls takes what it has not confirmed when it goes on, so this bucket is never
 * fuller than the server's may be then. `now` is an argument; no timers.
 * @module
 */

/** @import { Sent } from "./sent_log.js" */

/** @typedef {{per_second: number, burst: number}} Rate per_second 0: no limit */
/** @typedef {Map<string, number>} Cost tokens by class */

/** The server's defaults. @type {Record<string, Rate>} */
const RATES = {
  presence: { per_second: 50, burst: 200 },
  users: { per_second: 200, burst: 2000 },
  room: { per_second: 20, burst: 60 },
  game: { per_second: 200, burst: 400 },
  channel: { per_second: 50, burst: 300 },
  publish: { per_second: 500, burst: 1000 },
  call: { per_second: 50, burst: 100 },
  time: { per_second: 20, burst: 60 },
  bytes: { per_second: 262_144, burst: 262_144 },
};

/** @type {ReadonlyMap<string, string>} */
const CLASSES = new Map([
  ...["subscribe", "unsubscribe", "status", "lookup", "block"].map((command) => /** @type {[string, string]} */ ([command, "presence"])),
  ...["joingame", "leavegame", "declineinvite"].map((command) => /** @type {[string, string]} */ ([command, "room"])),
  ...["joinchannel", "leavechannel"].map((command) => /** @type {[string, string]} */ ([command, "channel"])),
  ...["call", "reply", "set", "provide", "authenticate"].map((command) => /** @type {[string, string]} */ ([command, "call"])),
  ["time", "time"],
  ["game", "game"],
  ["publish", "publish"],
]);

/** The share of the server's rate and burst that is used: clocks and other requests differ. */
const RATE_SHARE = 0.9;
const BURST_SHARE = 0.8;
/** What a refusal leaves of the rate and the burst, at least, and the time in which they recover. */
const CUT_SHARE = 0.5;
const CUT_MIN = 0.1;
const RECOVERY_MS = 10_000;
/** Refusals within this time belong to one burst. */
const ONE_BURST_MS = 1000;
/** Bytes of a command of which only the number is repeated, about. */
const BLANK_BYTES = 120;

/**
 * @param {string} command
 * @param {any} data
 * @param {number} bytes of the message
 * @returns {Cost}
 */
export function costOf(command, data, bytes) {
  /** @type {Cost} */
  const cost = new Map([["bytes", bytes]]);
  const kind = CLASSES.get(command);
  if (kind === undefined) return cost;
  cost.set(kind, command === "game" ? Math.max(1, data?.actions?.length ?? 1) : 1);
  if (kind === "presence" && Array.isArray(data)) cost.set("users", data.length);
  if (command === "joingame" && Array.isArray(data?.invite)) cost.set("presence", data.invite.length);
  return cost;
}

/**
 * @param {{text: string, bytes?: number}} message
 * @returns {number} its bytes, counted once
 */
function bytesOf(message) {
  message.bytes ??= new TextEncoder().encode(message.text).length;
  return message.bytes;
}

/**
 * What a message takes of the server's rates.
 * @param {{command: string, data: any, text: string, bytes?: number}} message
 * @param {number} envelope bytes that a request adds to it
 */
export function costOfMessage(message, envelope) {
  return costOf(message.command, message.data, bytesOf(message) + envelope);
}

/**
 * What a command takes of the server's rates when it is repeated.
 * @param {Sent} entry
 * @param {number} [envelope] bytes that a request adds to it
 */
export function costOfRepeat(entry, envelope = 0) {
  return entry.blank ? new Map([["bytes", BLANK_BYTES]]) : costOfMessage(entry, envelope);
}

export class Pacer {
  /**
   * share: what the last refusal left of the rate; open: tokens of what the server has not confirmed.
   * @type {Map<string, {rate: Rate, tokens: number, open: number, at: number, blocked_until: number, share: number, cut_at: number}>}
   */
  #buckets = new Map();
  /** The server's rates, to notice a change. */
  #known = "";

  /**
   * A session begins: its buckets are full.
   * @param {Record<string, Rate> | undefined} rates of the server, by class
   * @param {number} now
   */
  start(rates, now) {
    this.#buckets.clear();
    this.#known = JSON.stringify(rates ?? null);
    for (const [name, fallback] of Object.entries(RATES)) {
      const { per_second, burst } = this.#valid(rates?.[name]) ?? fallback;
      if (per_second === 0) continue;
      const rate = { per_second: per_second * RATE_SHARE, burst: Math.max(1, burst * BURST_SHARE) };
      this.#buckets.set(name, { rate, tokens: rate.burst, open: 0, at: now, blocked_until: 0, share: 1, cut_at: -Infinity });
    }
  }

  /**
   * A session continues. Its buckets are as they were, unless the server has other
   * rates now, or an earlier page has sent from them.
   * @param {Record<string, Rate> | undefined} rates of the server, by class
   * @param {number} now
   */
  resume(rates, now) {
    // What a lost connection did not deliver took nothing.
    for (const bucket of this.#buckets.values()) bucket.open = 0;
    if (this.#known !== JSON.stringify(rates ?? null)) this.start(rates, now);
  }

  /**
   * How long a command has to wait.
   * @param {Cost} cost
   * @param {number} now
   * @returns {number} ms; 0: it may be sent now
   */
  delay(cost, now) {
    let ms = 0;
    for (const [name, count] of cost) {
      const bucket = this.#refill(name, now);
      if (!bucket) continue;
      // What is larger than the bucket is sent while it is full.
      const share = this.#share(bucket, now);
      const missing = Math.min(count, Math.max(1, bucket.rate.burst * share)) - bucket.tokens;
      ms = Math.max(ms, bucket.blocked_until - now, (missing / (bucket.rate.per_second * share)) * 1000);
    }
    return Math.ceil(Math.max(0, ms));
  }

  /**
   * Whether a command, with those that the server has not confirmed, is more than the server takes at once.
   * @param {Cost} cost
   * @param {Cost} open of those
   */
  exceeds(cost, open) {
    for (const [name, count] of cost) {
      const used = open.get(name) ?? 0;
      const bucket = this.#buckets.get(name);
      // What is larger than the bucket is sent alone.
      if (bucket && count > 0 && used > 0 && used + count > bucket.rate.burst) return true;
    }
    return false;
  }

  /**
   * A command is sent.
   * @param {Cost} cost
   * @param {number} now
   */
  take(cost, now) {
    for (const [name, count] of cost) {
      const bucket = this.#refill(name, now);
      if (!bucket) continue;
      bucket.tokens -= count;
      bucket.open += count;
    }
  }

  /**
   * The server has confirmed commands.
   * @param {Cost} open of those that it has not confirmed
   * @param {number} now
   */
  confirmed(open, now) {
    for (const name of this.#buckets.keys()) {
      const bucket = this.#refill(name, now);
      if (bucket) bucket.open = open.get(name) ?? 0;
    }
  }

  /**
   * The server refused a command for its rate, so its limit is lower than assumed.
   * @param {string | undefined} command
   * @param {number} retry_ms
   * @param {number} now
   */
  limited(command, retry_ms, now) {
    const name = CLASSES.get(command ?? "");
    const bucket = name === undefined ? undefined : this.#refill(name, now);
    if (!bucket) return;
    bucket.blocked_until = Math.max(bucket.blocked_until, now + retry_ms);
    bucket.tokens = Math.min(bucket.tokens, 0);
    if (now - bucket.cut_at < ONE_BURST_MS) return;
    bucket.share = Math.max(CUT_MIN, this.#share(bucket, now) * CUT_SHARE);
    bucket.cut_at = now;
  }

  /**
   * The share of the rate that is used: after a refusal it recovers steadily.
   * @param {{share: number, cut_at: number}} bucket
   * @param {number} now
   */
  #share({ share, cut_at }, now) {
    return share === 1 ? 1 : Math.min(1, share + (1 - share) * Math.max(0, (now - cut_at) / RECOVERY_MS));
  }

  /**
   * @param {any} rate
   * @returns {Rate | undefined}
   */
  #valid(rate) {
    return rate?.per_second >= 0 && rate.burst > 0 ? rate : undefined;
  }

  /**
   * @param {string} name
   * @param {number} now
   */
  #refill(name, now) {
    const bucket = this.#buckets.get(name);
    if (!bucket) return undefined;
    const share = this.#share(bucket, now);
    const filled = bucket.tokens + (Math.max(0, now - bucket.at) * bucket.rate.per_second * share) / 1000;
    const full = Math.max(1, bucket.rate.burst * share);
    bucket.tokens = Math.min(filled, Math.max(bucket.tokens, full - bucket.open), full);
    bucket.at = now;
    return bucket;
  }
}
