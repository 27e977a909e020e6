/**
 * The features that the session carries: rooms, channels, services and others, and what
 * becomes of them when a session begins, goes on, or ends.
 * @module
 */
import { Attributes } from "./attributes.js";
import { Channels } from "./channels.js";
import { Clock } from "./clock.js";
import { Friends } from "./friends.js";
import { Rooms } from "./rooms.js";
import { Services } from "./services.js";
import type { ChannelsHooks } from "./channels.js";
import type { TurntableError } from "./error.js";
import type { SessionOptions } from "./options.js";
import type { Session } from "./session.js";
export type FeaturesHooks = {
    /**
     * the user's id; empty before it is known
     */
    user: () => string;
    /**
     * an error of no call; heard:
     * whether a listener of another event has it
     */
    report: (error: TurntableError, heard?: boolean) => void;
    channels: ChannelsHooks;
};
/** @import { ChannelsHooks } from "./channels.js" */
/** @import { TurntableError } from "./error.js" */
/** @import { SessionOptions } from "./options.js" */
/** @import { Session } from "./session.js" */
/**
 * @typedef {object} FeaturesHooks
 * @property {() => string} user the user's id; empty before it is known
 * @property {(error: TurntableError, heard?: boolean) => void} report an error of no call; heard:
 *   whether a listener of another event has it
 * @property {ChannelsHooks} channels
 */
export declare class Features {
    #private;
    clock: Clock;
    friends: Friends;
    attributes: Attributes;
    services: Services;
    channels: Channels;
    rooms: Rooms;
    /**
     * @param {Session} session
     * @param {SessionOptions} options
     * @param {FeaturesHooks} hooks
     */
    constructor(session: Session, { environment, timeout_ms }: SessionOptions, { user, report, channels }: FeaturesHooks);
    /** The server has none of the rooms, the channels and the running calls any more. */
    reset(): void;
    /**
     * The session has a connection.
     * @param {boolean} resumed
     */
    restore(resumed: boolean): void;
    /**
     * The client is closed.
     * @param {TurntableError} error
     */
    close(error: TurntableError): void;
}
