/**
 * What each view gets, and what it is. A view is made when its link is followed; while
 * it is shown, `update` is called every two seconds.
 */

import { element } from "./dom.js";
import { link } from "./route.js";

/**
 * @typedef {object} Page
 * @property {import("./api.js").Api} api
 * @property {import("./samples.js").Samples} samples
 * @property {import("./route.js").Route} route
 * @property {() => Promise<void>} refresh  updates the view now, as after a change
 */

/**
 * @typedef {object} View
 * @property {string} title
 * @property {HTMLElement} node
 * @property {() => Promise<void>} [update]
 * @property {() => void} [close]  called when another view takes its place
 */

/**
 * A view whose methods this server does not have.
 * @param {string} title
 * @param {string[]} methods
 * @returns {View}
 */
export function absent(title, methods) {
  const text = `This server has no ${methods.join(", ")}. What it has is in `;
  const node = element("section.card.stack", {}, element("h1", {}, title),
    element("p.empty", { "data-testid": "absent" }, text, element("a", { href: link("methods") }, "Methods"), "."));
  return { title, node };
}

/**
 * A view that the caller may not have.
 * @param {string} title
 * @param {string} obstacle
 * @returns {View}
 */
export function denied(title, obstacle) {
  return { title, node: element("section.card.stack", {}, element("h1", { "data-testid": "title" }, title), element("p.empty", { "data-testid": "denied" }, obstacle)) };
}

/**
 * The view of an id that there cannot be.
 * @param {string} title
 * @param {string} message
 * @returns {View}
 */
export function wrong(title, message) {
  return { title, node: element("div.stack.wide", {}, heading(title), element("p.field-error.name", { role: "alert", "data-testid": "wrong" }, message)) };
}

/** A part of a view with a heading. @param {string} title  @param {...(Node|string)} content */
export function card(title, ...content) {
  return element("section.card.stack", {}, element("h2", {}, title), ...content);
}

/** The heading of a view, with what can be done beside it. @param {string} title  @param {...Node} actions */
export function heading(title, ...actions) {
  return element("div.row.spread.heading", {}, element("h1.name", { "data-testid": "title" }, title), element("div.row", {}, ...actions));
}
