/**
 * Remote calls in both directions: services of the server, and functions that
 * this client provides.
 * @module
 */

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

export class Services {
  #session;
  #desired;
  /** @type {Map<string, ServiceInfo>} */
  #known = new Map();
  /** @type {Map<string, Map<string, (args: any) => any>>} */
  #provided = new Map();

  /**
   * @param {Session} session
   * @param {DesiredState} desired
   */
  constructor(session, desired) {
    this.#session = session;
    this.#desired = desired;
  }

  /** @returns {ReadonlyMap<string, ServiceInfo>} */
  get known() {
    return this.#known;
  }

  /**
   * @param {string} f
   * @param {any} args
   * @returns {Promise<any>}
   */
  call(f, args) {
    return this.#session.request("call", { f, args: args ?? null });
  }

  /**
   * @param {string} name
   * @param {Functions} functions
   * @returns {Promise<void>}
   */
  async provide(name, functions) {
    this.#provided.set(name, new Map(Object.entries(functions).filter(([, fn]) => typeof fn === "function")));
    await this.#desired.set("provide", "provide", () => ({
      services: Object.fromEntries([...this.#provided].map(([service, all]) => [service, [...all.keys()]])),
    }));
  }

  /**
   * Handles a call of the server.
   * @param {any} data
   * @param {any} id undefined if the server expects no answer
   */
  async called(data, id) {
    const f = String(data?.f);
    const cut = f.indexOf(":");
    const fn = this.#provided.get(f.slice(0, cut))?.get(f.slice(cut + 1));
    let result;
    let error;
    try {
      if (fn) result = await fn(data.args);
      else error = { code: "not_found", message: `this client does not provide ${f}` };
    } catch (thrown) {
      // No answer is expected: report it as an uncaught error.
      if (id === undefined) throw thrown;
      error = { code: "internal", message: thrown instanceof Error ? thrown.message : String(thrown) };
    }
    if (id !== undefined) this.#session.reply(id, result, error);
  }

  /** @param {Record<string, ServiceInfo>} [all] of the welcome */
  replace(all = {}) {
    this.#known.clear();
    this.changed(all);
  }

  /** @param {Record<string, ServiceInfo>} changes */
  changed(changes) {
    for (const [name, info] of Object.entries(changes ?? {})) {
      this.#known.set(name, { ...this.#known.get(name), ...info });
    }
  }
}

/**
 * An object whose method `fn(args)` calls the function `name:fn`.
 * @param {Services} services
 * @param {string} name
 * @returns {Record<string, (args?: any) => Promise<any>>}
 */
export function stub(services, name) {
  return new Proxy(Object.create(null), {
    get(_target, fn) {
      // `await` treats an object with a `then` as a promise.
      if (typeof fn !== "string" || fn === "then") return undefined;
      return (/** @type {any} */ args) => services.call(`${name}:${fn}`, args);
    },
  });
}
