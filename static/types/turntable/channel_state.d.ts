/**
 * The subscription of one channel for all of its holders: the position up to which
 * messages were emitted. No network, no events.
 * @module
 */
import type { ChannelMessage, ChannelOptions } from "./channel.js";
export declare class ChannelState {
    #private;
    /** @readonly @type {string} */
    readonly path: string;
    /** Whether messages of paths below are received: whether a holder requested them. */
    subpaths: boolean;
    /** The epoch in which offsets are counted. */
    epoch: string;
    /** The offset of the last message. */
    offset: number;
    /** Whether the server guaranteed at the last join that no message was missed. */
    recovered: boolean;
    /** The users on the channel. @type {Set<string>} */
    members: Set<string>;
    /** How many they are; undefined where the server does not show it. @type {number | undefined} */
    count: number | undefined;
    /** Whether the channel is joined. */
    active: boolean;
    /** Whether the subscription belongs to a lost session. */
    stale: boolean;
    /** @param {string} path */
    constructor(path: string);
    /**
     * @param {ChannelMessage} message
     * @returns {boolean} whether messages of the path itself are missing before it
     */
    misses({ channel, offset, epoch }: ChannelMessage): boolean;
    /**
     * How long until missed messages may be requested again.
     * @param {number} now_ms
     * @returns {number} in ms; 0: now
     */
    askable_in_ms(now_ms: number): number;
    /**
     * Missed messages are requested, by a join again from the position of now. Until it is
     * answered messages wait.
     * @param {number} now_ms
     */
    ask(now_ms: number): void;
    /** Whether messages wait for the answer. */
    get defers(): boolean;
    /**
     * They cannot be requested: the subscription is as before.
     * @returns {ChannelMessage[]} what waited
     */
    withdraw(): ChannelMessage[];
    /**
     * The channel was joined again.
     * @param {boolean} recovered whether all that was missed follows, and what waited too
     * @returns {ChannelMessage[]} what waited and does not come again, the first DEFERRED_MAX of it
     */
    release(recovered: boolean): ChannelMessage[];
    /**
     * The data of `joinchannel`.
     * @param {ChannelOptions} options
     * @param {boolean} again whether the channel is joined again in a new session
     * @returns {Record<string, any>}
     */
    joinData({ subpaths, since, history }: ChannelOptions, again: boolean): Record<string, any>;
    /** @param {ChannelOptions} options of a join that succeeded */
    acquired({ subpaths, history }: ChannelOptions): void;
    /**
     * @param {any} data of a `joined`
     * @returns {boolean} whether the channel was joined again in a new session, or began anew
     */
    joined({ epoch, offset, recovered, members }: any): boolean;
    /**
     * @param {any} members of a `memberchange`: changes by user, or the number of members
     * @returns {{changes?: Record<string, "joined" | "left">, count: number}}
     */
    membersChanged(members: any): {
        changes?: Record<string, "joined" | "left">;
        count: number;
    };
    /**
     * @param {ChannelMessage} message
     * @returns {boolean} false if it was emitted before a reconnection, or waits
     */
    received(message: ChannelMessage): boolean;
    /**
     * @param {ChannelMessage} message of this path
     * @returns {boolean} whether it was published before the channel was joined
     */
    isPast({ offset }: ChannelMessage): boolean;
}
