/**
 * Remote calls in both directions: what the server offers, and what this
 * client provides.
 * @module
 */
import type { Kept } from "./kept.js";
import type { Session } from "./session.js";
export type ServiceInfo = {
    state?: "enabled" | "disabled";
    functions?: string[];
    url?: string;
    protocol?: string;
};
export type Functions = Record<string, (args: any) => any>;
/** @import { Kept } from "./kept.js" */
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
     * @param {Kept} kept
     */
    constructor(session: Session, kept: Kept);
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
     * The server calls.
     * @param {any} data
     * @param {any} id where an answer is wanted
     */
    called(data: any, id: any): Promise<void>;
    /** @param {Record<string, ServiceInfo>} [all] as the welcome tells them */
    begin(all?: Record<string, ServiceInfo>): void;
    /** @param {Record<string, ServiceInfo>} changes */
    changed(changes: Record<string, ServiceInfo>): void;
}
/**
 * Makes `service(name).fn(args)` a call of `name:fn`.
 * @param {Services} services
 * @param {string} name
 * @returns {Record<string, (args?: any) => Promise<any>>}
 */
export declare function stub(services: Services, name: string): Record<string, (args?: any) => Promise<any>>;
