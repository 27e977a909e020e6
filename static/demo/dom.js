/**
 * Creates DOM nodes without markup strings. Text of other users cannot become
 * HTML, and no inline style or handler is needed: the pages work under the
 * content security policy `default-src 'self'`.
 */

/**
 * Creates an element.
 * @param {string} name  tag, with optional classes: "li.member"
 * @param {Record<string, unknown>} [attributes]  `on` is an object of listeners by event
 * @param {...(Node|string|number|null|undefined|false)} children
 * @returns {HTMLElement}
 */
export function element(name, attributes = {}, ...children) {
  const [tag, ...classes] = name.split(".");
  const node = document.createElement(tag);
  if (classes.length > 0) node.className = classes.join(" ");
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (key === "on") {
      for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
    } else {
      node.setAttribute(key, value === true ? "" : String(value));
    }
  }
  for (const child of children) {
    if (child === undefined || child === null || child === false) continue;
    node.append(typeof child === "number" ? String(child) : child);
  }
  return node;
}

/**
 * The element with this id. Throws an Error if the page has none.
 * @param {string} id
 * @returns {any}
 */
export function byId(id) {
  const node = document.getElementById(id);
  if (!node) throw new Error(`the page has no element with the id ${id}`);
  return node;
}
