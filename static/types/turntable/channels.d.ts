/**
 * The channels that are joined or being joined: one subscription per path, which
 * several holders share.
 * @module
 */
import { Channel } from "./channel.js";
import { ChannelState } from "./channel_state.js";
import { Holding } from "./holding.js";
import type { ChannelMessage, ChannelOptions } from "./channel.js";
import type { TurntableError } from "./error.js";
import type { Session } from "./session.js";
export type Subscription = {
    holding: Holding<Channel>;
    state: ChannelState;
};
/** @import { ChannelMessage, ChannelOptions } from "./channel.js" */
/** @import { TurntableError } from "./error.js" */
/** @import { Session } from "./session.js" */
/** @typedef {{holding: Holding<Channel>, state: ChannelState}} Subscription */
export declare class Channels {
    #private;
    /** @param {Session} session */
    constructor(session: Session);
    /**
     * @param {string} path
     * @param {ChannelOptions} options
     * @returns {Promise<Channel>} rejects with the outcome of this join, whatever other joins of the
     *   channel get
     */
    join(path: string, options: ChannelOptions): Promise<Channel>;
    /**
     * @param {any} data of a `joined`
     * @param {any} id of the request, whose caller has its answer already
     */
    joined(data: any, id: any): void;
    /** @param {any} data of a `memberchange` */
    memberChange(data: any): void;
    /** @param {ChannelMessage} message */
    message(message: ChannelMessage): void;
    /** A new session has started. */
    reset(): void;
    /** @param {boolean} resumed */
    restore(resumed: boolean): void;
    /** @param {TurntableError} error */
    close(error: TurntableError): void;
}
