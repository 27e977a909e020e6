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

import { connect } from "./client.js";
import { TurntableError } from "./error.js";
import { quiet, settle } from "./outcome.js";
import { ServerAvatar } from "./server_avatar.js";
import { isBearer, readBody, verify } from "./webhook.js";

/** @import { Callback } from "./avatar.js" */
/** @import { Client } from "./client.js" */
/** @import { ConnectOptions } from "./events.js" */
/** @import { Called, Provided } from "./services.js" */
/** @import { AvatarFunctions, ServerAvatarObject } from "./server_avatar.js" */
/** @import { HttpRequest } from "./webhook.js" */

/**
 * A user, as a checker returns it: its id, and what the program knows of it beside.
 * @typedef {{id: string, roles?: string[], expires_in?: number} & Record<string, any>} PortalUser
 */

/**
 * @callback CredentialChecker
 * @param {Record<string, any>} credentials
 * @param {{user: string | null, address: string | null}} claim what the client claims to be
 * @returns {PortalUser | string | null | undefined | false | Promise<PortalUser | string | null | undefined | false>}
 *   the user or its id; nothing: the next checker is asked
 */

/**
 * @callback AvatarFactory
 * @param {PortalUser} user
 * @param {ServerAvatarObject} avatar
 * @returns {void | Promise<void>}
 */

/**
 * @typedef {object} PortalOptions
 * @property {string} token of the services, as in `[services.NAME]`
 * @property {string} [secret] of the webhooks, as in `[webhooks]`; without one there are none
 * @property {string} [requestToken] of the requests to `/check` and `/avatar`, as in the files of
 *   `portal.http.token_file` and `avatar.token_file`. Without one any client that reaches the listener can send them
 * @property {string} [realm] of ids that a checker returns without one ("1"), as `portal.default_realm`
 * @property {string} [user] as which the services connect ("service:portal"), as in `providers`
 * @property {string | URL} [management] the management listener (http://127.0.0.1:8181)
 * @property {ConnectOptions} [connection] how the services connect
 */

/**
 * @typedef {object} HttpResponse
 * @property {(status: number, headers: Record<string, string>) => any} writeHead
 * @property {(body: string) => any} end
 * @property {boolean} [headersSent]
 */

/** Avatars that are retained without a session: a user that comes back within its
 * session has no new factory run. */
const ABSENT_MAX = 10_000;
/** Users that a checker accepted and whose avatar has not begun. */
const ACCEPTED_MAX = 10_000;

export class Portal {
  /** Asked in this order; the first that returns a user decides. @type {CredentialChecker[]} */
  credentialCheckers = [];
  /** Runs once for each life of an avatar. @type {AvatarFactory | undefined} */
  avatarFactory;
  /** Called with errors that belong to no request; without it they are on the console. @type {((error: unknown) => void) | undefined} */
  onError;

  #options;
  #url;
  /** @type {Client | undefined} */
  #client;
  /** @type {Map<string, PortalUser>} */
  #accepted = new Map();
  /** Those with a session. @type {Map<string, ServerAvatarObject>} */
  #avatars = new Map();
  /** Those without one, the longest absent first. @type {Map<string, ServerAvatarObject>} */
  #absent = new Map();
  /** The functions of each service that were given last. @type {Map<string, AvatarFunctions>} */
  #functions = new Map();
  /** What the server was sent of each service. @type {Map<string, {names: Set<string>, done: Promise<Provided>}>} */
  #provided = new Map();

  /**
   * @param {string | URL} url of the server, as for `connect`
   * @param {PortalOptions} options
   */
  constructor(url, options) {
    this.#url = url;
    this.#options = { user: "service:portal", realm: "1", management: "http://127.0.0.1:8181", ...options };
  }

  /** The session by which the services are provided. @returns {Client} */
  get client() {
    if (!this.#client) {
      const { user, token, connection } = this.#options;
      this.#client = connect(this.#url, { ...connection, user, credentials: { token } });
      this.#client.on("error", (error) => this.#report(error));
    }
    return this.#client;
  }

  /**
   * The avatar of a user. One whose factory has not run in this program has no services
   * and no watches.
   * @param {string} user
   * @returns {ServerAvatarObject}
   */
  avatar(user) {
    const known = this.#avatars.get(user) ?? this.#absent.get(user);
    if (known) return known;
    const avatar = this.#newAvatar(user, {});
    this.#absent.set(user, avatar);
    this.#bound();
    return avatar;
  }

  /**
   * Offers a service to the server, without giving it to an avatar: what avatars were given
   * before a restart of this program is there again at once.
   * @param {string} name
   * @param {AvatarFunctions} functions each receives the call's argument and the caller's avatar
   * @returns {Promise<Provided>} what the server made of it, when it has confirmed
   */
  addService(name, functions) {
    this.#functions.set(name, functions);
    const known = this.#provided.get(name);
    const names = new Set(Object.keys(functions).filter((fn) => typeof functions[fn] === "function"));
    if (known && [...names].every((fn) => known.names.has(fn))) return known.done;
    for (const fn of known?.names ?? []) names.add(fn);
    const call = (/** @type {string} */ fn) => (/** @type {any} */ args, /** @type {Called} */ called) => this.#called(name, fn, args, called);
    const done = this.client.provide(name, Object.fromEntries([...names].map((fn) => [fn, call(fn)])));
    done.catch(() => this.#provided.delete(name));
    this.#provided.set(name, { names, done });
    return done;
  }

  /**
   * Disables a service for all users, until `enableService`; clients hear it. For a single
   * user: `avatar(user).disableService(name)`.
   * @param {string} name
   * @param {Callback} [callback] called with the outcome; without one a promise is returned
   * @returns {Promise<any> | void}
   */
  disableService(name, callback) {
    return quiet(settle(this.rpc("service", "disable", { name }), callback));
  }

  /**
   * @param {string} name
   * @param {Callback} [callback] called with the outcome; without one a promise is returned
   * @returns {Promise<any> | void}
   */
  enableService(name, callback) {
    return quiet(settle(this.rpc("service", "enable", { name }), callback));
  }

  /**
   * Calls a method of the management listener.
   * @param {string} service
   * @param {string} method
   * @param {Record<string, any>} parameters
   * @returns {Promise<any>} rejects with a TurntableError
   */
  async rpc(service, method, parameters) {
    const command = `${service}/${method}`;
    const failed = (/** @type {unknown} */ error) => {
      throw new TurntableError("unavailable", `the management listener does not answer: ${error}`, { command });
    };
    const init = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(parameters) };
    const response = await fetch(new URL(`/rpc/${command}`, this.#options.management), init).catch(failed);
    const body = await response.json().catch(failed);
    if (!response.ok) throw TurntableError.from(body?.error ?? { code: "internal", message: `status ${response.status}` }, command);
    return body;
  }

  /** Ends the services in order: they answer the calls that they have. */
  async close() {
    await Promise.all([...this.#provided.keys()].map((name) => this.#client?.withdraw(name)));
    this.#client?.close();
  }

  /**
   * Answers the requests of the server: for `http.createServer`, or as a middleware of
   * Connect and Express, before any that reads bodies.
   * @param {HttpRequest} request
   * @param {HttpResponse} response
   * @param {() => any} [next] called with requests of others
   */
  listener = async (request, response, next) => {
    let [status, body] = [500, /** @type {any} */ (undefined)];
    try {
      const path = pathOf(request.url);
      const answer = path === undefined ? undefined : { "/check": this.#check, "/avatar": this.#make, "/webhook": this.#hear }[path];
      if (path !== undefined && !answer && next) return await next();
      if (path === undefined) status = 400;
      else if (!answer) status = 404;
      else if (request.method !== "POST") status = 405;
      else [status, body] = await this.#answer(answer, request);
    } catch (error) {
      // One request must not end the program.
      this.#report(error);
      if (error instanceof TurntableError && error.code === "too_large") status = 413;
    }
    if (response.headersSent) return;
    response.writeHead(status, { "Content-Type": "application/json" });
    response.end(body === undefined ? "" : JSON.stringify(body));
  };

  /**
   * @param {(text: string, headers: Record<string, any>) => Promise<[number, any?]>} answer
   * @param {HttpRequest} request
   * @returns {Promise<[number, any?]>}
   */
  async #answer(answer, request) {
    const { requestToken } = this.#options;
    // Events are signed.
    if (answer !== this.#hear) {
      // A page of another site can send other types without being asked.
      if (!/^application\/json\b/i.test(request.headers["content-type"] ?? "")) return [415];
      if (requestToken !== undefined && !(await isBearer(requestToken, request.headers))) return [401];
    }
    return answer.call(this, await readBody(request), request.headers);
  }

  /**
   * @param {string} text
   * @returns {Promise<[number, any?]>}
   */
  async #check(text) {
    const { user: claimed, credentials, address } = JSON.parse(text);
    let failed = false;
    for (const checker of this.credentialCheckers) {
      try {
        const found = await checker(credentials, { user: claimed ?? null, address: address ?? null });
        if (!found) continue;
        const user = typeof found === "string" ? { id: found } : found;
        this.#accept({ ...user, id: this.#full(user.id) });
        const { id, roles, expires_in } = user;
        return [200, { user: id, roles, expires_in }];
      } catch (error) {
        // A checker that errs has not refused: another one may still accept.
        failed = true;
        this.#report(error);
      }
    }
    return failed ? [503] : [401, { reason: "invalid" }];
  }

  /**
   * The server completes an id without a realm, too.
   * @param {string} id
   */
  #full(id) {
    return String(id).includes(":") ? id : `${this.#options.realm}:${id}`;
  }

  /** @param {PortalUser} user */
  #accept(user) {
    this.#accepted.delete(user.id);
    this.#accepted.set(user.id, user);
    trim(this.#accepted, ACCEPTED_MAX);
  }

  /**
   * @param {string} text
   * @returns {Promise<[number, any?]>}
   */
  async #make(text) {
    const { user: id, attributes } = JSON.parse(text);
    // The services have an avatar too.
    if (id === this.#options.user) return [200, {}];
    const avatar = this.#newAvatar(id, attributes ?? {});
    const user = this.#accepted.get(id) ?? { id };
    const plan = await avatar.plan(() => this.avatarFactory?.(user, avatar));
    this.#accepted.delete(id);
    this.#absent.delete(id);
    this.#avatars.set(id, avatar);
    return [200, plan];
  }

  /**
   * @param {string} text
   * @param {Record<string, any>} headers
   * @returns {Promise<[number, any?]>}
   */
  async #hear(text, headers) {
    const { secret } = this.#options;
    if (!secret || !(await verify(secret, headers, text))) return [401];
    const { id, type, data } = JSON.parse(text);
    const avatar = this.#avatars.get(data?.user) ?? this.#absent.get(data?.user);
    if (type === "user.offline" && avatar) {
      this.#avatars.delete(data.user);
      this.#absent.set(data.user, avatar);
      this.#bound();
    } else if (type === "user.online" && avatar) {
      this.#absent.delete(data.user);
      this.#avatars.set(data.user, avatar);
    } else if (type === "user.attributes") {
      avatar?.changed(id, data.attributes);
    }
    return [204];
  }

  #bound() {
    trim(this.#absent, ABSENT_MAX);
  }

  /**
   * @param {string} user
   * @param {Record<string, any>} attributes
   */
  #newAvatar(user, attributes) {
    return ServerAvatar.create(user, attributes, {
      provide: (name, functions) => this.addService(name, functions),
      rpc: (service, method, parameters) => this.rpc(service, method, parameters),
      report: (error) => this.#report(error),
    });
  }

  /**
   * @param {string} name
   * @param {string} fn
   * @param {any} args
   * @param {Called} called
   */
  #called(name, fn, args, { user, signal }) {
    const avatar = user === undefined ? undefined : this.avatar(user);
    const functions = avatar?.functions(name) ?? this.#functions.get(name);
    const found = functions && Object.hasOwn(functions, fn) ? functions[fn] : undefined;
    if (typeof found !== "function") throw new TurntableError("not_found", `${name} has no function ${fn} for this user`);
    return found.call(functions, args, avatar, { signal });
  }

  /** @param {unknown} error */
  #report(error) {
    if (this.onError) this.onError(error);
    else console.error("portal:", error);
  }
}

/**
 * The path of a request, unless its target is no URL.
 * @param {string | undefined} target
 * @returns {string | undefined}
 */
function pathOf(target = "/") {
  try {
    return new URL(target, "http://portal").pathname;
  } catch {
    return undefined;
  }
}

/**
 * Removes the oldest entries.
 * @param {Map<string, any>} map
 * @param {number} max
 */
function trim(map, max) {
  for (const key of map.keys()) {
    if (map.size <= max) return;
    map.delete(key);
  }
}
