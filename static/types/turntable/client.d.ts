/**
 * The client object of a program. It connects the session with the features
 * built on it and emits the events.
 * @module
 */
import { Emitter } from "./emitter.js";
import type { Attributes } from "./attributes.js";
import type { Channel, ChannelOptions } from "./channel.js";
import type { Clock } from "./clock.js";
import type { ClientEvents, ConnectOptions, Limits, Welcome } from "./events.js";
import type { Friends } from "./friends.js";
import type { JoinOptions, Room } from "./room.js";
import type { DirectConnection, Functions, Provided, ServiceInfo } from "./services.js";
import type { TransportName } from "./transports/registry.js";
/** @import { Attributes } from "./attributes.js" */
/** @import { Channel, ChannelOptions } from "./channel.js" */
/** @import { Clock } from "./clock.js" */
/** @import { Disconnection } from "./disconnection.js" */
/** @import { ClientEvents, ConnectOptions, Limits, StateChange, Welcome } from "./events.js" */
/** @import { Friends } from "./friends.js" */
/** @import { JoinOptions, Room } from "./room.js" */
/** @import { DirectConnection, Functions, Provided, ServiceInfo } from "./services.js" */
/** @import { StoredSession } from "./session_store.js" */
/** @import { TransportName } from "./transports/registry.js" */
/** @extends {Emitter<ClientEvents>} */
export declare class Client extends Emitter<ClientEvents> {
    #private;
    /** The first welcome; rejects if the client is closed before it. @readonly @type {Promise<Welcome>} */
    readonly ready: Promise<Welcome>;
    /** @readonly @type {Friends} */
    readonly friends: Friends;
    /** @readonly @type {Attributes} */
    readonly attributes: Attributes;
    /** @readonly @type {Clock} */
    readonly clock: Clock;
    /**
     * @param {string | URL | undefined} url
     * @param {ConnectOptions} options
     */
    constructor(url: string | URL | undefined, options: ConnectOptions);
    /** The state of the connection. */
    get state(): import("./events.js").State;
    /** The user's id; before the welcome, the requested one, or the guest's of before. @returns {string | undefined} */
    get user(): string | undefined;
    /** The session's secret; it grants access to the session. @returns {string | undefined} */
    get session(): string | undefined;
    /** Name and version of the server. @returns {string | undefined} */
    get server(): string | undefined;
    /** The server's limits by name; empty before the first welcome. @returns {Limits} */
    get limits(): Limits;
    /** The transport in use: `websocket`, `tunnel`, `longpoll` or `poll`. @returns {TransportName | undefined} */
    get transport(): TransportName | undefined;
    /** The server's heartbeat in ms; 0 before the first welcome. */
    get heartbeat_ms(): number;
    /** Time until the next attempt to connect in ms, while `state` is `offline`. @returns {number | undefined} */
    get retry_in_ms(): number | undefined;
    /** Whether the server has accepted this user. */
    get authenticated(): boolean;
    /**
     * Sends a protocol command without waiting for an answer. While offline it is
     * queued. Throws a TurntableError if it can be neither sent nor queued.
     * @param {string} command
     * @param {any} [data]
     */
    send(command: string, data?: any): void;
    /**
     * Sends a protocol command and waits for its answer.
     * @param {string} command
     * @param {any} [data]
     * @returns {Promise<any>} rejects with a TurntableError
     */
    request(command: string, data?: any): Promise<any>;
    /**
     * Sets the polling interval. It applies to the transport `poll` only, where
     * the server can only answer requests; other transports ignore it.
     * @param {number} ms 0: requests are sent only with messages
     * @throws {TypeError} for anything but a number from 0
     */
    heartbeat(ms: number): void;
    /**
     * While offline, tries to connect now instead of in `retry_in_ms`. While online,
     * checks whether the server answers.
     */
    retryNow(): void;
    /** Ends the session: the user is offline immediately, and the client does not reconnect. */
    close(): void;
    /**
     * Identifies an anonymous session, or renews its credentials.
     * @param {object} credentials
     * @returns {Promise<Welcome>}
     */
    authenticate(credentials: object): Promise<Welcome>;
    /**
     * Joins a room, which the first member creates; joins again after a reconnection.
     * @param {string} channel
     * @param {JoinOptions} [options]
     * @returns {Promise<Room>}
     */
    join(channel: string, options?: JoinOptions): Promise<Room>;
    /**
     * A joined room: the object of the holder that joined first.
     * @param {string} channel
     * @returns {Room | undefined} undefined if the room is not joined
     */
    room(channel: string): Room | undefined;
    /**
     * Declines an invitation.
     * @param {string} channel
     */
    decline(channel: string): void;
    /**
     * Joins a channel; joins again after a reconnection.
     * @param {string} path
     * @param {ChannelOptions} [options]
     * @returns {Promise<Channel>}
     */
    channel(path: string, options?: ChannelOptions): Promise<Channel>;
    /**
     * Calls a function of a service, or one that another user offers.
     * @param {string} f `service:function`
     * @param {any} [args]
     * @param {{user?: string}} [options] user: whose function it is; undefined: a service's
     * @returns {Promise<any>} rejects with a TurntableError
     */
    call(f: string, args?: any, { user }?: {
        user?: string;
    }): Promise<any>;
    /**
     * A service as an object: `tt.service("forum").createPost(args)`.
     * @param {string} name
     * @returns {Record<string, (args?: any) => Promise<any>>}
     */
    service(name: string): Record<string, (args?: any) => Promise<any>>;
    /**
     * Asks for a direct connection to a service whose `services` entry has a `url`: the
     * service is shown the token.
     * @param {string} service
     * @returns {Promise<DirectConnection>} rejects with a TurntableError
     */
    direct(service: string): Promise<DirectConnection>;
    /** The server's services by name. @returns {ReadonlyMap<string, ServiceInfo>} */
    get services(): ReadonlyMap<string, ServiceInfo>;
    /**
     * Provides functions that the server can call. The client provides them again
     * after a reconnection.
     * @param {string} name of the service
     * @param {Functions} functions each receives the call's argument,
     *   and the user and an abort signal
     * @returns {Promise<Provided>} the names of which the client is an instance now, and those that are
     *   functions of its user, when the server has confirmed
     */
    provide(name: string, functions: Functions): Promise<Provided>;
    /**
     * Ends what `provide` began: the server gives the client no more calls of the
     * service, and those that it has are answered.
     * @param {string} name of the service
     * @returns {Promise<void>} resolves when they are answered
     */
    withdraw(name: string): Promise<void>;
}
/**
 * Creates a client and starts connecting. Throws a TypeError for invalid options.
 * @param {string | URL | ConnectOptions} [url] of the server: ws, wss, http or https; by default
 *   `/ws` on the page's host. May be left out before the options.
 * @param {ConnectOptions} [options]
 * @returns {Client}
 */
export declare function connect(url?: string | URL | ConnectOptions, options?: ConnectOptions): Client;
