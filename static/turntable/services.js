/**
 * Remote calls in both directions: what the server offers, and what this
 * client provides.
 * @module
 */

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

export class Services {
  #session;
  #kept;
  /** @type {Map<string, ServiceInfo>} */
  #known = new Map();
  /** @type {Map<string, Map<string, (args: any) => any>>} */
  #provided = new Map();

  /**
   * @param {Session} session
   * @param {Kept} kept
   */
  constructor(session, kept) {
    this.#session = session;
    this.#kept = kept;
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
    return this.#session.ask("call", { f, args: args ?? null });
  }

  /**
   * @param {string} name
   * @param {Functions} functions
   * @returns {Promise<void>}
   */
  async provide(name, functions) {
    this.#provided.set(name, new Map(Object.entries(functions).filter(([, fn]) => typeof fn === "function")));
    await this.#kept.want("provide", "provide", () => ({
      services: Object.fromEntries([...this.#provided].map(([service, all]) => [service, [...all.keys()]])),
    }));
  }

  /**
   * The server calls.
   * @param {any} data
   * @param {any} id where an answer is wanted
   */
  async called(data, id) {
    const f = String(data?.f);
    const cut = f.indexOf(":");
    const fn = this.#provided.get(f.slice(0, cut))?.get(f.slice(cut + 1));
    let result;
    let error;
    try {
      if (fn) result = await fn(data.args);
      else error = { code: "not_found", message: `this client provides no ${f}` };
    } catch (thrown) {
      // Nobody awaits an answer: then it is an uncaught error like any other.
      if (id === undefined) throw thrown;
      error = { code: "internal", message: thrown instanceof Error ? thrown.message : String(thrown) };
    }
    if (id !== undefined) this.#session.answer(id, result, error);
  }

  /** @param {Record<string, ServiceInfo>} [all] as the welcome tells them */
  begin(all = {}) {
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
 * Makes `service(name).fn(args)` a call of `name:fn`.
 * @param {Services} services
 * @param {string} name
 * @returns {Record<string, (args?: any) => Promise<any>>}
 */
export function stub(services, name) {
  return new Proxy(Object.create(null), {
    get(_target, fn) {
      // An object with a `then` would be taken for a promise.
      if (typeof fn !== "string" || fn === "then") return undefined;
      return (/** @type {any} */ args) => services.call(`${name}:${fn}`, args);
    },
  });
}
