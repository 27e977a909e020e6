/**
 * The one object a program holds: it puts the session and what is built on it
 * together, and tells what happens.
 * @module
 */
import { Attributes } from "./attributes.js";
import { Clock } from "./clock.js";
import { Emitter } from "./emitter.js";
import { Friends } from "./friends.js";
import type { Channel, ChannelOptions } from "./channel.js";
import type { DoorName } from "./doors/choice.js";
import type { ClientEvents, ConnectOptions, Welcome } from "./events.js";
import type { JoinOptions, Room } from "./room.js";
import type { Functions, ServiceInfo } from "./services.js";
/** @import { Channel, ChannelOptions } from "./channel.js" */
/** @import { DoorName } from "./doors/choice.js" */
/** @import { ClientEvents, ConnectOptions, StateChange, Welcome } from "./events.js" */
/** @import { Down } from "./line.js" */
/** @import { Record as Remembered } from "./memory.js" */
/** @import { JoinOptions, Room } from "./room.js" */
/** @import { Functions, ServiceInfo } from "./services.js" */
/** @extends {Emitter<ClientEvents>} */
export declare class Client extends Emitter<ClientEvents> {
    #private;
    /** The first welcome; rejects where the client is closed before it. @readonly @type {Promise<Welcome>} */
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
    get state(): import("./events.js").State;
    /** Who this is; before the welcome, who it asked to be. @returns {string | undefined} */
    get user(): string | undefined;
    /** The session's secret: who has it is this user. @returns {string | undefined} */
    get session(): string | undefined;
    /** Name and version of the server. @returns {string | undefined} */
    get server(): string | undefined;
    /** The server's limits by name. @returns {Record<string, number>} */
    get limits(): Record<string, number>;
    /** The door in use: `websocket`, `tunnel`, `longpoll` or `poll`. @returns {DoorName | undefined} */
    get door(): DoorName | undefined;
    get heartbeat_ms(): number;
    /** Whether the server has accepted this user. */
    get authenticated(): boolean;
    /**
     * Sends a command of the protocol, awaiting no answer. Offline it is queued.
     * Throws a TurntableError where that cannot be.
     * @param {string} command
     * @param {any} [data]
     */
    send(command: string, data?: any): void;
    /**
     * Sends a command of the protocol and awaits its answer.
     * @param {string} command
     * @param {any} [data]
     * @returns {Promise<any>} rejects with a TurntableError
     */
    request(command: string, data?: any): Promise<any>;
    /**
     * Asks at intervals while the poll is the door in use: the server can only
     * answer there. The other doors need none, and nothing is sent by them.
     * @param {number} ms 0: only when there is something to send
     */
    heartbeat(ms: number): void;
    /** Ends the session in order: offline at once for everybody, no reconnection. */
    close(): void;
    /**
     * Gives a session without identity one.
     * @param {object} credentials
     * @returns {Promise<Welcome>}
     */
    authenticate(credentials: object): Promise<Welcome>;
    /**
     * Joins a room, creating it where there is none. Kept over reconnections.
     * @param {string} channel
     * @param {JoinOptions} [options]
     * @returns {Promise<Room>}
     */
    join(channel: string, options?: JoinOptions): Promise<Room>;
    /**
     * The room, where it is joined.
     * @param {string} channel
     * @returns {Room | undefined}
     */
    room(channel: string): Room | undefined;
    /**
     * Declines an invitation.
     * @param {string} channel
     */
    decline(channel: string): void;
    /**
     * Joins a channel. Kept over reconnections.
     * @param {string} path
     * @param {ChannelOptions} [options]
     * @returns {Promise<Channel>}
     */
    channel(path: string, options?: ChannelOptions): Promise<Channel>;
    /**
     * Calls a function of a service, `service:function`.
     * @param {string} f
     * @param {any} [args]
     * @returns {Promise<any>}
     */
    call(f: string, args?: any): Promise<any>;
    /**
     * A service as an object: `tt.service("forum").createPost(args)`.
     * @param {string} name
     * @returns {Record<string, (args?: any) => Promise<any>>}
     */
    service(name: string): Record<string, (args?: any) => Promise<any>>;
    /** What services the server offers. @returns {ReadonlyMap<string, ServiceInfo>} */
    get services(): ReadonlyMap<string, ServiceInfo>;
    /**
     * Offers functions to the server. Kept over reconnections.
     * @param {string} name of the service
     * @param {Functions} functions each takes the call's one argument
     * @returns {Promise<void>} once it has been announced
     */
    provide(name: string, functions: Functions): Promise<void>;
}
/**
 * Begins to connect, and returns at once.
 * @param {string | URL} [url] of the server: ws, wss, http or https; by default
 *   `/ws` on the page's own host
 * @param {ConnectOptions} [options]
 * @returns {Client}
 */
export declare function connect(url?: string | URL, options?: ConnectOptions): Client;
