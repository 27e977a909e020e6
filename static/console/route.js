/**
 * The selection, which is the fragment of the address: `#/users/1%3Amel?find=me`. So it
 * can be sent to others, and the buttons of the browser go through it.
 */

/** @typedef {{path: string[], query: Record<string, string>}} Route */

/** @param {string} hash  @returns {Route} */
export function parse(hash) {
  const [path, query] = hash.replace(/^#?\/?/, "").split("?", 2);
  return {
    path: path.split("/").filter(Boolean).map(decoded),
    query: Object.fromEntries(new URLSearchParams(query ?? "")),
  };
}

/** @param {string} text */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/**
 * The link to a view: `link("users", "1:mel")`. Parameters that are empty are left out.
 * @param {...(string|Record<string, string>)} parts
 */
export function link(...parts) {
  const path = parts.filter((part) => typeof part === "string").map((part) => encodeURIComponent(String(part)));
  const entries = parts.flatMap((part) => (typeof part === "string" ? [] : Object.entries(part)));
  const query = new URLSearchParams(entries.filter(([, value]) => value !== "")).toString();
  return `#/${path.join("/")}${query ? `?${query}` : ""}`;
}

/** Changes the query of the address without an entry in the history. @param {Record<string, string>} change */
export function change(change) {
  const { path, query } = parse(location.hash);
  history.replaceState(history.state, "", link(...path, { ...query, ...change }));
}
