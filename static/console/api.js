/**
 * Calls of the management listener that served this page: its methods, their
 * definitions, the metrics. Where a token is needed, `need` is called and the call
 * fails with `unauthorized`.
 */

import { parse } from "./metrics.js";

const TOKEN = "turntable.console.token";
/** How long the metrics and the health may take, ms. */
const LOOK_MS = 5_000;
/** The same for other answers, ms: the server reports what it waits for within 12 s. */
const ANSWER_MS = 20_000;

/** Whether a call failed because there was no answer: `fetch` fails with a TypeError, and after its deadline. @param {unknown} error */
export function isUnanswered(error) {
  return error instanceof TypeError || (error instanceof DOMException && error.name === "TimeoutError");
}

/** A call that was refused, with the code of the server. */
export class CallError extends Error {
  /** @param {{code: string, message: string}} error  @param {number} status */
  constructor({ code, message }, status) {
    super(message);
    this.name = "CallError";
    this.code = code;
    this.status = status;
  }
}

/**
 * A parameter and a method of `GET /api`.
 * @typedef {{name: string, type: string, optional?: boolean}} Parameter
 * @typedef {{description: string, role: "read"|"operate"|"admin", kind: "look"|"message"|"change", params: Parameter[], result: any}} Method
 */

/** Each may do what those before it may. */
const ROLES = ["read", "operate", "admin"];

export class Api {
  /** @param {() => void} need  called when a call is refused for want of a token */
  constructor(need) {
    this.need = need;
    /** @type {Record<string, Record<string, Method>>} */
    this.definitions = {};
    /** Who calls; undefined where the server does not say. @type {{name: string, role: string}|undefined} */
    this.caller = undefined;
  }

  /** The token of this tab. It is in no address, and goes with the tab. */
  get token() {
    return sessionStorage.getItem(TOKEN) ?? "";
  }

  set token(token) {
    if (token) sessionStorage.setItem(TOKEN, token);
    else sessionStorage.removeItem(TOKEN);
  }

  /** Loads the definitions of all methods, and who calls them. */
  async load() {
    this.definitions = await (await this.fetch("api")).json();
    this.caller = this.method("audit/getCaller") ? await this.call("audit/getCaller") : undefined;
  }

  /** @param {string} name  SERVICE/METHOD  @returns {Method|undefined} */
  method(name) {
    const [service, method] = name.split("/");
    return Object.hasOwn(this.definitions, service) && Object.hasOwn(this.definitions[service], method)
      ? this.definitions[service][method] : undefined;
  }

  /**
   * Why the caller cannot call a method: the server has none of this name, or its role may not; undefined if it can.
   * @param {string} name  SERVICE/METHOD
   */
  obstacle(name) {
    const method = this.method(name);
    if (!method) return `This server has no ${name}.`;
    if (!this.caller || ROLES.indexOf(this.caller.role) >= ROLES.indexOf(method.role)) return undefined;
    return `This needs the role ${method.role}; yours is ${this.caller.role}.`;
  }

  /**
   * Calls a method with these parameters.
   * @param {string} name  SERVICE/METHOD
   * @param {Record<string, unknown>} [params]
   * @returns {Promise<any>}
   */
  async call(name, params = {}) {
    return JSON.parse(await this.send(name, JSON.stringify(params)));
  }

  /**
   * Calls a method; the parameters and the result are JSON texts, so that no digit of
   * a number is lost.
   * @param {string} name
   * @param {string} body
   */
  async send(name, body) {
    const answer = await this.fetch(`rpc/${name}`, { method: "POST", body, headers: { "content-type": "application/json" } });
    return answer.text();
  }

  /** The metrics of now. */
  async metrics() {
    return parse(await (await this.fetch("metrics", { signal: AbortSignal.timeout(LOOK_MS) })).text());
  }

  /** Whether the server takes clients: `ready`, `draining`, ...; with a store that is not well, its state too. */
  async health() {
    const answer = await fetch(address("health"), { cache: "no-store", signal: AbortSignal.timeout(LOOK_MS) });
    const { status, store } = await answer.json();
    return store ? `${status}, store ${store}` : String(status);
  }

  /**
   * @param {string} path
   * @param {{method?: string, body?: string, headers?: Record<string, string>, signal?: AbortSignal}} [init]
   */
  async fetch(path, { headers, signal = AbortSignal.timeout(ANSWER_MS), ...init } = {}) {
    const sent = new Headers(headers);
    if (this.token) sent.set("authorization", `Bearer ${this.token}`);
    const answer = await fetch(address(path), { ...init, signal, headers: sent, cache: "no-store", redirect: "error" });
    if (answer.ok) return answer;
    const body = await answer.json().catch(() => undefined);
    const error = new CallError(body?.error ?? { code: String(answer.status), message: answer.statusText }, answer.status);
    if (error.code === "unauthorized") this.need();
    throw error;
  }
}

/** The address of a path of the listener, also behind a proxy with a prefix. @param {string} path */
export function address(path) {
  return new URL(path, new URL("./", document.baseURI)).href;
}
