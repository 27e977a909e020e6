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

import { connect } from "./client.js";
import { Emitter } from "./emitter.js";
import { TurntableError } from "./error.js";
import { ServiceStates, facade } from "./avatar_services.js";
import { isTemporary, lasting } from "./identity.js";
import { addressed, checkInterval } from "./options.js";
import { settle } from "./outcome.js";
import { WatchList } from "./watch_list.js";

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

export class Avatar {
  #url;
  #options;
  /** @type {Emitter<AvatarEvents>} */
  #events = new Emitter();
  #states = new ServiceStates();
  /** @type {Map<string, AvatarService>} */
  #services = new Map();
  /** @type {AvatarObject} */
  #self;
  /** @type {Client | undefined} */
  #client;
  /** Given by `authenticate`, in place of those of the options. @type {any} */
  #credentials;
  /** Whose they are, if the user is claimed apart from them. @type {string | undefined} */
  #claimed;
  /** @type {Map<string, Functions>} */
  #provided = new Map();
  #watches = new WatchList();
  /** Whether the server has answered since the last disconnection. */
  #connected = false;
  /** Waits for the outcome of `authenticate`. @type {{resolve: () => void, reject: (error: TurntableError) => void} | undefined} */
  #authenticating;
  /** The last error of the identification. @type {TurntableError | undefined} */
  #refusal;

  /**
   * @internal
   * @param {string | URL | undefined} url
   * @param {ConnectOptions} options
   * @param {(avatar: Avatar) => AvatarObject} wrap
   */
  constructor(url, options, wrap) {
    this.#url = url;
    this.#options = options;
    this.#credentials = options.credentials;
    this.#claimed = options.user;
    this.#self = wrap(this);
  }

  /** Whether the server has accepted the user. It remains true while a connection is being restored. */
  get authenticated() {
    return this.#client?.authenticated ?? false;
  }

  /** Whether the server has answered since the last disconnection. */
  get connected() {
    return this.#connected;
  }

  /** The client below: friends, rooms, channels, clock. @returns {Client | undefined} undefined before `connect` */
  get client() {
    return this.#client;
  }

  /** The user's id. @returns {string | undefined} */
  get user() {
    return this.#client?.user;
  }

  /** Starts connecting. An avatar that is not authenticated when the server answers calls `onConnect` too. */
  connect() {
    if (this.#client === undefined || this.#client.state === "closed") {
      this.#connected = false;
      this.#open();
    }
    return this.#self;
  }

  /**
   * Ends the session: the user is offline immediately. `connect` starts another, as the user and
   * with the credentials of the last `authenticate`, else those of the options.
   */
  disconnect() {
    this.#client?.close();
  }

  /** The same as `disconnect`, by the name that a client has for it. */
  close() {
    this.disconnect();
  }

  /**
   * Calls a function when the server has answered: authenticated or not, first and
   * after each disconnection.
   * @param {AvatarListener} listener
   * @returns {() => void} removes the listener
   */
  onConnect(listener) {
    return this.#events.on("connect", listener);
  }

  /**
   * Calls a function when the connection is lost or ended. A lost connection is
   * restored without help, and `onConnect` is called then.
   * @param {AvatarListener} listener
   * @returns {() => void} removes the listener
   */
  onDisconnect(listener) {
    return this.#events.on("disconnect", listener);
  }

  /**
   * Calls a function with errors that belong to no call. Without one they are warnings
   * on the console.
   * @param {(error: TurntableError) => void} listener
   * @returns {() => void} removes the listener
   */
  onError(listener) {
    return this.#events.on("error", listener);
  }

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
  authenticate(credentials, callback) {
    const { user, ...rest } = credentials;
    const outcome = this.#authenticate(user, rest).then(() => this.#self);
    if (!callback) return outcome;
    outcome.then(
      () => callback(this.#self),
      (error) => callback(this.#self, error),
    );
  }

  /**
   * Offers functions to the server under a name: at once, or when the avatar connects.
   * @param {string} name
   * @param {Functions} functions each receives the call's argument
   */
  addService(name, functions) {
    this.#provided.set(name, functions);
    if (this.#client) this.#provide(this.#client, name, functions);
    return this.#self;
  }

  /**
   * A service of the server. `$av.forum` is the same for every name that the avatar
   * itself does not have.
   * @param {string} name
   * @returns {AvatarService}
   */
  service(name) {
    const known = this.#services.get(name);
    if (known) return known;
    const service = facade(name, {
      info: () => this.#client?.services.get(name),
      call: (f, args, callback) => this.call(f, args, callback),
      states: this.#states,
    });
    this.#services.set(name, service);
    return service;
  }

  /** The server's services by name. @returns {ReadonlyMap<string, ServiceInfo>} */
  get services() {
    return this.#client?.services ?? new Map();
  }

  /**
   * Calls a function of a service.
   * @param {string} f `service:function`
   * @param {any} [args]
   * @param {Callback} [callback] called with the result or the error; without one a promise is returned
   * @returns {Promise<any> | void}
   */
  call(f, args, callback) {
    return settle(this.#with((client) => client.call(f, args)), callback);
  }

  /**
   * Sets live attributes; null removes one.
   * @param {Record<string, any>} changes
   * @param {Callback} [callback] called when the server has applied them, or with its refusal;
   *   without one a promise is returned
   * @returns {Promise<any> | void}
   */
  set(changes, callback) {
    return settle(this.#with((client) => client.attributes.set(changes)), callback);
  }

  /**
   * The value of a live attribute.
   * @param {string} key
   * @returns {any} undefined if the attribute is not set
   */
  get(key) {
    return this.#client?.attributes.get(key);
  }

  /**
   * Calls a function with each new value of one attribute, or of any, that the server
   * or another session of the user sets; null if it was removed.
   * @param {string | AttributeListener} key
   * @param {AttributeListener} [listener]
   * @returns {() => void} ends the watch
   */
  watch(key, listener) {
    const watch = this.#watches.add(key, listener);
    if (this.#client) begin(watch, this.#client);
    return () => this.#watches.end(watch);
  }

  /**
   * Ends watches: of one attribute, of one function, or of both; without arguments
   * all of them.
   * @param {string | AttributeListener} [key]
   * @param {AttributeListener} [listener]
   */
  unwatch(key, listener) {
    this.#watches.endAll(key, listener);
  }

  /**
   * Sets the interval of empty requests of the transport `poll`.
   * @param {number} ms 0: requests are sent only with messages
   * @throws {TypeError} for anything but a number from 0
   */
  heartbeat(ms) {
    checkInterval(ms);
    this.#client?.heartbeat(ms);
  }

  /**
   * @param {(client: Client) => Promise<any>} action
   * @returns {Promise<any>}
   */
  #with(action) {
    if (this.#client && this.#client.state !== "closed") return action(this.#client);
    if (this.#refusal) return Promise.reject(new TurntableError("not_identified", `the avatar is not authenticated: ${this.#refusal.message}`));
    return Promise.reject(new TurntableError("unavailable", "the avatar is not connected; connect() starts it"));
  }

  /**
   * @param {string | undefined} user
   * @param {Record<string, any>} credentials
   * @returns {Promise<void>}
   */
  async #authenticate(user, credentials) {
    this.#authenticating?.reject(new TurntableError("unavailable", "a later authenticate replaced this one"));
    this.#authenticating = undefined;
    const client = this.#client;
    if (client && client.state !== "closed" && client.authenticated && user === undefined) {
      await client.authenticate(credentials);
      this.#credentials = lasting(credentials);
      this.#claimed = client.user;
      return;
    }
    this.#credentials = credentials;
    this.#claimed = user ?? this.#options.user;
    await new Promise((resolve, reject) => {
      this.#authenticating = { resolve: () => resolve(undefined), reject };
      this.#open();
    });
  }

  /** Starts a client in place of the one before. */
  #open() {
    const before = this.#client;
    // The functions of the client before this one are not called: it is no longer the avatar's.
    this.#client = undefined;
    before?.close();
    this.#refusal = undefined;
    // Those of a later `authenticate` are used by the next identification.
    const credentials = () => (typeof this.#credentials === "function" ? this.#credentials() : this.#credentials);
    // An avatar polls only if the program wants it.
    const poll = { heartbeat_ms: 0, ...this.#options.poll };
    const client = connect(this.#url, { ...this.#options, poll, user: this.#claimed, credentials });
    this.#client = client;
    const own = (/** @type {(detail: any) => void} */ listener) => (/** @type {any} */ detail) => {
      if (this.#client === client) listener(detail);
    };
    client.on("welcome", own(() => this.#welcomed(client)));
    client.on("service", own(() => this.#states.changed(client.services, this.#self)));
    client.on("error", own((error) => this.#failed(error)));
    client.on("state", own((change) => this.#changed(change)));
    for (const watch of this.#watches.all) begin(watch, client);
    for (const [name, functions] of this.#provided) this.#provide(client, name, functions);
  }

  /**
   * @param {Client} client
   * @param {string} name
   * @param {Functions} functions
   */
  #provide(client, name, functions) {
    client.provide(name, functions).catch((error) => {
      // A client that was closed meanwhile has nothing to report.
      if (this.#client === client && client.state !== "closed") this.#report(error);
    });
  }

  /** @param {Client} client */
  #welcomed(client) {
    this.#refusal = undefined;
    const waiting = this.#authenticating;
    this.#authenticating = undefined;
    const was_connected = this.#connected;
    this.#connected = true;
    this.#states.changed(client.services, this.#self);
    waiting?.resolve();
    // Of a connection that was there, the outcome of `authenticate` is its caller's alone.
    if (!was_connected) this.#events.emit("connect", this.#self);
  }

  /** @param {TurntableError} error */
  #failed(error) {
    // A name at both ends is what an avatar is for: `$av.chat` is the server's, `addService("chat")` the user's.
    if (error.command === "provide" && error.details?.own !== undefined) return;
    this.#refusal = error;
    const waiting = this.#authenticating;
    if (waiting && isTemporary(error.code)) {
      // The caller need not wait; the client tries again, and `onConnect` follows with the first success.
      this.#authenticating = undefined;
      this.#connected = false;
      waiting.reject(error);
      return;
    }
    const is_refusal = error.code === "unauthorized" && !this.authenticated;
    if (!is_refusal && !this.#authenticating) this.#report(error);
  }

  /** @param {TurntableError} error */
  #report(error) {
    if (this.#events.hasListeners("error")) this.#events.emit("error", error);
    else console.warn(`turntable: ${error.command ?? "error"}: ${error.code}: ${error.message}`);
  }

  /** @param {StateChange} change */
  #changed({ state, reason, message }) {
    if (state !== "offline" && state !== "closed") return;
    const waiting = this.#authenticating;
    if (state === "closed" && waiting) {
      this.#authenticating = undefined;
      waiting.reject(this.#refusal ?? new TurntableError("unavailable", message || `closed by the server: ${reason}`));
      // The outcome is its caller's alone: `onConnect` follows with the first success.
      if (this.#refusal) return;
    }
    const never_welcomed = state === "closed" && reason === "unauthorized" && !this.#connected;
    if (never_welcomed) {
      // The server answers, and wants credentials.
      this.#refusal ??= new TurntableError("unauthorized", message ?? "the server wants credentials");
      this.#connected = true;
      this.#events.emit("connect", this.#self);
      return;
    }
    // A further attempt follows, of the first connection or of `authenticate`.
    if (state === "offline" && (waiting || !this.#connected)) return;
    this.#connected = false;
    this.#events.emit("disconnect", this.#self);
  }
}

/**
 * @param {Watch} watch
 * @param {Client} client
 */
function begin(watch, client) {
  const { key, listener } = watch;
  watch.end = key === undefined ? client.attributes.watch(listener) : client.attributes.watch(key, listener);
}

/**
 * Creates an avatar; `connect` starts it. `new` is accepted and not needed.
 * @param {string | URL | ConnectOptions} [url] of the server, as for `connect`
 * @param {ConnectOptions} [options]
 * @returns {AvatarObject}
 */
export function ClientAvatar(url, options) {
  /** @type {any} */
  let self;
  const wrap = (/** @type {Avatar} */ avatar) => {
    self = new Proxy(avatar, {
      get(target, name) {
        // `await` treats an object with a `then` as a promise.
        if (typeof name !== "string" || name === "then") return Reflect.get(target, name, target);
        if (!(name in target)) return target.service(name);
        const value = Reflect.get(target, name, target);
        // Private fields are the avatar's own, not the proxy's.
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    return self;
  };
  new Avatar(...addressed(url, options), wrap);
  return self;
}
