/**
 * Remote calls in both directions: services of the server, and functions that
 * this client provides.
 * @module
 */
import type { DesiredState } from "./desired_state.js";
import type { Session } from "./session.js";
export type ServiceInfo = {
    state?: "enabled" | "disabled";
    functions?: string[];
    url?: string;
    protocol?: string;
};
export type Functions = Record<string, (args: any) => any>;
/** @import { DesiredState } from "./desired_state.js" */
/** @import { Session } from "./session.js" */
/**
 * @typedef {object} ServiceInfo
 * @property {"enabled" | "disabled"} [state]
 * @property {string[]} [functions]
 * @property {string} [url]
 * @property {string} [protocol]
 */
/** @typedef {Record<string, (args: any) => any>} Functions */
export declare class Services {
    #private;
    /**
     * @param {Session} session
     * @param {DesiredState} desired
     */
    constructor(session: Session, desired: DesiredState);
    /** @returns {ReadonlyMap<string, ServiceInfo>} */
    get known(): ReadonlyMap<string, ServiceInfo>;
    /**
     * @param {string} f
     * @param {any} args
     * @returns {Promise<any>}
     */
    call(f: string, args: any): Promise<any>;
    /**
     * @param {string} name
     * @param {Functions} functions
     * @returns {Promise<void>}
     */
    provide(name: string, functions: Functions): Promise<void>;
    /**
     * Handles a call of the server.
     * @param {any} data
     * @param {any} id undefined if the server expects no answer
     */
    called(data: any, id: any): Promise<void>;
    /** @param {Record<string, ServiceInfo>} [all] of the welcome */
    replace(all?: Record<string, ServiceInfo>): void;
    /** @param {Record<string, ServiceInfo>} changes */
    changed(changes: Record<string, ServiceInfo>): void;
}
/**
 * An object whose method `fn(args)` calls the function `name:fn`.
 * @param {Services} services
 * @param {string} name
 * @returns {Record<string, (args?: any) => Promise<any>>}
 */
export declare function stub(services: Services, name: string): Record<string, (args?: any) => Promise<any>>;
