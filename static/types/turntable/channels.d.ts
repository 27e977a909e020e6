/**
 * The channels that are joined or being joined: one subscription per path, which
 * several holders share.
 * @module
 */
import { Channel } from "./channel.js";
import { ChannelState } from "./channel_state.js";
import { TurntableError } from "./error.js";
import { Holding } from "./holding.js";
import type { ChannelMessage, ChannelOptions } from "./channel.js";
import type { Session } from "./session.js";
export type Subscription = {
    holding: Holding<Channel>;
    state: ChannelState;
    /**
     * the holder without a join: the server subscribed the user by itself
     */
    given?: Channel;
    /**
     * a `joined` of the server's own while the join of a new session is not answered
     */
    offered?: any;
};
export type ChannelsHooks = {
    /**
     * whether somebody wants the channels to which the server subscribes the user
     */
    listening: () => boolean;
    /**
     * the server subscribed the user by itself
     */
    given: (channel: Channel) => void;
};
/** @import { ChannelMessage, ChannelOptions } from "./channel.js" */
/** @import { Session } from "./session.js" */
/**
 * @typedef {object} Subscription
 * @property {Holding<Channel>} holding
 * @property {ChannelState} state
 * @property {Channel} [given] the holder without a join: the server subscribed the user by itself
 * @property {any} [offered] a `joined` of the server's own while the join of a new session is not answered
 */
/**
 * @typedef {object} ChannelsHooks
 * @property {() => boolean} listening whether somebody wants the channels to which the server subscribes the user
 * @property {(channel: Channel) => void} given the server subscribed the user by itself
 */
export declare class Channels {
    #private;
    /**
     * @param {Session} session
     * @param {ChannelsHooks} hooks
     */
    constructor(session: Session, hooks: ChannelsHooks);
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
    /**
     * The server has left messages out, as the client reads too slowly. It does not say of which
     * channels; where nothing is published any more, no offset shows it.
     * @param {TurntableError} error that belongs to no request
     */
    failed({ code, command, details }: TurntableError): void;
    /** A new session has started. */
    reset(): void;
    /** @param {boolean} resumed */
    restore(resumed: boolean): void;
    /** @param {TurntableError} error */
    close(error: TurntableError): void;
}
