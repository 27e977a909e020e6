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

/**
 * An avatar: two characters of the user's name on a colour derived from the id.
 * @param {string} user
 */
export function avatar(user) {
  let hash = 0;
  for (const character of user) hash = (hash * 31 + character.codePointAt(0)) % 360;
  const name = user.slice(user.indexOf(":") + 1);
  // Names differ most at their start, numbers at their end.
  const characters = [...name];
  const two = /^\d+$/.test(name) ? characters.slice(-2) : characters.slice(0, 2);
  const node = element("span.avatar", { "aria-hidden": "true" }, two.join("").toUpperCase());
  node.style.setProperty("--hue", String(hash));
  return node;
}
