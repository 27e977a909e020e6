/** Asks for the token, where the listener needs one. It is in no address and goes with the tab. */

import { element } from "./dom.js";

/** @param {import("./api.js").Api} api  @param {() => Promise<void>} start  @returns {HTMLElement} */
export function tokenForm(api, start) {
  const was = api.token !== "";
  const input = /** @type {HTMLInputElement} */ (element("input", {
    type: "password", id: "token", autocomplete: "off", spellcheck: "false", required: true, "data-testid": "token",
  }));
  const form = element("form.card.stack.token", { novalidate: true },
    element("h1", {}, "Token"),
    element("p", {}, "This server needs a token: an entry of [management.tokens] of its configuration. It is stored for this tab alone."),
    element("p.field-error", { role: "alert", hidden: !was, "data-testid": "token-error" }, "The token is in no entry."),
    element("div.field", {}, element("label", { for: "token" }, "Token"), input),
    element("div.row.end", {}, element("button.primary", { type: "submit", "data-testid": "token-use" }, "Use the token")));
  api.token = "";
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (input.value.trim() === "") return input.focus();
    api.token = input.value.trim();
    void start();
  });
  queueMicrotask(() => input.focus());
  return form;
}
