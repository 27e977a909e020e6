/** Checks a configuration file before the server gets it: what it would change, its warnings, or what is wrong with it. */

import { element } from "./dom.js";
import { closesOnNavigation } from "./confirm.js";
import { Outcome } from "./config-outcome.js";

const CHECK_MS = 250;

/** Shows the dialog, which changes nothing. @param {import("./api.js").Api} api */
export function checkFile(api) {
  const picker = /** @type {HTMLInputElement} */ (element("input", { type: "file", id: "check-file", accept: ".toml,text/plain", "data-testid": "check-file" }));
  const input = /** @type {HTMLTextAreaElement} */ (element("textarea", { id: "check-text", rows: "6", spellcheck: "false", "data-testid": "check-text" }));
  const outcome = new Outcome();
  const close = element("button", { type: "button", "data-testid": "check-close" }, "Close");
  const dialog = /** @type {HTMLDialogElement} */ (element("dialog.confirm", { "aria-labelledby": "check-title", "data-testid": "check-dialog" },
    element("div.stack", {},
      element("h2", { id: "check-title" }, "Check a file"),
      element("p", {}, "What the file would change in place of that of the server. Nothing is changed."),
      element("div.field", {}, element("label", { for: "check-file" }, "File"), picker),
      element("div.field", {}, element("label", { for: "check-text" }, "Or its content (TOML)"), input),
      outcome.node, element("div.row.end", {}, close))));
  document.body.append(dialog);
  outcome.node.hidden = true;

  let checks = 0;
  /** @type {number|undefined} */
  let timer;
  const check = async () => {
    checks += 1;
    const own = checks;
    if (input.value.trim() === "") {
      outcome.node.hidden = true;
      return;
    }
    try {
      const preview = await api.call("config/check", { config: input.value });
      if (own === checks) outcome.show(preview);
    } catch (/** @type {any} */ failure) {
      if (own === checks) outcome.refuse(failure);
    }
    outcome.node.hidden = false;
  };
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(check, CHECK_MS);
  });
  picker.addEventListener("change", async () => {
    const file = picker.files?.[0];
    if (!file) return;
    input.value = await file.text();
    // A file that was changed meanwhile may be selected again.
    picker.value = "";
    await check();
    outcome.node.scrollIntoView({ block: "nearest" });
  });
  const closing = closesOnNavigation(dialog);
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => {
    clearTimeout(timer);
    closing();
    dialog.remove();
  });
  dialog.showModal();
  picker.focus();
}
