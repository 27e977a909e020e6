/**
 * Channels that may have missed messages, which no later message shows. Each is joined
 * again from its position, one at a time: the connection is behind already, and the
 * answer comes when what waited before it has been read.
 * @module
 */
import type { Subscription } from "./channels.js";
import type { Session } from "./session.js";
/** @import { Subscription } from "./channels.js" */
/** @import { Session } from "./session.js" */
export declare class ChannelChecks {
    #private;
    /**
     * @param {Session} session
     * @param {(subscription: Subscription) => void} ask joins again, or reports the gap
     */
    constructor(session: Session, ask: (subscription: Subscription) => void);
    /** @param {Subscription} subscription */
    add(subscription: Subscription): void;
    /** Goes on, if the last one was answered or left. */
    next(): void;
    /** A new session joins all channels, or none is left. */
    clear(): void;
}
