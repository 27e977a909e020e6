/**
 * The search of everything by name: users, rooms, channels, sessions, services, methods, keys of the configuration,
 * views. The key `/` sets the focus to it; the arrows select, Enter opens.
 */

import { element } from "./dom.js";
import { before, begin, startingWith } from "./list.js";
import { link } from "./route.js";

/** Results of one kind. */
const LIMIT = 5;
const WAIT_MS = 120;
/** Shorter texts are in too many keys of the configuration. */
const KEY_LENGTH_MIN = 3;
/** The number of a session. */
const SESSION = /^[0-9a-f]{16}$/;

/** @typedef {{kind: string, text: string, href: string}} Found */

export class Search {
  /**
   * @param {HTMLElement} node
   * @param {import("./api.js").Api} api
   * @param {Record<string, {title: string}>} views
   */
  constructor(node, api, views) {
    this.api = api;
    this.views = views;
    this.input = /** @type {HTMLInputElement} */ (element("input", {
      type: "search", placeholder: "Search  /", "aria-label": "Search users, rooms, channels, methods, configuration", autocomplete: "off", spellcheck: "false",
      role: "combobox", "aria-expanded": "false", "aria-controls": "search-results", "data-testid": "search",
    }));
    this.list = element("ul.results", { id: "search-results", role: "listbox", "aria-label": "Results", hidden: true, "data-testid": "search-results" });
    node.append(this.input, this.list);
    /** @type {Found[]} */
    this.found = [];
    this.selected = 0;
    /** The keys of the configuration, for as long as the focus is here. @type {Promise<string[]>|undefined} */
    this.keys = undefined;
    this.input.addEventListener("input", () => this.later());
    this.input.addEventListener("keydown", (event) => this.key(event));
    this.input.addEventListener("focus", () => this.later());
    // A click on a result comes first. Meanwhile the focus may be here again.
    this.input.addEventListener("blur", () => setTimeout(() => document.activeElement === this.input || this.close(), 200));
    document.addEventListener("keydown", (event) => {
      const target = /** @type {HTMLElement} */ (event.target);
      const types = target.closest("input, textarea, select, dialog");
      if (event.key !== "/" || types || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      this.input.focus();
      this.input.select();
    });
  }

  later() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.look(), WAIT_MS);
  }

  async look() {
    const text = this.input.value.trim();
    if (text === "") return this.close();
    const found = await this.find(text).catch(() => []);
    // Meanwhile the text may have changed.
    if (text !== this.input.value.trim() || document.activeElement !== this.input) return;
    this.found = found;
    this.selected = 0;
    this.show();
  }

  /** @param {string} text  @returns {Promise<Found[]>} */
  async find(text) {
    const { api } = this;
    const small = text.toLowerCase();
    const has = (/** @type {string} */ name) => name.toLowerCase().includes(small);
    const listed = async (/** @type {string} */ method, /** @type {() => Promise<string[]>} */ list) => (api.method(method) ? list() : []);
    if (text.length >= KEY_LENGTH_MIN && api.obstacle("config/get") === undefined) this.keys ??= keysOf(api);
    const [users, channels, services, rooms, keys] = await Promise.all([
      listed("user/listAll", async () => (await begin(api, text, LIMIT)).users),
      listed("channel/listAll", async () => (await startingWith(api, "channel/listAll", "channels", text, LIMIT)).list),
      listed("service/listAll", async () => (await startingWith(api, "service/listAll", "services", text, LIMIT)).list),
      listed("game/listAll", async () => {
        const { rooms } = await api.call("game/listAll", { limit: LIMIT, after: before(text) });
        return rooms.map((/** @type {{channelId: string}} */ room) => room.channelId).filter((/** @type {string} */ id) => id.startsWith(text));
      }),
      text.length >= KEY_LENGTH_MIN ? this.keys ?? [] : [],
    ]);
    const methods = Object.entries(api.definitions).flatMap(([service, all]) => Object.keys(all).map((name) => `${service}/${name}`)).filter(has);
    const of = (/** @type {string} */ kind, /** @type {string[]} */ names, /** @type {(name: string) => string} */ href) => names
      .slice(0, LIMIT).map((name) => ({ kind, text: name, href: href(name) }));
    const found = [
      ...of("user", users, (id) => link("users", id)),
      ...of("room", rooms, (id) => link("games", id)),
      ...of("session", SESSION.test(text) ? [text] : [], (id) => link("sessions", id)),
      ...of("channel", channels, (path) => link("channels", path)),
      ...of("service", services, (name) => link("services", name)),
      ...of("method", methods, (name) => link("methods", ...name.split("/"))),
      ...of("configuration", keys.filter(has), (key) => link("configuration", { find: key })),
      ...of("view", Object.keys(this.views).filter((name) => has(this.views[name].title)), (name) => link(name)),
    ];
    const isUser = users.some((id) => id === text || id.endsWith(`:${text}`));
    if (!isUser && !text.includes("/")) found.push({ kind: "user by id", text, href: link("users", text) });
    return found;
  }

  show() {
    const items = this.found.map(({ kind, text, href }, index) => element("li", { role: "option", id: `result-${index}`, "aria-selected": String(index === this.selected) },
      element("a", { href, tabindex: "-1", "data-testid": "result", on: { click: () => this.done() } }, element("span.name", {}, text), element("span.kind", {}, kind))));
    this.list.replaceChildren(...(items.length > 0 ? items : [element("li.muted", {}, "Nothing begins with this.")]));
    this.list.hidden = false;
    this.input.setAttribute("aria-expanded", "true");
    if (items.length > 0) this.input.setAttribute("aria-activedescendant", `result-${this.selected}`);
  }

  /** @param {KeyboardEvent} event */
  async key(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && this.found.length > 0) {
      event.preventDefault();
      this.selected = (this.selected + step + this.found.length) % this.found.length;
      this.show();
    } else if (event.key === "Enter") {
      event.preventDefault();
      clearTimeout(this.timer);
      if (this.list.hidden) await this.look();
      const chosen = this.found[this.selected];
      if (chosen) {
        this.done();
        location.hash = chosen.href;
      }
    } else if (event.key === "Escape") {
      this.done();
    }
  }

  /** Leaves the search. */
  done() {
    this.input.value = "";
    this.close();
    this.input.blur();
  }

  close() {
    this.found = [];
    this.keys = undefined;
    this.list.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
  }
}

/** @param {import("./api.js").Api} api  @returns {Promise<string[]>} */
async function keysOf(api) {
  const answer = await api.call("config/get").catch(() => undefined);
  return Object.keys(answer?.settings ?? {});
}
