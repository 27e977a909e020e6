/** The elements of the console. A text in them is what it looks like: names, messages and errors are those of others. */

import { element as bare } from "../demo/dom.js";
import { shown, visible } from "./format.js";

export { byId } from "../demo/dom.js";

/**
 * Creates an element, like that of the demos; the texts among its children are shown as `visible` has them.
 * @param {string} name  tag, with optional classes: "li.member"
 * @param {Record<string, unknown>} [attributes]
 * @param {...(Node|string|number|null|undefined|false)} children
 * @returns {HTMLElement}
 */
export function element(name, attributes = {}, ...children) {
  return bare(name, attributes, ...children.map((child) => (typeof child === "string" ? visible(child) : child)));
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
