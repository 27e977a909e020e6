/** What a configuration would change, and its warnings; or what is wrong with it. */

import { element, setText } from "./dom.js";
import { warningPart } from "./confirm.js";

export class Outcome {
  constructor() {
    this.changes = element("pre.request", { "data-testid": "config-diff" });
    this.warnings = element("div.effect", {});
    this.error = element("p.field-error.name", { role: "alert", hidden: true, "data-testid": "config-error" });
    this.node = element("div.stack", { role: "status" }, element("h3", {}, "What changes"), this.changes, this.warnings, this.error);
  }

  /** @param {{changed: import("./configuration.js").Changed[], warnings: string[]}} preview */
  show({ changed, warnings }) {
    setText(this.changes, changed.length === 0 ? "nothing" : changed.flatMap(lines));
    this.warnings.replaceChildren(...warningPart(warnings));
    this.error.hidden = true;
  }

  /** It would be refused. @param {{message: string}} failure */
  refuse(failure) {
    setText(this.changes, "nothing: it would be refused");
    this.warnings.replaceChildren();
    this.tell(failure.message);
  }

  /** @param {string} message */
  tell(message) {
    this.error.hidden = false;
    setText(this.error, message);
  }
}

/** A change of a key in a line. @param {import("./configuration.js").Changed} changed */
export function line({ key, from, to, layer, restart }) {
  const value = (/** @type {unknown} */ of) => (of === null ? "not set" : JSON.stringify(of));
  return `${key}: ${value(from)} → ${value(to)} ${where(layer, restart)}`;
}

/** The same; of an entry that is new or gone each value has a line of its own. @param {import("./configuration.js").Changed} changed  @returns {string[]} */
function lines(changed) {
  const { key, from, to, layer, restart } = changed;
  const entry = from === null ? to : to === null ? from : undefined;
  if (typeof entry !== "object" || entry === null || Array.isArray(entry)) return [line(changed)];
  const values = Object.entries(entry).map(([name, value]) => `  ${name} = ${JSON.stringify(value)}`);
  return [`${key}: ${from === null ? "new" : "gone"} ${where(layer, restart)}`, ...values];
}

/** @param {string} layer  @param {boolean} restart */
function where(layer, restart) {
  return `(${layer}${restart ? ", at a restart" : ""})`;
}
