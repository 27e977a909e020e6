/**
 * The server's services as an avatar shows them: an object per service, and the
 * changes of their states.
 * @module
 */

import { Emitter } from "./emitter.js";

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
export class ServiceStates {
  /** @type {Emitter<Record<string, AvatarObject>>} */
  #events = new Emitter();
  /** @type {Set<string> | undefined} */
  #enabled;

  /**
   * @param {"enable" | "disable"} event
   * @param {string} name of the service
   * @param {(avatar: AvatarObject) => void} listener
   * @returns {() => void} removes the listener
   */
  on(event, name, listener) {
    return this.#events.on(`${event} ${name}`, listener);
  }

  /**
   * Emits what has changed since the last time. What the first welcome says is no change.
   * @param {ReadonlyMap<string, ServiceInfo>} services
   * @param {AvatarObject} avatar that the listeners get
   */
  changed(services, avatar) {
    const before = this.#enabled;
    const now = new Set([...services].filter(([, { state }]) => state === "enabled").map(([name]) => name));
    this.#enabled = now;
    if (!before) return;
    for (const name of before) if (!now.has(name)) this.#events.emit(`disable ${name}`, avatar);
    for (const name of now) if (!before.has(name)) this.#events.emit(`enable ${name}`, avatar);
  }
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
export function facade(name, { info, call, states }) {
  return new Proxy(Object.create(null), {
    get(_target, fn) {
      // `await` treats an object with a `then` as a promise.
      if (typeof fn !== "string" || fn === "then") return undefined;
      if (fn === "enabled") return info()?.state === "enabled";
      if (fn === "functions") return info()?.functions ?? [];
      if (fn === "onEnable" || fn === "onDisable") {
        const event = fn === "onEnable" ? "enable" : "disable";
        return (/** @type {any} */ listener) => states.on(event, name, listener);
      }
      return (/** @type {any} */ args, /** @type {any} */ callback) => invoke(`${name}:${fn}`, args, callback, call);
    },
  });
}

/**
 * An object whose members are functions of one service and nothing else.
 * @param {string} name
 * @param {Call} call
 * @returns {Record<string, (args?: any, callback?: Callback) => any>}
 */
export function callsOf(name, call) {
  return new Proxy(Object.create(null), {
    get(_target, fn) {
      if (typeof fn !== "string" || fn === "then") return undefined;
      return (/** @type {any} */ args, /** @type {any} */ callback) => invoke(`${name}:${fn}`, args, callback, call);
    },
  });
}

/**
 * @param {string} f
 * @param {any} args may be left out
 * @param {any} callback
 * @param {Call} call
 */
function invoke(f, args, callback, call) {
  const [value, done] = typeof args === "function" ? [undefined, args] : [args, callback];
  return call(f, value, done);
}
