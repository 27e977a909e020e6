/** Changes one key of the configuration: what would change is checked while it is entered, and applied once it is confirmed. */

import { element } from "./dom.js";
import { closesOnNavigation } from "./confirm.js";
import { Outcome, line } from "./config-outcome.js";
import { argument } from "./form.js";
import { toast } from "./toast.js";

const CHECK_MS = 250;
/** In place of a secret. */
const HIDDEN = "(hidden)";

/**
 * @param {import("./api.js").Api} api
 * @param {import("./configuration.js").Setting} setting
 * @param {number} version  the one in force: another change meanwhile is refused
 * @returns {Promise<boolean>}  whether something was changed
 */
export function edit(api, { key, value, layer }, version) {
  const input = /** @type {HTMLTextAreaElement} */ (element("textarea", { id: "config-value", rows: "4", spellcheck: "false", "data-testid": "config-value" }));
  // A secret is not shown, and has to be entered again.
  input.value = value === HIDDEN ? "" : JSON.stringify(value, null, 2);
  const outcome = new Outcome();
  const apply = /** @type {HTMLButtonElement} */ (element("button.primary", { type: "submit", disabled: true, "data-testid": "config-apply" }, "Apply"));
  const cancel = element("button", { type: "button" }, "Cancel");
  const reset = element("button", { type: "button", hidden: layer !== "api" }, "Remove what was set here");
  const form = element("form.stack", { novalidate: true },
    element("h2.name", { id: "edit-title" }, `Change ${key}`),
    element("div.field", {}, element("label", { for: "config-value" }, "Value (JSON; what is no JSON is a text)"), input),
    outcome.node,
    element("div.row.end", {}, reset, cancel, apply));
  const dialog = /** @type {HTMLDialogElement} */ (element("dialog.confirm", { "aria-labelledby": "edit-title", "data-testid": "config-dialog" }, form));
  document.body.append(dialog);

  const body = () => `{${JSON.stringify(key)}: ${argument("any", input.value)}}`;
  let [checks, done] = [0, false];
  /** @type {number|undefined} */
  let timer;
  const fail = (/** @type {any} */ failure) => {
    outcome.tell(failure.message);
    apply.disabled = true;
  };
  const check = async () => {
    checks += 1;
    const own = checks;
    try {
      const text = await api.send("config/check", `{"config": ${body()}}`);
      if (own !== checks) return;
      const preview = JSON.parse(text);
      outcome.show(preview);
      apply.disabled = preview.changed.length === 0;
    } catch (/** @type {any} */ failure) {
      if (own !== checks) return;
      outcome.refuse(failure);
      apply.disabled = true;
    }
  };
  input.addEventListener("input", () => {
    apply.disabled = true;
    clearTimeout(timer);
    timer = setTimeout(check, CHECK_MS);
  });
  reset.addEventListener("click", () => {
    input.value = "null";
    void check();
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    apply.disabled = true;
    try {
      const applied = JSON.parse(await api.send("config/set", `{"config": ${body()}, "version": ${version}}`));
      done = true;
      dialog.close();
      toast(`Version ${applied.version} is in force: ${applied.changed.map(line).join("; ")}`);
    } catch (/** @type {any} */ failure) {
      if (failure.code === "conflict") await renew(failure).catch(fail);
      else fail(failure);
    }
  });
  // Another operator was faster: what changes is shown for the version in force, before it is applied.
  const renew = async (/** @type {any} */ failure) => {
    version = (await api.call("config/getStatus")).version;
    await check();
    outcome.tell(`${failure.message}: what changes is shown for version ${version} now`);
  };
  const closing = closesOnNavigation(dialog);
  cancel.addEventListener("click", () => dialog.close());
  dialog.showModal();
  input.focus();
  void check();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      clearTimeout(timer);
      closing();
      dialog.remove();
      resolve(done);
    });
  });
}
