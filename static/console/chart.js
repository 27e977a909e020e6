/** A small chart of the last minutes: a line, drawn from 0 to the largest value. */

import { element } from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 120;
const HEIGHT = 28;
/** So many points fill the width; fewer begin at the right. */
const POINTS = 149;

export class Chart {
  constructor() {
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("aria-hidden", "true");
    svg.setAttribute("class", "chart");
    this.area = document.createElementNS(SVG, "polygon");
    this.line = document.createElementNS(SVG, "polyline");
    svg.append(this.area, this.line);
    this.node = svg;
  }

  /** @param {number[]} values */
  show(values) {
    const max = Math.max(...values, 0) || 1;
    const x = (/** @type {number} */ index) => WIDTH - ((values.length - 1 - index) * WIDTH) / POINTS;
    const y = (/** @type {number} */ value) => HEIGHT - 1 - (value / max) * (HEIGHT - 3);
    const points = values.map((value, index) => `${x(index).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
    this.line.setAttribute("points", points);
    this.area.setAttribute("points", values.length > 0 ? `${x(0).toFixed(1)},${HEIGHT} ${points} ${WIDTH},${HEIGHT}` : "");
  }
}

/** A number with its name and its chart, and other numbers below it: two links, each to the view of what it counts. */
export class Figure {
  /** @param {string} name  @param {[string, string]} hrefs  of the number, and of those below it  @param {string} testid */
  constructor(name, [href, below], testid) {
    this.value = element("span.value", { "data-testid": testid }, "–");
    this.chart = new Chart();
    this.link = element("a.figure-link", { href }, element("span.figure-name", {}, name), this.value, this.chart.node);
    this.detail = element("a.detail", { href: below, "data-testid": `${testid}-detail` }, "");
    this.node = element("div.figure", {}, this.link, this.detail);
  }

  /** Links all of its numbers to another view. @param {string} href */
  to(href) {
    for (const link of [this.link, this.detail]) if (link.getAttribute("href") !== href) link.setAttribute("href", href);
  }

  /** @param {string} value  @param {string} detail  @param {number[]} series */
  show(value, detail, series) {
    if (this.value.textContent !== value) this.value.textContent = value;
    if (this.detail.textContent !== detail) this.detail.textContent = detail;
    this.chart.show(series);
  }
}
