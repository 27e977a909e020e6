/**
 * The shapes of what a client is given and of what it tells: types alone.
 * @module
 */
import type { Environment } from "./environment.js";
import type { TurntableError } from "./error.js";
import type { JoinOptions, Room } from "./room.js";
import type { ServiceInfo } from "./services.js";
export type ConnectOptions = {
    /**
     * who this is, `realm:name`
     */
    user?: string;
    /**
     * what proves it;
     * a function is asked at each identification
     */
    credentials?: object | (() => object | Promise<object>);
    /**
     * live attributes to begin with
     */
    attributes?: Record<string, any>;
    /**
     * a constructor, where the platform has none
     */
    WebSocket?: any;
    /**
     * bounds of the
     * wait between tries (250 and 10000); false: never
     */
    reconnect?: {
        min_ms?: number;
        max_ms?: number;
    } | false;
    /**
     * commands kept while offline (1000)
     */
    queue_max?: number;
    /**
     * for an answer, and for a connection (10000)
     */
    timeout_ms?: number;
    /**
     * between two clock exchanges (10000)
     */
    clock_interval_ms?: number;
    /**
     * timers, clocks and chance, for tests
     */
    environment?: Partial<Environment>;
};
export type State = "connecting" | "online" | "offline" | "closed";
export type Welcome = {
    user: string;
    /**
     * a secret: who has it is this user
     */
    session: string;
    resumed: boolean;
    /**
     * Unix ms of the server
     */
    time: number;
    heartbeat_ms: number;
    attributes?: Record<string, any>;
    services?: Record<string, ServiceInfo>;
    limits?: Record<string, number>;
    server?: string;
};
export type Invite = {
    channel: string;
    from: string;
    /**
     * joins the room
     */
    accept: (options?: JoinOptions) => Promise<Room>;
    /**
     * tells the inviter
     */
    decline: () => void;
};
export type StateChange = {
    state: State;
    previous: State;
    /**
     * why the line went down: a name of CLOSE_CODES, `lost`,
     * `moved`, or the code of the error that refused the identification
     */
    reason?: string;
    /**
     * the close code
     */
    code?: number;
    /**
     * what the server said beside it
     */
    message?: string;
    /**
     * when it is tried again
     */
    retry_ms?: number;
};
export type ClientEvents = {
    state: StateChange;
    /**
     * after each connection
     */
    welcome: Welcome;
    /**
     * the session goes on: nothing was missed
     */
    resumed: Welcome;
    /**
     * a new session had to be begun: the library has asked
     * again for subscriptions, rooms and channels
     */
    reset: Welcome;
    invite: Invite;
    invitereply: {
        channel: string;
        user: string;
        accepted: boolean;
    };
    goaway: {
        reason: string;
        reconnect_ms: number;
        url?: string;
    };
    /**
     * services that changed
     */
    service: Record<string, ServiceInfo>;
    /**
     * one that is tied to no call
     */
    error: TurntableError;
    /**
     * each message
     * as it travels, secrets included; at: Unix ms
     */
    frame: {
        direction: "in" | "out";
        text: string;
        at: number;
    };
    /**
     * each message
     * of the server, after the library has dealt with it
     */
    message: {
        command: string;
        data: any;
        id?: string | number;
    };
};
/** @import { Environment } from "./environment.js" */
/** @import { TurntableError } from "./error.js" */
/** @import { JoinOptions, Room } from "./room.js" */
/** @import { ServiceInfo } from "./services.js" */
/**
 * @typedef {object} ConnectOptions
 * @property {string} [user] who this is, `realm:name`
 * @property {object | (() => object | Promise<object>)} [credentials] what proves it;
 *   a function is asked at each identification
 * @property {Record<string, any>} [attributes] live attributes to begin with
 * @property {any} [WebSocket] a constructor, where the platform has none
 * @property {{min_ms?: number, max_ms?: number} | false} [reconnect] bounds of the
 *   wait between tries (250 and 10000); false: never
 * @property {number} [queue_max] commands kept while offline (1000)
 * @property {number} [timeout_ms] for an answer, and for a connection (10000)
 * @property {number} [clock_interval_ms] between two clock exchanges (10000)
 * @property {Partial<Environment>} [environment] timers, clocks and chance, for tests
 */
/** @typedef {"connecting" | "online" | "offline" | "closed"} State */
/**
 * @typedef {object} Welcome
 * @property {string} user
 * @property {string} session a secret: who has it is this user
 * @property {boolean} resumed
 * @property {number} time Unix ms of the server
 * @property {number} heartbeat_ms
 * @property {Record<string, any>} [attributes]
 * @property {Record<string, ServiceInfo>} [services]
 * @property {Record<string, number>} [limits]
 * @property {string} [server]
 */
/**
 * @typedef {object} Invite
 * @property {string} channel
 * @property {string} from
 * @property {(options?: JoinOptions) => Promise<Room>} accept joins the room
 * @property {() => void} decline tells the inviter
 */
/**
 * @typedef {object} StateChange
 * @property {State} state
 * @property {State} previous
 * @property {string} [reason] why the line went down: a name of CLOSE_CODES, `lost`,
 *   `moved`, or the code of the error that refused the identification
 * @property {number} [code] the close code
 * @property {string} [message] what the server said beside it
 * @property {number} [retry_ms] when it is tried again
 */
/**
 * @typedef {object} ClientEvents
 * @property {StateChange} state
 * @property {Welcome} welcome after each connection
 * @property {Welcome} resumed the session goes on: nothing was missed
 * @property {Welcome} reset a new session had to be begun: the library has asked
 *   again for subscriptions, rooms and channels
 * @property {Invite} invite
 * @property {{channel: string, user: string, accepted: boolean}} invitereply
 * @property {{reason: string, reconnect_ms: number, url?: string}} goaway
 * @property {Record<string, ServiceInfo>} service services that changed
 * @property {TurntableError} error one that is tied to no call
 * @property {{direction: "in" | "out", text: string, at: number}} frame each message
 *   as it travels, secrets included; at: Unix ms
 * @property {{command: string, data: any, id?: string | number}} message each message
 *   of the server, after the library has dealt with it
 */
export {};
