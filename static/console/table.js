/**
 * A table whose rows follow a list: rows that stay remain the same elements, so that
 * neither the focus nor the selection of a text is lost while it is live.
 */

import { element, setLabel, setText } from "./dom.js";

/**
 * A column: what a row shows there (an array has a line in each entry), where that links to, and how it looks. A link
 * whose text is a number alone has a label, and the Tab key skips it: the name of the row links to the same. With `node`
 * the cell is made once for a row.
 * @template Row
 * @typedef {object} Column
 * @property {string} title
 * @property {(row: Row) => string|number|string[]|undefined} [text]
 * @property {(row: Row) => string|undefined} [href]
 * @property {(row: Row) => string} [label]
 * @property {(row: Row) => Node} [node]
 * @property {string} [class]
 */

/** @template Row */
export class Table {
  /**
   * @param {Column<Row>[]} columns
   * @param {{key: (row: Row) => string, empty: string, label: string, testid?: string}} options
   */
  constructor(columns, { key, empty, label, testid }) {
    this.columns = columns;
    this.key = key;
    /** @type {Map<string, HTMLElement>} */
    this.rows = new Map();
    this.body = element("tbody");
    this.heads = columns.map((column) => element("th", { scope: "col", class: column.class }, column.title));
    this.table = element("table", { "aria-label": label, "data-testid": testid }, element("thead", {}, element("tr", {}, ...this.heads)), this.body);
    this.none = element("p.empty", { hidden: true }, empty);
    this.node = element("div.scroll", {}, this.table, this.none);
  }

  /** @param {Row[]} list */
  show(list) {
    const before = this.rows;
    this.rows = new Map();
    // First: a row that is moved loses the focus.
    const keys = new Set(list.map(this.key));
    for (const [key, tr] of before) if (!keys.has(key)) tr.remove();
    let at = this.body.firstElementChild;
    for (const row of list) {
      const key = this.key(row);
      const tr = before.get(key) ?? element("tr", { "data-key": key }, ...this.columns.map((column) => this.cell(column, row)));
      this.rows.set(key, tr);
      this.columns.forEach((column, index) => this.fill(/** @type {HTMLElement} */ (tr.children[index]), column, row));
      if (tr === at) at = at.nextElementSibling;
      else this.body.insertBefore(tr, at);
    }
    this.none.hidden = list.length > 0;
    this.table.hidden = list.length === 0;
  }

  /** Gives a column another title. @param {number} index  @param {string} title */
  rename(index, title) {
    const column = this.columns[index];
    if (column.title === title) return;
    column.title = title;
    setText(this.heads[index], title);
    for (const tr of this.rows.values()) tr.children[index].setAttribute("data-title", title);
  }

  /** @param {Column<Row>} column  @param {Row} row */
  cell(column, row) {
    return element("td", { class: column.class, "data-title": column.title }, column.node?.(row));
  }

  /** @param {HTMLElement} cell  @param {Column<Row>} column  @param {Row} row */
  fill(cell, column, row) {
    if (!column.text) return;
    const text = column.text(row);
    write(cell, text === undefined || text === "" ? "–" : Array.isArray(text) ? text : String(text), column.href?.(row), column.label?.(row));
  }
}

/**
 * Writes a text, as a link if there is an address, unless it is there already.
 * @param {HTMLElement} node
 * @param {string|string[]} given  an array has a line in each entry
 * @param {string} [href]
 * @param {string} [label]  of a link that the Tab key skips
 */
export function write(node, given, href, label) {
  if (href === undefined) return setText(node, given);
  if (!(node.firstElementChild instanceof HTMLAnchorElement)) node.replaceChildren(element("a", { tabindex: label === undefined ? undefined : "-1" }));
  const link = /** @type {HTMLAnchorElement} */ (node.firstElementChild);
  setText(link, given);
  if (link.getAttribute("href") !== href) link.setAttribute("href", href);
  if (label !== undefined) setLabel(link, label);
}

/**
 * A list of names and values: `facts.show([["State", "online"], ["Room", "yard", "#/..."]])`. A value that is an array has
 * a line in each entry.
 */
export class Facts {
  /** @param {string} [testid] */
  constructor(testid) {
    this.node = element("dl.facts", { "data-testid": testid });
    /** @type {Map<string, HTMLElement>} */
    this.values = new Map();
  }

  /** @param {[string, string|number|string[], string?][]} list */
  show(list) {
    const names = list.map(([name]) => name);
    if (names.join("\n") !== [...this.values.keys()].join("\n")) {
      this.values = new Map(names.map((name) => [name, element("dd")]));
      this.node.replaceChildren(...[...this.values].map(([name, value]) => element("div", {}, element("dt", {}, name), value)));
    }
    for (const [name, value, href] of list) {
      const node = this.values.get(name);
      if (node) write(node, Array.isArray(value) ? value : String(value), href);
    }
  }
}

/** Short links beside each other. */
export class Links {
  /** @param {string} empty  @param {string} [testid] */
  constructor(empty, testid) {
    this.empty = empty;
    this.node = element("p.links", { "data-testid": testid });
    this.shown = "";
  }

  /** @param {{text: string, href?: string}[]} list */
  show(list) {
    const text = JSON.stringify(list);
    if (text === this.shown) return;
    this.shown = text;
    const nodes = list.map((entry) => (entry.href ? element("a.name", { href: entry.href }, entry.text) : element("span.name", {}, entry.text)));
    this.node.replaceChildren(...(list.length > 0 ? nodes : [element("span.muted", {}, this.empty)]));
  }
}
