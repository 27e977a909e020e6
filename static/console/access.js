/** Who acts in this tab: the token, and how it is replaced or forgotten. */

import { element } from "./dom.js";
import { heading } from "./page.js";
import { Facts } from "./table.js";

/** @param {import("./page.js").Page} page  @returns {import("./page.js").View} */
export function access({ api }) {
  const facts = new Facts("access-facts");
  const input = /** @type {HTMLInputElement} */ (element("input", {
    type: "password", id: "next-token", autocomplete: "off", spellcheck: "false", "data-testid": "next-token",
  }));
  const forget = /** @type {HTMLButtonElement} */ (element("button", { type: "button", "data-testid": "token-forget", disabled: api.token === "" }, "Forget the token"));
  const form = element("form.card.stack.token", { novalidate: true },
    element("p", {}, "A token is an entry of [management.tokens] of the configuration. It is stored for this tab alone."),
    element("div.field", {}, element("label", { for: "next-token" }, "Another token"), input),
    element("div.row.end", {}, forget, element("button.primary", { type: "submit", "data-testid": "token-replace" }, "Use the token")));
  // The page begins anew: nothing that another caller was shown stays.
  const use = (/** @type {string} */ token) => {
    api.token = token;
    location.reload();
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (input.value.trim() === "") return input.focus();
    use(input.value.trim());
  });
  forget.addEventListener("click", () => use(""));
  return {
    title: "Access",
    node: element("div.stack.wide", {}, heading("Access"), element("section.card.stack", {}, facts.node), form),
    update: async () => {
      const { name, role } = await api.call("audit/getCaller");
      facts.show([["You act as", api.token === "" ? `${name}, without a token` : name], ["Role", role]]);
    },
  };
}
