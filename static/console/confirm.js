/**
 * A change is shown before it is made: what it does to whom, the request that does it,
 * and the fields that are still open.
 */

import { element, setText } from "./dom.js";
import { Fields } from "./form.js";
import { toast } from "./toast.js";

/**
 * @typedef {object} Change
 * @property {string} method  SERVICE/METHOD
 * @property {Record<string, unknown>} [given]  parameters that are known; the others are fields
 * @property {string} title  what is done: "Kick 1:mel"
 * @property {string|string[]} effect  what that does, in a sentence or two; of a list the first entry is one, and each other a line below it
 * @property {string[]} [warnings]  of the configuration that is in force then
 * @property {Record<string, string>} [texts]  what fields begin with
 * @property {(result: any, params: any) => string|undefined} [outcome]  what the result says, in words: "1 session ended"
 * @property {string} [submit]  the name of the button
 * @property {boolean} [dangerous]  whether it ends or deletes something
 * @property {string} [body]  the whole request, where a form has it already
 * @property {string} [shown]  that request without secrets
 * @property {() => Promise<Partial<Change>>} [again]  after a conflict: what the change does now, and what is given then
 */

/**
 * Shows a change, and carries it out once it is confirmed.
 * @param {import("./api.js").Api} api
 * @param {Change} change
 * @returns {Promise<string|undefined>}  the result as JSON; undefined if it was cancelled
 */
export function confirm(api, { method, given = {}, title, effect, submit = title, dangerous = false, warnings = [], texts = {}, outcome, body, shown, again }) {
  const params = body === undefined ? (api.method(method)?.params ?? []).filter((param) => !Object.hasOwn(given, param.name)) : [];
  const fields = new Fields(params);
  for (const [name, text] of Object.entries(texts)) fields.set(name, text);
  const request = element("pre.request", { "data-testid": "confirm-request" });
  const preview = () => {
    setText(request, [`POST /rpc/${method}`, ...(shown ?? fields.json(given, { masked: true })).split("\n")]);
  };
  const error = element("p.field-error", { role: "alert", hidden: true });
  const does = element("div.effect", { "data-testid": "confirm-effect" });
  /** @param {string|string[]} effect  @param {string[]} warnings */
  const tell = (effect, warnings) => {
    const [first, ...rest] = [effect].flat();
    const list = rest.map((text) => element("li.name", {}, text));
    does.replaceChildren(element("p.name", {}, first), ...(list.length > 0 ? [element("ul", {}, ...list)] : []), ...warningPart(warnings));
  };
  tell(effect, warnings);
  const yes = /** @type {HTMLButtonElement} */ (element("button.primary", { type: "submit", "data-testid": "confirm", class: dangerous ? "primary danger" : undefined }, submit));
  const no = element("button", { type: "button", "data-testid": "cancel" }, "Cancel");
  const form = element("form.stack", { novalidate: true },
    element("h2.name", { id: "confirm-title" }, title),
    does,
    fields.node,
    element("details", {}, element("summary", {}, "Request"), request),
    error,
    element("div.row.end", {}, no, yes));
  const dialog = /** @type {HTMLDialogElement} */ (element("dialog.confirm", { "aria-labelledby": "confirm-title", "data-testid": "confirm-dialog" }, form));
  document.body.append(dialog);
  preview();
  form.addEventListener("input", preview);
  /** @type {string|undefined} */
  let result;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const missing = fields.missing();
    error.hidden = missing === undefined;
    error.textContent = missing === undefined ? "" : `${missing} is missing`;
    if (missing !== undefined) return fields.focus();
    yes.disabled = true;
    try {
      const sent = body ?? fields.json(given);
      result = await api.send(method, sent);
      dialog.close();
      toast(`${title}: ${outcome?.(JSON.parse(result), JSON.parse(sent)) ?? "done"}`);
    } catch (/** @type {any} */ failure) {
      error.hidden = false;
      setText(error, failure.message);
      if (failure.code === "conflict" && again) await renew(failure.message).catch((/** @type {any} */ other) => setText(error, other.message));
      yes.disabled = false;
    }
  });
  const renew = async (/** @type {string} */ message) => {
    const now = await again?.();
    Object.assign(given, now?.given);
    if (now?.effect !== undefined) tell(now.effect, now.warnings ?? []);
    preview();
    setText(error, `${message}: what is shown is new, and ${submit} carries it out`);
  };
  no.addEventListener("click", () => dialog.close());
  const closing = closesOnNavigation(dialog);
  const opener = document.activeElement;
  dialog.showModal();
  if (params.length > 0) fields.focus();
  else if (dangerous) no.focus();
  else yes.focus();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      closing();
      dialog.remove();
      if (opener instanceof HTMLElement && opener.isConnected) opener.focus();
      resolve(result);
    });
  });
}

/**
 * The attributes of a button that leads to a call: where the caller cannot call the method, it is disabled and says why.
 * @param {import("./api.js").Api} api
 * @param {string} method  SERVICE/METHOD
 */
export function permitted(api, method) {
  const obstacle = api.obstacle(method);
  return { disabled: obstacle !== undefined, title: obstacle };
}

/**
 * Another view takes the place of the one that a dialog belongs to: the dialog closes. Returns what ends that.
 * @param {HTMLDialogElement} dialog
 */
export function closesOnNavigation(dialog) {
  const close = () => dialog.close();
  addEventListener("hashchange", close);
  return () => removeEventListener("hashchange", close);
}

/** The warnings of a configuration below a heading of their own. @param {string[]} warnings */
export function warningPart(warnings) {
  if (warnings.length === 0) return [];
  return [element("h3", {}, "Warnings"), element("ul.warnings", { "data-testid": "warnings" }, ...warnings.map((text) => element("li.name", {}, text)))];
}

/**
 * A button that opens a confirmation. It is disabled where the caller cannot call the method.
 * @param {import("./api.js").Api} api
 * @param {string} text
 * @param {string} testid
 * @param {string} method  SERVICE/METHOD
 * @param {() => Omit<Change, "method">|Promise<Omit<Change, "method">>} change
 * @param {() => unknown} [done]  called after the change
 */
export function changeButton(api, text, testid, method, change, done) {
  const button = element("button.compact", { type: "button", "data-testid": testid, ...permitted(api, method) }, text);
  button.addEventListener("click", async () => {
    const at = location.hash;
    const made = await Promise.resolve(change()).catch((/** @type {any} */ failure) => void toast(failure.message, "bad"));
    if (!made || location.hash !== at) return;
    const result = await confirm(api, { ...made, method });
    if (result !== undefined) await done?.();
  });
  return button;
}
