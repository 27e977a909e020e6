/**
 * The server side of avatars, for a program of your own beside the server: checkers of
 * credentials, a factory that runs once for each avatar, services and live attributes.
 *
 *     const portal = new Portal("http://127.0.0.1:8080", { token, secret });
 *     portal.credentialCheckers = [checkCookie, checkPassword];
 *     portal.avatarFactory = (user, avatar) => {
 *       avatar.addService("forum", forum);
 *       avatar.set({ username: user.username });
 *       avatar.watch("email", sendEmailConfirmation);
 *     };
 *     createServer(portal.listener).listen(9000);
 *
 *     server ── POST /check ────► credentialCheckers      (portal.http.url)
 *            ── POST /avatar ───► avatarFactory           (avatar.url)
 *            ── POST /webhook ──► watches                 (webhooks.url)
 *            ◄─ a session ──────  services
 *            ◄─ POST /rpc/... ──  set, calls, disableService (management.listen)
 *
 * It needs nothing but fetch, WebCrypto and a listener of HTTP requests: Node, Deno, Bun.
 * @module
 */
import type { Callback } from "./avatar.js";
import type { Client } from "./client.js";
import type { ConnectOptions } from "./events.js";
import type { Provided } from "./services.js";
import type { AvatarFunctions, ServerAvatarObject } from "./server_avatar.js";
import type { HttpRequest } from "./webhook.js";
export type PortalUser = {
    id: string;
    roles?: string[];
    expires_in?: number;
} & Record<string, any>;
export type CredentialChecker = (credentials: Record<string, any>, claim: {
    user: string | null;
    address: string | null;
}) => PortalUser | string | null | undefined | false | Promise<PortalUser | string | null | undefined | false>;
export type AvatarFactory = (user: PortalUser, avatar: ServerAvatarObject) => void | Promise<void>;
export type PortalOptions = {
    /**
     * of the services, as in `[services.NAME]`
     */
    token: string;
    /**
     * of the webhooks, as in `[webhooks]`; without one there are none
     */
    secret?: string;
    /**
     * of the requests to `/check` and `/avatar`, as in the files of
     * `portal.http.token_file` and `avatar.token_file`. Without one any client that reaches the listener can send them
     */
    requestToken?: string;
    /**
     * of ids that a checker returns without one ("1"), as `portal.default_realm`
     */
    realm?: string;
    /**
     * as which the services connect ("service:portal"), as in `providers`
     */
    user?: string;
    /**
     * the management listener (http://127.0.0.1:8181)
     */
    management?: string | URL;
    /**
     * how the services connect
     */
    connection?: ConnectOptions;
};
export type HttpResponse = {
    writeHead: (status: number, headers: Record<string, string>) => any;
    end: (body: string) => any;
    headersSent?: boolean;
};
export declare class Portal {
    #private;
    /** Asked in this order; the first that returns a user decides. @type {CredentialChecker[]} */
    credentialCheckers: CredentialChecker[];
    /** Runs once for each life of an avatar. @type {AvatarFactory | undefined} */
    avatarFactory: AvatarFactory | undefined;
    /** Called with errors that belong to no request; without it they are on the console. @type {((error: unknown) => void) | undefined} */
    onError: ((error: unknown) => void) | undefined;
    /**
     * @param {string | URL} url of the server, as for `connect`
     * @param {PortalOptions} options
     */
    constructor(url: string | URL, options: PortalOptions);
    /** The session by which the services are provided. @returns {Client} */
    get client(): Client;
    /**
     * The avatar of a user. One whose factory has not run in this program has no services
     * and no watches.
     * @param {string} user
     * @returns {ServerAvatarObject}
     */
    avatar(user: string): ServerAvatarObject;
    /**
     * Offers a service to the server, without giving it to an avatar: what avatars were given
     * before a restart of this program is there again at once.
     * @param {string} name
     * @param {AvatarFunctions} functions each receives the call's argument and the caller's avatar
     * @returns {Promise<Provided>} what the server made of it, when it has confirmed
     */
    addService(name: string, functions: AvatarFunctions): Promise<Provided>;
    /**
     * Disables a service for all users, until `enableService`; clients hear it. For a single
     * user: `avatar(user).disableService(name)`.
     * @param {string} name
     * @param {Callback} [callback] called with the outcome; without one a promise is returned
     * @returns {Promise<any> | void}
     */
    disableService(name: string, callback?: Callback): Promise<any> | void;
    /**
     * @param {string} name
     * @param {Callback} [callback] called with the outcome; without one a promise is returned
     * @returns {Promise<any> | void}
     */
    enableService(name: string, callback?: Callback): Promise<any> | void;
    /**
     * Calls a method of the management listener.
     * @param {string} service
     * @param {string} method
     * @param {Record<string, any>} parameters
     * @returns {Promise<any>} rejects with a TurntableError
     */
    rpc(service: string, method: string, parameters: Record<string, any>): Promise<any>;
    /** Ends the services in order: they answer the calls that they have. */
    close(): Promise<void>;
    /**
     * Answers the requests of the server: for `http.createServer`, or as a middleware of
     * Connect and Express, before any that reads bodies.
     * @param {HttpRequest} request
     * @param {HttpResponse} response
     * @param {() => any} [next] called with requests of others
     */
    listener: (request: HttpRequest, response: HttpResponse, next?: () => any) => Promise<any>;
}
