/**
 * The fields of a method, from the types of its parameters (`GET /api`), and the JSON
 * that they stand for.
 */

import { element } from "./dom.js";

/** @typedef {import("./api.js").Parameter} Parameter */

/** What a field of each type takes. @type {Record<string, {hint: string, rows?: number, type?: string, mode?: string}>} */
const TYPES = {
  user: { hint: "1 or 1:mel" },
  users: { hint: "1:mel, 1:tom" },
  string: { hint: "text" },
  secret: { hint: "secret", type: "password" },
  seconds: { hint: "seconds", mode: "numeric" },
  count: { hint: "whole number", mode: "numeric" },
  channel: { hint: "chat/lobby" },
  any: { hint: "JSON; what is no JSON is a text", rows: 3 },
  object: { hint: "{\"name\": value}", rows: 3 },
};

let forms = 0;

export class Fields {
  /** @param {Parameter[]} params */
  constructor(params) {
    this.params = params;
    forms += 1;
    /** @type {Map<string, HTMLInputElement|HTMLTextAreaElement>} */
    this.inputs = new Map();
    this.node = element("div.fields", {}, ...params.map((param) => this.field(param)));
  }

  /** @param {Parameter} param */
  field(param) {
    const { hint, rows, type, mode } = TYPES[param.type] ?? TYPES.any;
    const id = `form-${forms}-${param.name}`;
    const input = /** @type {HTMLInputElement} */ (element(rows ? "textarea" : "input", {
      id, name: param.name, rows, type: rows ? undefined : (type ?? "text"), inputmode: mode, placeholder: hint,
      autocomplete: type === "password" ? "new-password" : "off", spellcheck: "false", "data-testid": `field-${param.name}`,
      required: !param.optional,
    }));
    this.inputs.set(param.name, input);
    const label = element("label", { for: id }, param.name, " ", element("span.muted", {}, param.optional ? `${param.type}, optional` : param.type));
    return element("div.field", {}, label, input);
  }

  /** Puts a text into a field. @param {string} name  @param {string} text */
  set(name, text) {
    const input = this.inputs.get(name);
    if (input) input.value = text;
  }

  /** The name of the first field that has to be filled and is not. */
  missing() {
    return this.params.find((param) => !param.optional && param.type !== "any" && this.inputs.get(param.name)?.value === "")?.name;
  }

  /** Sets the focus to the first field that is empty. */
  focus() {
    const inputs = [...this.inputs.values()];
    (inputs.find((input) => input.value === "") ?? inputs[0])?.focus();
  }

  /**
   * The parameters as a JSON object; optional ones that are empty are left out.
   * @param {Record<string, unknown>} [given]  others
   * @param {{masked?: boolean}} [options]  masked: without secrets, to be shown
   */
  json(given = {}, { masked = false } = {}) {
    const entries = Object.entries(given).map(([name, value]) => [name, JSON.stringify(value)]);
    for (const param of this.params) {
      const text = this.inputs.get(param.name)?.value ?? "";
      if (text === "" && param.optional) continue;
      entries.push([param.name, masked && param.type === "secret" ? "\"***\"" : argument(param.type, text)]);
    }
    return `{${entries.map(([name, value]) => `${JSON.stringify(name)}: ${value}`).join(", ")}}`;
  }
}

/**
 * The JSON of what a field contains.
 * @param {string} type
 * @param {string} text
 */
export function argument(type, text) {
  switch (type) {
    case "any": return isJson(text) ? text.trim() : JSON.stringify(text);
    case "object": return isJson(text) ? text.trim() : JSON.stringify(text);
    case "seconds":
    case "count": return /^\d+$/.test(text.trim()) ? text.trim().replace(/^0+(?=\d)/, "") : JSON.stringify(text);
    case "users":
      if (text.trim().startsWith("[") && isJson(text)) return text.trim();
      return JSON.stringify(text.split(/[\s,]+/).filter(Boolean));
    case "user": return JSON.stringify(text.trim());
    case "string":
    case "secret":
    case "channel": return JSON.stringify(text);
    // A type that this page does not know.
    default: return isJson(text) ? text.trim() : JSON.stringify(text);
  }
}

/** @param {string} text */
function isJson(text) {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
