/**
 * Remote calls in both directions: services of the server, and functions that
 * this client provides.
 * @module
 */

import { opaque } from "./binary.js";
import { TurntableError } from "./error.js";
import { wrongUser } from "./id.js";

/** @import { DesiredState } from "./desired_state.js" */
/** @import { Session } from "./session.js" */

/**
 * @typedef {object} ServiceInfo
 * @property {"enabled" | "disabled"} [state]
 * @property {string[]} [functions]
 * @property {string} [url]
 * @property {string} [protocol]
 */

/**
 * The call that a provided function answers.
 * @typedef {object} Called
 * @property {string} [user] who calls; undefined: the server
 * @property {string} [key] of a function that the server calls again at another instance if the one
 *   that had the call is lost: the same for both, and of no other call of the service
 * @property {AbortSignal} signal aborted when the answer is no longer awaited: at the deadline,
 *   or when the session is lost
 */

/** @typedef {(args: any, call: Called) => any} ProvidedFunction */
/** @typedef {Record<string, ProvidedFunction>} Functions */

/**
 * What the server made of the names that the client provides.
 * @typedef {object} Provided
 * @property {string[]} services those of which the client is an instance
 * @property {string[]} own those that are functions of its user
 */

/**
 * A call that a provided function is answering.
 * @typedef {object} Running
 * @property {string} service
 * @property {AbortController} controller
 * @property {Promise<void>} done
 */

/**
 * Where a service is for direct connections, and what it is shown there.
 * @typedef {object} DirectConnection
 * @property {string} url
 * @property {string} protocol `websocket`, `http`, or as the configuration says
 * @property {string} token
 * @property {number} expires_in seconds until the token expires
 */

/** The server's function that gives a token for a direct connection. */
const DIRECT = "$av:direct";
/** The server's message that the answer to a call is no longer awaited. */
const CANCEL = "$av:cancel";

export class Services {
  #session;
  #desired;
  #report;
  /** @type {Map<string, ServiceInfo>} */
  #known = new Map();
  /** @type {Map<string, Map<string, ProvidedFunction>>} */
  #provided = new Map();
  /** Provided services that the server was asked to give no more calls to. @type {Set<string>} */
  #withdrawn = new Set();
  /** By the id of the call. @type {Map<string, Running>} */
  #running = new Map();

  /**
   * @param {Session} session
   * @param {DesiredState} desired
   * @param {(error: TurntableError) => void} report an error of no call
   */
  constructor(session, desired, report) {
    this.#session = session;
    this.#desired = desired;
    this.#report = report;
  }

  /** @returns {ReadonlyMap<string, ServiceInfo>} */
  get known() {
    return this.#known;
  }

  /**
   * @param {string} f
   * @param {any} args
   * @param {string} [user] whose function it is; undefined: a service's
   * @returns {Promise<any>}
   */
  async call(f, args, user) {
    const wrong = wrongUser(user);
    if (wrong) throw wrong;
    return this.#session.request("call", { f, args: opaque(args, "call"), ...(user !== undefined && { user }) });
  }

  /**
   * @param {string} service
   * @returns {Promise<DirectConnection>}
   */
  direct(service) {
    return this.call(DIRECT, { service });
  }

  /**
   * @param {string} name
   * @param {Functions} functions
   * @returns {Promise<Provided>}
   */
  async provide(name, functions) {
    const named = Object.entries(functions ?? {}).filter(([, fn]) => typeof fn === "function");
    if (typeof name !== "string" || name === "") throw wrongProvision("the name of a service is a string that is not empty");
    if (named.length === 0) throw wrongProvision(`the functions of ${name} are an object with a function as a member of its own, such as { hello: (args) => ... }`);
    const before = this.#provided.get(name);
    const provision = new Map(named);
    this.#provided.set(name, provision);
    this.#withdrawn.delete(name);
    const answer = await this.#announce(() => {
      if (this.#provided.get(name) !== provision) return;
      if (before) this.#provided.set(name, before);
      else this.#provided.delete(name);
    });
    const provided = { services: answer?.services ?? [], own: answer?.own ?? [] };
    if (provided.own.includes(name) && this.#known.has(name)) {
      this.#report(new TurntableError("forbidden", `the server has a service ${name} of which this client is no instance: its user is not among the providers, or showed no token of it. The functions are the user's own`, { command: "provide", details: { own: name } }));
    }
    return provided;
  }

  /**
   * Gets no more calls of a service, and answers those that it has.
   * @param {string} name
   * @returns {Promise<void>} resolves when they are answered
   */
  async withdraw(name) {
    if (!this.#provided.has(name)) return;
    this.#withdrawn.add(name);
    await this.#announce();
    const of_it = [...this.#running.values()].filter(({ service }) => service === name);
    await Promise.all(of_it.map(({ done }) => done));
    if (this.#withdrawn.delete(name)) this.#provided.delete(name);
  }

  /** @param {() => void} [refused] */
  #announce(refused) {
    const functions = (/** @type {string} */ name, /** @type {Map<string, ProvidedFunction>} */ all) => (this.#withdrawn.has(name) ? [] : [...all.keys()]);
    return this.#desired.set("provide", "provide", () => ({
      services: Object.fromEntries([...this.#provided].map(([name, all]) => [name, functions(name, all)])),
    }), refused);
  }

  /**
   * Handles a call of the server.
   * @param {any} data
   * @param {any} id undefined if the server expects no answer
   */
  async called(data, id) {
    const f = String(data?.f);
    if (f === CANCEL) return this.#cancel(String(data.args?.id));
    const cut = f.indexOf(":");
    const service = f.slice(0, cut);
    const fn = this.#provided.get(service)?.get(f.slice(cut + 1));
    const controller = new AbortController();
    const key = String(id);
    const outcome = answer(f, fn, data?.args, { user: data?.user, key: data?.key, signal: controller.signal });
    if (id === undefined) {
      // No answer is expected: an error is reported as an uncaught one.
      const { thrown } = await outcome;
      if (thrown) throw thrown.error;
      return;
    }
    const done = outcome.then(({ result, error, thrown }) => {
      if (this.#running.get(key)?.controller !== controller) return;
      this.#running.delete(key);
      const unsent = this.#session.reply(id, result, error);
      if (unsent) this.#report(withFunction(unsent, f));
      // What a function says to its caller is no fault of it.
      if (thrown && !(thrown.error instanceof TurntableError)) this.#report(failure(f, thrown.error));
    });
    this.#running.set(key, { service, controller, done });
    await done;
  }

  /** A new session: its calls have ids of their own. */
  reset() {
    for (const id of [...this.#running.keys()]) this.#cancel(id);
  }

  /** @param {string} id of a call whose answer is no longer awaited */
  #cancel(id) {
    const running = this.#running.get(id);
    this.#running.delete(id);
    running?.controller.abort();
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

/**
 * @typedef {object} Outcome
 * @property {any} [result]
 * @property {{code: string, message: string}} [error]
 * @property {{error: unknown}} [thrown]
 */

/**
 * Calls a provided function.
 * @param {string} f
 * @param {ProvidedFunction | undefined} fn
 * @param {any} args
 * @param {Called} call
 * @returns {Promise<Outcome>}
 */
async function answer(f, fn, args, call) {
  if (!fn) return { error: { code: "not_found", message: `this client does not provide ${f}` } };
  try {
    return { result: await fn(args, call) };
  } catch (error) {
    // A function that throws a TurntableError chooses what its caller learns. Other errors
    // may tell what is none of a caller's business.
    const { code, message } = error instanceof TurntableError ? error : { code: "internal", message: "the function failed" };
    return { error: { code, message }, thrown: { error } };
  }
}

/**
 * A provided function threw what it does not say to its caller.
 * @param {string} f
 * @param {unknown} thrown
 */
function failure(f, thrown) {
  const error = new TurntableError("internal", `the provided function ${f} failed: ${thrown}`, { command: "call", details: { f } });
  error.cause = thrown;
  return error;
}

/**
 * @param {TurntableError} error of a result
 * @param {string} f whose result it is
 */
function withFunction({ code, message, details }, f) {
  return new TurntableError(code, `the result of ${f}: ${message}`, { command: "reply", details: { ...details, f } });
}

/** @param {string} message */
function wrongProvision(message) {
  return new TurntableError("bad_message", message, { command: "provide" });
}
