/**
 * The avatar of a user as a program beside the server has it: the services of the user,
 * live attributes, and the functions that its clients offer.
 * `avatar.friends.newFriend(args)` calls the function `newFriend` of their service `friends`.
 * @module
 */
import type { AttributeListener } from "./attributes.js";
import type { Callback } from "./avatar.js";
export type AvatarFunction = (args: any, avatar: ServerAvatarObject | undefined, call: {
    signal: AbortSignal;
}) => any;
export type AvatarFunctions = Record<string, AvatarFunction>;
export type ClientService = Record<string, (args?: any, callback?: Callback) => any>;
export type ServerAvatarObject = ServerAvatar & Record<string, ClientService>;
export type ServerAvatarHooks = {
    provide: (name: string, functions: AvatarFunctions) => Promise<any>;
    rpc: (service: string, method: string, parameters: Record<string, any>) => Promise<any>;
    /**
     * an error of no call
     */
    report: (error: unknown) => void;
};
export type Plan = {
    attributes: Record<string, any>;
    services: Set<string>;
    /**
     * until its services are provided
     */
    waiting: Promise<any>[];
};
export declare class ServerAvatar {
    #private;
    /** The user's id. @readonly */
    readonly user: string;
    /**
     * Gives the user a service: within the factory. The program offers it to the server, for
     * every avatar that is given it.
     * @param {string} name
     * @param {AvatarFunctions} functions
     */
    addService(name: string, functions: AvatarFunctions): ServerAvatarObject;
    /**
     * Disables a service for this user, and for no other: its clients hear it, and its calls are
     * `service_down`, in later sessions too, until `enableService`. `Portal.disableService` disables it for all users.
     * @param {string} name
     * @param {Callback} [callback] called with the outcome; without one a promise is returned
     * @returns {Promise<any> | void} the service as it is for the user
     */
    disableService(name: string, callback?: Callback): Promise<any> | void;
    /**
     * Ends `disableService`; a service that is disabled for all users remains so.
     * @param {string} name
     * @param {Callback} [callback] called with the outcome; without one a promise is returned
     * @returns {Promise<any> | void} the service as it is for the user
     */
    enableService(name: string, callback?: Callback): Promise<any> | void;
    /**
     * Sets live attributes; null removes one. Within the factory the avatar begins with them.
     * @param {Record<string, any>} changes
     * @param {Callback} [callback] called with the outcome; without one a promise is returned
     * @returns {Promise<any> | void}
     */
    set(changes: Record<string, any>, callback?: Callback): Promise<any> | void;
    /**
     * The value of an attribute as far as this program knows it: what the avatar began with,
     * what this program set, and what the server reported since.
     * @param {string} key
     * @returns {any} undefined if it is not known
     */
    get(key: string): any;
    /**
     * Calls a function with each new value of one attribute, or of any, that the user's clients
     * set; null if it was removed. The server reports those in `webhooks.attributes`.
     * @param {string | AttributeListener} key
     * @param {AttributeListener} [listener]
     * @returns {() => void} ends the watch
     */
    watch(key: string | AttributeListener, listener?: AttributeListener): () => void;
    /**
     * Ends watches: of one attribute, of one function, or of both; without arguments all of them.
     * @param {string | AttributeListener} [key]
     * @param {AttributeListener} [listener]
     */
    unwatch(key?: string | AttributeListener, listener?: AttributeListener): void;
    /**
     * Calls a function that the user's clients offer.
     * @param {string} f `service:function`
     * @param {any} [args]
     * @param {Callback} [callback] called with the result or the error; without one a promise is returned
     * @returns {Promise<any> | void}
     */
    call(f: string, args?: any, callback?: Callback): Promise<any> | void;
}
