/**
 * The elements of the console. A text in them, and in an attribute that is read out or shown, is what it looks like:
 * names, messages and errors are those of others.
 */

import { element as bare } from "../demo/dom.js";
import { shown, visible } from "./format.js";

export { byId } from "../demo/dom.js";

/** Attributes that are read out or shown. */
const TEXTS = ["aria-label", "title", "placeholder", "alt"];

/**
 * Creates an element, like that of the demos; the texts among its children and attributes are shown as `visible` has them.
 * @param {string} name  tag, with optional classes: "li.member"
 * @param {Record<string, unknown>} [attributes]
 * @param {...(Node|string|number|null|undefined|false)} children
 * @returns {HTMLElement}
 */
export function element(name, attributes = {}, ...children) {
  const shownAttributes = Object.entries(attributes).map(([key, value]) => (
    [key, typeof value === "string" && TEXTS.includes(key) ? visible(value) : value]));
  return bare(name, Object.fromEntries(shownAttributes), ...children.map((child) => (typeof child === "string" ? visible(child) : child)));
}

/**
 * Sets the text of an element, unless it is there already.
 * @param {HTMLElement} node
 * @param {string|string[]} given  an array has a line in each entry
 */
export function setText(node, given) {
  const text = shown(given);
  if (node.firstElementChild || node.textContent !== text) node.textContent = text;
}

/** Sets what is read out for an element, unless it is there already. @param {HTMLElement} node  @param {string} given */
export function setLabel(node, given) {
  const label = visible(given);
  if (node.getAttribute("aria-label") !== label) node.setAttribute("aria-label", label);
}
