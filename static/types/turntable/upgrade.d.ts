/**
 * Looks for a better transport while another one is in use. At growing intervals
 * it probes each better transport, the best first. A probe is a connection of
 * its own without the session: `idyou` must arrive, a `time` must be answered,
 * and the connection must last, longer than those that were cut, so that an
 * intermediary that cuts connections early is noticed. Another `time` at the end
 * shows that it has not become silent. Then the session moves.
 *
 * The session moves to the probe itself where the client chooses the session in
 * a message (WebSocket). A stream names its session in its request, so it is
 * opened again.
 * @module
 */
import type { Environment } from "./environment.js";
import type { Probe } from "./guarded_hooks.js";
import type { StreamSlots } from "./stream_slots.js";
import type { Transport, TransportConnection } from "./transports/transport.js";
export type UpgradeHooks = {
    create: (transport: Transport, events: Probe) => TransportConnection;
    /**
     * whether the connection in use has no outgoing message pending
     */
    idle: () => boolean;
    /**
     * how long connections over a transport worked that were cut
     */
    life_ms: (index: number) => number;
    /**
     * whether a transport was cut so often that it is left for now
     */
    rests: (index: number) => boolean;
    move: (index: number, connection: TransportConnection | undefined) => void;
};
export declare class Upgrade {
    #private;
    /**
     * @param {{environment: Environment, transports: Transport[], streams: StreamSlots | undefined}} options
     * @param {UpgradeHooks} hooks
     */
    constructor(options: {
        environment: Environment;
        transports: Transport[];
        streams: StreamSlots | undefined;
    }, hooks: UpgradeHooks);
    /**
     * Schedules the next probes.
     * @param {number} index of the transport in use
     * @param {number} [ms]
     */
    schedule(index: number, ms?: number): void;
    /**
     * The session has begun, and moves to a transport that could not begin it, without a
     * probe: the server has answered over that transport.
     * @param {number} index of that transport
     */
    carry(index: number): void;
    /**
     * The network has changed: probes soon, and often again.
     * @param {number} index of the transport in use
     */
    soon(index: number): void;
    /** The first transport works, or the network is another one. */
    reset(): void;
    /** Closes the probe and cancels the next one. */
    cancel(): void;
}
