/**
 * The hooks of one transport connection. Its events count only while it is the
 * connection that the session uses; those of a probe go to the probe.
 * @module
 */

/** @import { TransportHooks } from "./transports/transport.js" */

/**
 * @typedef {object} Probe a connection that tries whether a transport works
 * @property {(message: any) => void} message
 * @property {(code: number) => void} closed
 */

/**
 * @param {() => boolean} current whether the session uses the connection
 * @param {TransportHooks} hooks
 * @param {Probe} [probe]
 * @returns {TransportHooks}
 */
export function guardedHooks(current, hooks, probe) {
  /**
   * @template {any[]} A
   * @param {(...values: A) => void} hook
   * @returns {(...values: A) => void}
   */
  const guarded = (hook) => (...values) => {
    if (current()) hook(...values);
  };
  return {
    // A probe must not take the session over.
    resume: () => (probe && !current() ? undefined : hooks.resume()),
    attempt: hooks.attempt,
    activity: guarded(hooks.activity),
    message: (message) => (current() ? hooks.message(message) : probe?.message(message)),
    resumed: guarded(hooks.resumed),
    taken: guarded(hooks.taken),
    accepted: guarded(hooks.accepted),
    discarded: guarded(hooks.discarded),
    stale: guarded(hooks.stale),
    parting: guarded(hooks.parting),
    expired: guarded(hooks.expired),
    refused: guarded(hooks.refused),
    closed: (code, reason, unsupported) => (current() ? hooks.closed(code, reason, unsupported) : probe?.closed(code)),
    traffic: hooks.traffic,
  };
}
