/**
 * The avatar of this user: services in both directions and live attributes behind
 * one object, on top of a client. `$av.forum.createPost(args)` calls the function
 * `createPost` of the server's service `forum`.
 *
 *     const $av = ClientAvatar("https://play.example");
 *     $av.onConnect((av) => { if (!av.authenticated) av.authenticate({ token }); });
 *     $av.addService("friends", { newFriend });
 *     $av.connect();
 *
 * @module
 */
import { TurntableError } from "./error.js";
import type { AttributeListener } from "./attributes.js";
import type { AvatarService } from "./avatar_services.js";
import type { Client } from "./client.js";
import type { ConnectOptions } from "./events.js";
import type { Functions, ServiceInfo } from "./services.js";
export type Callback = (result: any, error?: TurntableError) => void;
export type AvatarListener = (avatar: AvatarObject) => void;
export type AuthenticateCallback = (avatar: AvatarObject, error?: TurntableError) => void;
export type AvatarObject = Avatar & Record<string, AvatarService>;
export type AvatarEvents = {
    connect: AvatarObject;
    disconnect: AvatarObject;
    error: TurntableError;
};
/** @import { AttributeListener } from "./attributes.js" */
/** @import { AvatarService } from "./avatar_services.js" */
/** @import { Client } from "./client.js" */
/** @import { ConnectOptions, StateChange } from "./events.js" */
/** @import { Functions, ServiceInfo } from "./services.js" */
/** @import { Watch } from "./watch_list.js" */
/**
 * @callback Callback
 * @param {any} result the error, if it failed: a callback of one argument sees it too
 * @param {TurntableError} [error]
 * @returns {void}
 */
/** @callback AvatarListener
 * @param {AvatarObject} avatar
 * @returns {void}
 */
/** @callback AuthenticateCallback
 * @param {AvatarObject} avatar `authenticated` tells whether it succeeded
 * @param {TurntableError} [error]
 * @returns {void}
 */
/** @typedef {Avatar & Record<string, AvatarService>} AvatarObject */
/**
 * @typedef {object} AvatarEvents
 * @property {AvatarObject} connect
 * @property {AvatarObject} disconnect
 * @property {TurntableError} error
 */
export declare class Avatar {
    #private;
    /** Whether the server has accepted the user. It remains true while a connection is being restored. */
    get authenticated(): boolean;
    /** Whether the server has answered since the last disconnection. */
    get connected(): boolean;
    /** The client below: friends, rooms, channels, clock. @returns {Client | undefined} undefined before `connect` */
    get client(): Client | undefined;
    /** The user's id. @returns {string | undefined} */
    get user(): string | undefined;
    /** Starts connecting. An avatar that is not authenticated when the server answers calls `onConnect` too. */
    connect(): AvatarObject;
    /**
     * Ends the session: the user is offline immediately. `connect` starts another, as the user and
     * with the credentials of the last `authenticate`, else those of the options.
     */
    disconnect(): void;
    /** The same as `disconnect`, by the name that a client has for it. */
    close(): void;
    /**
     * Calls a function when the server has answered: authenticated or not, first and
     * after each disconnection.
     * @param {AvatarListener} listener
     * @returns {() => void} removes the listener
     */
    onConnect(listener: AvatarListener): () => void;
    /**
     * Calls a function when the connection is lost or ended. A lost connection is
     * restored without help, and `onConnect` is called then.
     * @param {AvatarListener} listener
     * @returns {() => void} removes the listener
     */
    onDisconnect(listener: AvatarListener): () => void;
    /**
     * Calls a function with errors that belong to no call. Without one they are warnings
     * on the console.
     * @param {(error: TurntableError) => void} listener
     * @returns {() => void} removes the listener
     */
    onError(listener: (error: TurntableError) => void): () => void;
    /**
     * Identifies the user. `user` among the credentials is the user that is claimed.
     * After a temporary error (`unavailable`, ...) it has failed, but the avatar tries
     * again, and calls `onConnect` with its first success.
     * @overload
     * @param {Record<string, any>} credentials
     * @param {AuthenticateCallback} callback called on success and on failure
     * @returns {void}
     */
    /**
     * @overload
     * @param {Record<string, any>} credentials
     * @returns {Promise<AvatarObject>} rejects with a TurntableError
     */
    /**
     * @param {Record<string, any>} credentials
     * @param {AuthenticateCallback} [callback]
     * @returns {Promise<AvatarObject> | void}
     */
    authenticate(credentials: Record<string, any>, callback: AuthenticateCallback): void;
    /**
     * Identifies the user. `user` among the credentials is the user that is claimed.
     * After a temporary error (`unavailable`, ...) it has failed, but the avatar tries
     * again, and calls `onConnect` with its first success.
     * @overload
     * @param {Record<string, any>} credentials
     * @param {AuthenticateCallback} callback called on success and on failure
     * @returns {void}
     */
    /**
     * @overload
     * @param {Record<string, any>} credentials
     * @returns {Promise<AvatarObject>} rejects with a TurntableError
     */
    /**
     * @param {Record<string, any>} credentials
     * @param {AuthenticateCallback} [callback]
     * @returns {Promise<AvatarObject> | void}
     */
    authenticate(credentials: Record<string, any>): Promise<AvatarObject>;
    /**
     * Offers functions to the server under a name: at once, or when the avatar connects.
     * @param {string} name
     * @param {Functions} functions each receives the call's argument
     */
    addService(name: string, functions: Functions): AvatarObject;
    /**
     * A service of the server. `$av.forum` is the same for every name that the avatar
     * itself does not have.
     * @param {string} name
     * @returns {AvatarService}
     */
    service(name: string): AvatarService;
    /** The server's services by name. @returns {ReadonlyMap<string, ServiceInfo>} */
    get services(): ReadonlyMap<string, ServiceInfo>;
    /**
     * Calls a function of a service.
     * @param {string} f `service:function`
     * @param {any} [args]
     * @param {Callback} [callback] called with the result or the error; without one a promise is returned
     * @returns {Promise<any> | void}
     */
    call(f: string, args?: any, callback?: Callback): Promise<any> | void;
    /**
     * Sets live attributes; null removes one.
     * @param {Record<string, any>} changes
     * @param {Callback} [callback] called when the server has applied them, or with its refusal;
     *   without one a promise is returned
     * @returns {Promise<any> | void}
     */
    set(changes: Record<string, any>, callback?: Callback): Promise<any> | void;
    /**
     * The value of a live attribute.
     * @param {string} key
     * @returns {any} undefined if the attribute is not set
     */
    get(key: string): any;
    /**
     * Calls a function with each new value of one attribute, or of any, that the server
     * or another session of the user sets; null if it was removed.
     * @param {string | AttributeListener} key
     * @param {AttributeListener} [listener]
     * @returns {() => void} ends the watch
     */
    watch(key: string | AttributeListener, listener?: AttributeListener): () => void;
    /**
     * Ends watches: of one attribute, of one function, or of both; without arguments
     * all of them.
     * @param {string | AttributeListener} [key]
     * @param {AttributeListener} [listener]
     */
    unwatch(key?: string | AttributeListener, listener?: AttributeListener): void;
    /**
     * Sets the interval of empty requests of the transport `poll`.
     * @param {number} ms 0: requests are sent only with messages
     * @throws {TypeError} for anything but a number from 0
     */
    heartbeat(ms: number): void;
}
/**
 * Creates an avatar; `connect` starts it. `new` is accepted and not needed.
 * @param {string | URL | ConnectOptions} [url] of the server, as for `connect`
 * @param {ConnectOptions} [options]
 * @returns {AvatarObject}
 */
export declare function ClientAvatar(url?: string | URL | ConnectOptions, options?: ConnectOptions): AvatarObject;
