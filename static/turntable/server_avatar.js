/**
 * The avatar of a user as a program beside the server has it: the services of the user,
 * live attributes, and the functions that its clients offer.
 * `avatar.friends.newFriend(args)` calls the function `newFriend` of their service `friends`.
 * @module
 */

import { callsOf } from "./avatar_services.js";
import { quiet, settle } from "./outcome.js";
import { WatchList } from "./watch_list.js";

/** @import { AttributeListener } from "./attributes.js" */
/** @import { Callback } from "./avatar.js" */

/**
 * A function of a service: gets the call's argument and the avatar of the user who calls;
 * undefined: the server calls. `signal` is aborted when the answer is no longer awaited.
 * @typedef {(args: any, avatar: ServerAvatarObject | undefined, call: {signal: AbortSignal}) => any} AvatarFunction
 */

/** @typedef {Record<string, AvatarFunction>} AvatarFunctions */

/** @typedef {Record<string, (args?: any, callback?: Callback) => any>} ClientService */

/** @typedef {ServerAvatar & Record<string, ClientService>} ServerAvatarObject */

/**
 * @typedef {object} ServerAvatarHooks
 * @property {(name: string, functions: AvatarFunctions) => Promise<any>} provide
 * @property {(service: string, method: string, parameters: Record<string, any>) => Promise<any>} rpc
 * @property {(error: unknown) => void} report an error of no call
 */

/**
 * What an avatar begins with.
 * @typedef {object} Plan
 * @property {Record<string, any>} attributes
 * @property {Set<string>} services
 * @property {Promise<any>[]} waiting until its services are provided
 */

/** Ids of events that are remembered, because an event may come twice. */
const EVENTS_MAX = 64;

export class ServerAvatar {
  #hooks;
  /** @type {ServerAvatarObject} */
  #self;
  /** @type {Map<string, any>} */
  #attributes;
  /** @type {Map<string, AvatarFunctions>} */
  #services = new Map();
  #watches = new WatchList();
  /** While the factory runs. @type {Plan | undefined} */
  #plan;
  /** @type {string[]} */
  #events = [];

  /** The user's id. @readonly */
  user;

  /**
   * @internal
   * @param {string} user
   * @param {Record<string, any>} attributes
   * @param {ServerAvatarHooks} hooks
   * @param {(avatar: ServerAvatar) => ServerAvatarObject} wrap
   */
  constructor(user, attributes, hooks, wrap) {
    this.user = user;
    this.#attributes = new Map(Object.entries(attributes));
    this.#hooks = hooks;
    this.#self = wrap(this);
  }

  /**
   * @internal
   * @param {string} user
   * @param {Record<string, any>} attributes
   * @param {ServerAvatarHooks} hooks
   * @returns {ServerAvatarObject}
   */
  static create(user, attributes, hooks) {
    /** @type {any} */
    let self;
    /** @type {Map<string, ClientService>} */
    const services = new Map();
    const wrap = (/** @type {ServerAvatar} */ avatar) => {
      self = new Proxy(avatar, {
        get(target, name) {
          // `await` treats an object with a `then` as a promise.
          if (typeof name !== "string" || name === "then") return Reflect.get(target, name, target);
          if (name in target) {
            const value = Reflect.get(target, name, target);
            // Private fields are the avatar's own, not the proxy's.
            return typeof value === "function" ? value.bind(target) : value;
          }
          const service = services.get(name) ?? callsOf(name, (f, args, callback) => target.call(f, args, callback));
          services.set(name, service);
          return service;
        },
      });
      return self;
    };
    new ServerAvatar(user, attributes, hooks, wrap);
    return self;
  }

  /**
   * Gives the user a service: within the factory. The program offers it to the server, for
   * every avatar that is given it.
   * @param {string} name
   * @param {AvatarFunctions} functions
   */
  addService(name, functions) {
    if (!this.#plan) throw new TypeError("addService belongs into the avatarFactory: the avatar has begun");
    this.#services.set(name, functions);
    this.#plan.services.add(name);
    this.#plan.waiting.push(this.#hooks.provide(name, functions));
    return this.#self;
  }

  /**
   * Disables a service for this user, and for no other: its clients hear it, and its calls are
   * `service_down`, in later sessions too, until `enableService`. `Portal.disableService` disables it for all users.
   * @param {string} name
   * @param {Callback} [callback] called with the outcome; without one a promise is returned
   * @returns {Promise<any> | void} the service as it is for the user
   */
  disableService(name, callback) {
    return this.#switch("disable", name, callback);
  }

  /**
   * Ends `disableService`; a service that is disabled for all users remains so.
   * @param {string} name
   * @param {Callback} [callback] called with the outcome; without one a promise is returned
   * @returns {Promise<any> | void} the service as it is for the user
   */
  enableService(name, callback) {
    return this.#switch("enable", name, callback);
  }

  /**
   * Sets live attributes; null removes one. Within the factory the avatar begins with them.
   * @param {Record<string, any>} changes
   * @param {Callback} [callback] called with the outcome; without one a promise is returned
   * @returns {Promise<any> | void}
   */
  set(changes, callback) {
    if (this.#plan) {
      Object.assign(this.#plan.attributes, changes);
      this.#apply(changes);
      return settle(Promise.resolve(true), callback);
    }
    const set = this.#hooks.rpc("user", "setAttributes", { userId: this.user, attributes: changes });
    return quiet(settle(set.then((r) => (this.#apply(changes), r)), callback));
  }

  /**
   * The value of an attribute as far as this program knows it: what the avatar began with,
   * what this program set, and what the server reported since.
   * @param {string} key
   * @returns {any} undefined if it is not known
   */
  get(key) {
    return this.#attributes.get(key);
  }

  /**
   * Calls a function with each new value of one attribute, or of any, that the user's clients
   * set; null if it was removed. The server reports those in `webhooks.attributes`.
   * @param {string | AttributeListener} key
   * @param {AttributeListener} [listener]
   * @returns {() => void} ends the watch
   */
  watch(key, listener) {
    const watch = this.#watches.add(key, listener);
    return () => this.#watches.end(watch);
  }

  /**
   * Ends watches: of one attribute, of one function, or of both; without arguments all of them.
   * @param {string | AttributeListener} [key]
   * @param {AttributeListener} [listener]
   */
  unwatch(key, listener) {
    this.#watches.endAll(key, listener);
  }

  /**
   * Calls a function that the user's clients offer.
   * @param {string} f `service:function`
   * @param {any} [args]
   * @param {Callback} [callback] called with the result or the error; without one a promise is returned
   * @returns {Promise<any> | void}
   */
  call(f, args, callback) {
    return quiet(settle(this.#hooks.rpc("user", "call", { userId: this.user, f, args: args ?? null }), callback));
  }

  /**
   * The functions of a service that this avatar was given.
   * @internal
   * @param {string} name
   */
  functions(name) {
    return this.#services.get(name);
  }

  /**
   * Runs the factory; what it adds and sets is the plan.
   * @internal
   * @param {() => any} factory
   * @returns {Promise<{attributes: Record<string, any>, services: string[]}>}
   */
  async plan(factory) {
    /** @type {Plan} */
    const plan = { attributes: {}, services: new Set(), waiting: [] };
    this.#plan = plan;
    try {
      await factory();
      // Before the user is welcomed: its first call may come right behind.
      await Promise.all(plan.waiting);
    } finally {
      this.#plan = undefined;
    }
    return { attributes: plan.attributes, services: [...plan.services] };
  }

  /**
   * The server reports what a client has set.
   * @internal
   * @param {string} event its id: an event may come twice
   * @param {Record<string, any>} changes
   */
  changed(event, changes) {
    if (this.#events.includes(event)) return;
    this.#events.push(event);
    if (this.#events.length > EVENTS_MAX) this.#events.shift();
    this.#apply(changes);
    this.#watches.call(Object.entries(changes), (error) => this.#hooks.report(error));
  }

  /**
   * @param {"disable" | "enable"} method
   * @param {string} name
   * @param {Callback | undefined} callback
   */
  #switch(method, name, callback) {
    return quiet(settle(this.#hooks.rpc("service", method, { name, userId: this.user }), callback));
  }

  /** @param {Record<string, any>} changes */
  #apply(changes) {
    for (const [key, value] of Object.entries(changes)) {
      if (value === null || value === undefined) this.#attributes.delete(key);
      else this.#attributes.set(key, value);
    }
  }
}
