/**
 * The hooks of one transport connection. Its events count only while it is the
 * connection that the session uses; those of a probe go to the probe.
 * @module
 */
import type { TransportHooks } from "./transports/transport.js";
export type Probe = {
    message: (message: any) => void;
    closed: (code: number) => void;
};
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
export declare function guardedHooks(current: () => boolean, hooks: TransportHooks, probe?: Probe): TransportHooks;
