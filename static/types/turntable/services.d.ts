/**
 * Remote calls in both directions: services of the server, and functions that
 * this client provides.
 * @module
 */
import { TurntableError } from "./error.js";
import type { DesiredState } from "./desired_state.js";
import type { Session } from "./session.js";
export type ServiceInfo = {
    state?: "enabled" | "disabled";
    functions?: string[];
    url?: string;
    protocol?: string;
};
export type Called = {
    /**
     * who calls; undefined: the server
     */
    user?: string;
    /**
     * of a function that the server calls again at another instance if the one
     * that had the call is lost: the same for both, and of no other call of the service
     */
    key?: string;
    /**
     * aborted when the answer is no longer awaited: at the deadline,
     * or when the session is lost
     */
    signal: AbortSignal;
};
export type ProvidedFunction = (args: any, call: Called) => any;
export type Functions = Record<string, ProvidedFunction>;
export type Provided = {
    /**
     * those of which the client is an instance
     */
    services: string[];
    /**
     * those that are functions of its user
     */
    own: string[];
};
export type Running = {
    service: string;
    controller: AbortController;
    done: Promise<void>;
};
export type DirectConnection = {
    url: string;
    /**
     * `websocket`, `http`, or as the configuration says
     */
    protocol: string;
    token: string;
    /**
     * seconds until the token expires
     */
    expires_in: number;
};
export declare class Services {
    #private;
    /**
     * @param {Session} session
     * @param {DesiredState} desired
     * @param {(error: TurntableError) => void} report an error of no call
     */
    constructor(session: Session, desired: DesiredState, report: (error: TurntableError) => void);
    /** @returns {ReadonlyMap<string, ServiceInfo>} */
    get known(): ReadonlyMap<string, ServiceInfo>;
    /**
     * @param {string} f
     * @param {any} args
     * @param {string} [user] whose function it is; undefined: a service's
     * @returns {Promise<any>}
     */
    call(f: string, args: any, user?: string): Promise<any>;
    /**
     * @param {string} service
     * @returns {Promise<DirectConnection>}
     */
    direct(service: string): Promise<DirectConnection>;
    /**
     * @param {string} name
     * @param {Functions} functions
     * @returns {Promise<Provided>}
     */
    provide(name: string, functions: Functions): Promise<Provided>;
    /**
     * Gets no more calls of a service, and answers those that it has.
     * @param {string} name
     * @returns {Promise<void>} resolves when they are answered
     */
    withdraw(name: string): Promise<void>;
    /**
     * Handles a call of the server.
     * @param {any} data
     * @param {any} id undefined if the server expects no answer
     */
    called(data: any, id: any): Promise<void>;
    /** A new session: its calls have ids of their own. */
    reset(): void;
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
export type Outcome = {
    result?: any;
    error?: {
        code: string;
        message: string;
    };
    thrown?: {
        error: unknown;
    };
};
