/** Every method of the server as a form, made from its definition (`GET /api`). */

import { element, setText } from "./dom.js";
import { confirm, permitted } from "./confirm.js";
import { Fields } from "./form.js";
import { pretty } from "./format.js";
import { heading } from "./page.js";
import { link } from "./route.js";

/** @param {import("./page.js").Page} page  @returns {import("./page.js").View} */
export function methods({ api, route }) {
  const [, service, name] = route.path;
  const chosen = service && name ? api.method(`${service}/${name}`) : undefined;
  if (chosen) return form(api, `${service}/${name}`, chosen, route.query);
  const sections = Object.entries(api.definitions).map(([service, methods]) => element("section.card.stack", { id: service },
    element("h2", {}, service),
    element("ul.methods", {}, ...Object.entries(methods).map(([name, method]) => element("li", {},
      element("a", { href: link("methods", service, name), "data-testid": `method-${service}-${name}` }, `${service}/${name}`),
      element("span.small.muted", {}, ` (${method.params.map(({ name, optional }) => (optional ? `${name}?` : name)).join(", ")})`),
      element("span.small.description", {}, method.description))))));
  // A link cannot send the token.
  const openapi = element("a", { href: "openapi.json", hidden: api.token !== "" }, "OpenAPI document");
  return { title: "Methods", node: element("div.stack.wide", {}, heading("Methods", openapi), element("div.cards.halves", {}, ...sections)) };
}

/** What a call does. */
const KINDS = { look: "it changes nothing", message: "it sends something, and asks for a confirmation", change: "it changes something, and asks for a confirmation" };

/**
 * The form of a method. One that changes or sends something shows what it will do before.
 * @param {import("./api.js").Api} api
 * @param {string} name
 * @param {import("./api.js").Method} method
 * @param {Record<string, string>} texts  of its fields
 * @returns {import("./page.js").View}
 */
function form(api, name, method, texts) {
  const looks = method.kind === "look";
  const obstacle = api.obstacle(name) === undefined ? "" : ` Yours is ${api.caller?.role}.`;
  const fields = new Fields(method.params);
  for (const [field, text] of Object.entries(texts)) fields.set(field, text);
  const status = element("p.small.muted", { role: "status", "data-testid": "call-status" });
  const result = element("pre.result", { tabindex: "0", "data-testid": "result", "aria-label": "Result" });
  const request = element("pre.request", { "data-testid": "request", "aria-label": "Request" });
  const error = element("p.field-error.name", { role: "alert", hidden: true, "data-testid": "call-error" });
  const submit = element("button.primary", { type: "submit", "data-testid": "call", ...permitted(api, name) }, looks ? name : `${name} …`);
  const node = element("form.card.stack", { novalidate: true, "data-testid": "method-form" },
    element("p", {}, method.description),
    element("p.small.muted", {}, `Needs the role ${method.role}: ${KINDS[method.kind]}.${obstacle}`),
    fields.node, element("div.row", {}, submit), error, status, result,
    element("details", {}, element("summary", {}, "The same call by a program"), request));
  const preview = () => {
    const body = fields.json({}, { masked: true });
    setText(request, `curl -d '${body.replaceAll("'", "'\\''")}' ${new URL(`rpc/${name}`, location.href.replace(/#.*/, "")).href}`.split("\n"));
  };
  preview();
  node.addEventListener("input", preview);
  node.addEventListener("submit", async (event) => {
    event.preventDefault();
    const missing = fields.missing();
    error.hidden = missing === undefined;
    error.textContent = missing === undefined ? "" : `${missing} is missing`;
    if (missing !== undefined) return fields.focus();
    [status.textContent, result.textContent] = ["", ""];
    const body = fields.json();
    const began = performance.now();
    try {
      const text = looks
        ? await api.send(name, body)
        : await confirm(api, { method: name, title: name, effect: method.description, submit: "Do it", dangerous: method.kind === "change", body, shown: fields.json({}, { masked: true }) });
      if (text === undefined) return;
      status.textContent = looks ? `Answered after ${Math.round(performance.now() - began)} ms.` : "Done.";
      result.textContent = pretty(text);
    } catch (/** @type {any} */ failure) {
      error.hidden = false;
      setText(error, failure.code ? `${failure.code}: ${failure.message}` : failure.message);
    }
  });
  return {
    title: name,
    node: element("div.stack.wide", {}, heading(name, element("a", { href: link("methods") }, "All methods")), node),
  };
}
