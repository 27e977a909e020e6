/**
 * The server's services as an avatar shows them: an object per service, and the
 * changes of their states.
 * @module
 */
import type { AvatarObject, Callback } from "./avatar.js";
import type { ServiceInfo } from "./services.js";
export type ServiceMembers = {
    /**
     * calls a function
     * when the service can be called again
     */
    onEnable: (listener: (avatar: AvatarObject) => void) => () => void;
    /**
     * calls a function
     * when the service is switched off or down
     */
    onDisable: (listener: (avatar: AvatarObject) => void) => () => void;
    /**
     * whether the service can be called now
     */
    enabled: boolean;
    functions: readonly string[];
};
export type AvatarService = ServiceMembers & Record<string, (args?: any, callback?: Callback) => any>;
export type Call = (f: string, args: any, callback: Callback | undefined) => Promise<any> | void;
/** @import { AvatarObject, Callback } from "./avatar.js" */
/** @import { ServiceInfo } from "./services.js" */
/**
 * @typedef {object} ServiceMembers
 * @property {(listener: (avatar: AvatarObject) => void) => () => void} onEnable calls a function
 *   when the service can be called again
 * @property {(listener: (avatar: AvatarObject) => void) => () => void} onDisable calls a function
 *   when the service is switched off or down
 * @property {boolean} enabled whether the service can be called now
 * @property {readonly string[]} functions
 */
/**
 * Any other member is a function of the service: `forum.createPost(args)` returns a
 * promise, `forum.createPost(args, callback)` calls back.
 * @typedef {ServiceMembers & Record<string, (args?: any, callback?: Callback) => any>} AvatarService
 */
/** @typedef {(f: string, args: any, callback: Callback | undefined) => Promise<any> | void} Call */
/** The services that were enabled when they were last looked at. */
export declare class ServiceStates {
    #private;
    /**
     * @param {"enable" | "disable"} event
     * @param {string} name of the service
     * @param {(avatar: AvatarObject) => void} listener
     * @returns {() => void} removes the listener
     */
    on(event: "enable" | "disable", name: string, listener: (avatar: AvatarObject) => void): () => void;
    /**
     * Emits what has changed since the last time. What the first welcome says is no change.
     * @param {ReadonlyMap<string, ServiceInfo>} services
     * @param {AvatarObject} avatar that the listeners get
     */
    changed(services: ReadonlyMap<string, ServiceInfo>, avatar: AvatarObject): void;
}
/**
 * The object of one service.
 * @param {string} name
 * @param {object} of
 * @param {() => ServiceInfo | undefined} of.info
 * @param {Call} of.call
 * @param {ServiceStates} of.states
 * @returns {AvatarService}
 */
export declare function facade(name: string, { info, call, states }: {
    info: () => ServiceInfo | undefined;
    call: Call;
    states: ServiceStates;
}): AvatarService;
/**
 * An object whose members are functions of one service and nothing else.
 * @param {string} name
 * @param {Call} call
 * @returns {Record<string, (args?: any, callback?: Callback) => any>}
 */
export declare function callsOf(name: string, call: Call): Record<string, (args?: any, callback?: Callback) => any>;
