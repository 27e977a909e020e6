/** A message at the edge of the page, for some seconds. */

import { byId, element } from "./dom.js";

const SHOWN_MS = 6000;

/** @param {string} text  @param {"good"|"bad"} [kind] */
export function toast(text, kind = "good") {
  const node = element("p.toast.name", { role: "status", class: kind === "bad" ? "toast name bad" : undefined, "data-testid": "toast" }, text);
  byId("toasts").append(node);
  setTimeout(() => node.remove(), SHOWN_MS);
}
