// @MARKER@

/** Any JSON. */
export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/**
 * A call without a result. `code` and `status` are those of the server's answer; without an answer the status is 0,
 * and the code "unreachable" or "timeout". An answer that is none of turntable has the code "bad_answer".
 */
export declare class ManagementError extends Error {
  readonly name: "ManagementError";
  readonly code: string;
  readonly status: number;
  readonly details?: Record<string, Json>;
}

export interface Options {
  /** "http://127.0.0.1:8181" without one; behind a proxy, with its path. */
  url?: string;
  /** A token of `management.tokens`. */
  token?: string | null;
  /** Milliseconds that a call may take: 30,000 without it. */
  timeout?: number;
  /** In place of the global one. */
  fetch?: (url: string, request: any) => Promise<any>;
}

@SERVICES@
/** The services of a management listener. */
export interface Management {
@SERVICE_FIELDS@
}

/** The services of a management listener, by its URL or by options. */
export declare function connect(options?: string | Options): Management;
