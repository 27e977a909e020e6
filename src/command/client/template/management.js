// @MARKER@

/** Milliseconds that a call may take. */
const TIMEOUT = 30_000;

/**
 * A call without a result. `code` and `status` are those of the server's answer; without an answer the status is 0,
 * and the code "unreachable" or "timeout". An answer that is none of turntable has the code "bad_answer".
 */
export class ManagementError extends Error {
  constructor(code, message, status, details) {
    super(message);
    this.name = "ManagementError";
    this.code = code;
    this.status = status;
    if (details !== undefined) this.details = details;
  }
}

@SERVICES@
/**
 * The services of a management listener.
 *
 * @param {string | { url?: string, token?: string, timeout?: number, fetch?: Function }} [options] its URL, or:
 *   `url` ("http://127.0.0.1:8181"; behind a proxy, with its path), `token`, `timeout` in milliseconds (30,000),
 *   and another `fetch`
 */
export function connect(options = {}) {
  const given = typeof options === "string" ? { url: options } : options;
  const { url = "http://127.0.0.1:8181", token, timeout = TIMEOUT, fetch = globalThis.fetch } = given;
  const base = baseOf(url);
  const headers = { "content-type": "application/json" };
  if (token !== undefined && token !== null) {
    if (!/^[\x21-\x7e]+$/.test(token)) throw new TypeError("a token is of visible ASCII characters");
    headers.authorization = `Bearer ${token}`;
  }

  async function call(service, method, parameters) {
    const body = JSON.stringify(parameters);
    let status, text;
    try {
      // The token is for this server: a redirection is an answer like others, and not followed.
      const request = { method: "POST", headers, body, redirect: "manual", signal: AbortSignal.timeout(timeout) };
      const response = await fetch(`${base}/rpc/${service}/${method}`, request);
      status = response.status;
      text = await response.text();
    } catch (error) {
      if (error?.name === "TimeoutError") throw new ManagementError("timeout", `no answer within ${timeout} ms`, 0);
      const reason = error?.cause?.message || error?.cause?.code || error?.message;
      throw new ManagementError("unreachable", `${base}: ${reason}`, 0);
    }
    return resultOf(status, text);
  }

  return Object.freeze({
@SERVICE_FIELDS@
  });
}

/** The URL without a slash at its end. */
function baseOf(url) {
  const parsed = new URL(url);
  const { protocol, username, password, search, hash } = parsed;
  const isPlain = username === "" && password === "" && search === "" && hash === "";
  if (!["http:", "https:"].includes(protocol) || !isPlain) {
    throw new TypeError("accepted is a URL like http://127.0.0.1:8181, without a name, password or query");
  }
  return parsed.origin + parsed.pathname.replace(/\/+$/, "");
}

/** The result that an answer has. */
function resultOf(status, text) {
  let json;
  try {
    json = JSON.parse(text);
  } catch {
    throw new ManagementError("bad_answer", `the status is ${status}, and the answer no JSON`, status);
  }
  if (status === 200) return json;
  const error = json?.error;
  if (typeof error?.code === "string") throw new ManagementError(error.code, error.message, status, error.details);
  throw new ManagementError("bad_answer", `the status is ${status}, and the answer none of turntable`, status);
}
