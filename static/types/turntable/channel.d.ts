/**
 * Channels: paths that messages are published on, and the set of them joined.
 * @module
 */
import { Emitter } from "./emitter.js";
import type { TurntableError } from "./error.js";
import type { Kept } from "./kept.js";
import type { Session } from "./session.js";
export type ChannelOptions = {
    /**
     * messages of the paths below, too
     */
    subpaths?: boolean;
    /**
     * where an earlier subscription stopped
     */
    since?: {
        epoch: string;
        offset: number;
    };
    /**
     * how many past messages are wished for
     */
    history?: number;
};
export type ChannelMessage = {
    /**
     * the path it was published on
     */
    channel: string;
    id: string;
    offset: number;
    from: string;
    /**
     * Unix ms of the server
     */
    time: number;
    data: any;
};
export type ChannelEvents = {
    message: ChannelMessage;
    /**
     * again, after a reconnection
     */
    joined: {
        recovered: boolean;
    };
    /**
     * messages may have been missed
     * over a reconnection; where the channel goes on from
     */
    gap: {
        epoch: string;
        offset: number;
    };
    /**
     * not by `leave()`
     */
    left: {
        error?: TurntableError;
    };
};
/** @import { TurntableError } from "./error.js" */
/** @import { Kept } from "./kept.js" */
/** @import { Session } from "./session.js" */
/**
 * @typedef {object} ChannelOptions
 * @property {boolean} [subpaths] messages of the paths below, too
 * @property {{epoch: string, offset: number}} [since] where an earlier subscription stopped
 * @property {number} [history] how many past messages are wished for
 */
/**
 * @typedef {object} ChannelMessage
 * @property {string} channel the path it was published on
 * @property {string} id
 * @property {number} offset
 * @property {string} from
 * @property {number} time Unix ms of the server
 * @property {any} data
 */
/**
 * @typedef {object} ChannelEvents
 * @property {ChannelMessage} message
 * @property {{recovered: boolean}} joined again, after a reconnection
 * @property {{epoch: string, offset: number}} gap messages may have been missed
 *   over a reconnection; where the channel goes on from
 * @property {{error?: TurntableError}} left not by `leave()`
 */
/** @extends {Emitter<ChannelEvents>} */
export declare class Channel extends Emitter<ChannelEvents> {
    #private;
    /** @readonly @type {string} */
    readonly path: string;
    /** The life of the channel that offsets count in. */
    get epoch(): string;
    /** The place of the last message in the channel's order. */
    get offset(): number;
    /** Whether the last join could prove that nothing was missed. */
    get recovered(): boolean;
    /** Whether messages of the paths below come too. */
    get subpaths(): boolean;
    /**
     * @param {any} data
     * @returns {Promise<{id: string, offset: number, epoch: string}>}
     */
    publish(data: any): Promise<{
        id: string;
        offset: number;
        epoch: string;
    }>;
    /** @returns {Promise<void>} */
    leave(): Promise<void>;
}
/** The channels that are joined or being joined. */
export declare class Channels {
    #private;
    /**
     * @param {Session} session
     * @param {Kept} kept
     */
    constructor(session: Session, kept: Kept);
    /**
     * @param {string} path
     * @param {ChannelOptions} options
     * @returns {Promise<Channel>}
     */
    join(path: string, options: ChannelOptions): Promise<Channel>;
    /** @param {Channel} channel */
    delete(channel: Channel): void;
    /** @param {any} data of a `joined` */
    joined(data: any): void;
    /** @param {ChannelMessage} message */
    message(message: ChannelMessage): void;
    /** The session is a new one. */
    reset(): void;
    end(): void;
}
