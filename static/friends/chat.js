/**
 * The chat of the Friends page: one channel, whose history a new page gets, and
 * who types, which is a public attribute.
 *
 * ```js
 * await channel.publish({ text: "Hello" });
 * ```
 */

import { byId, element } from "../demo/dom.js";
import { TYPING_REPEAT_MS } from "../demo/people.js";
import { plainText } from "../demo/profile.js";
import { notice } from "../demo/page.js";

export const CHANNEL = "demo/chat";
/** Past messages that a page requests. */
const HISTORY = 50;
/** Lines that a page shows. */
const LINES_MAX = 200;
const TEXT_MAX = 300;
/** Names in the line that tells who types. */
const TYPING_MAX = 3;

export class Chat {
  /**
   * @param {object} options
   * @param {any} options.tt
   * @param {import("../demo/people.js").People} options.people
   * @param {import("../demo/own-profile.js").OwnProfile} options.own
   */
  constructor({ tt, people, own }) {
    this.tt = tt;
    this.people = people;
    this.own = own;
    this.channel = null;
    this.typed_at = null;
    this.list = byId("chat");
    this.field = byId("chat-text");
    this.field.maxLength = TEXT_MAX;
    byId("chat-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.send();
    });
    this.field.addEventListener("input", () => this.type());
    people.onChange((ids) => this.showNames(ids));
    own.onChange(() => this.showForm());
    setInterval(() => this.showTyping(), 1000);
    this.showForm();
    this.start();
  }

  async start() {
    try {
      this.channel = await this.tt.channel(CHANNEL, { history: HISTORY });
    } catch (error) {
      this.add(element("li.muted", {}, `The chat is not available: ${error.message}`));
      return;
    }
    this.channel.on("message", (message) => this.receive(message));
    this.channel.on("gap", () => this.add(element("li.muted", {}, "The connection was lost. Messages may be missing here.")));
    this.showForm();
  }

  /** @param {{from?: string, time: number, data: any}} message */
  receive({ from, time, data }) {
    const text = plainText(data?.text, TEXT_MAX);
    if (typeof from !== "string" || !text) return;
    const at = new Date(time);
    this.add(element("li", { "data-from": from },
      element("span.face", {}, this.people.avatar(from)),
      element("div.said", {},
        element("span.sender", {}, this.people.label(from, ".strong")),
        element("time.small.muted.number", { datetime: at.toISOString() }, at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" })),
        element("p", { dir: "auto" }, text))));
    this.people.watch("chat", [...this.list.querySelectorAll("[data-from]")].map((line) => line.dataset.from).reverse());
    this.showTyping();
  }

  /** @param {HTMLElement} line */
  add(line) {
    const { list } = this;
    const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
    list.append(line);
    while (list.children.length > LINES_MAX) list.firstElementChild.remove();
    if (atEnd) list.scrollTop = list.scrollHeight;
  }

  /** @param {string[]} ids */
  showNames(ids) {
    for (const line of this.list.querySelectorAll("[data-from]")) {
      if (!ids.includes(line.dataset.from)) continue;
      line.querySelector(".face").replaceChildren(this.people.avatar(line.dataset.from));
      line.querySelector(".sender").replaceChildren(this.people.label(line.dataset.from, ".strong"));
    }
    this.showTyping();
  }

  showTyping() {
    const ids = this.people.typing();
    const names = ids.slice(0, TYPING_MAX).flatMap((id, index) => [index > 0 ? ", " : null, this.people.label(id)]);
    const verb = ids.length > TYPING_MAX ? " and others are typing…" : ids.length > 1 ? " are typing…" : " is typing…";
    byId("typing").replaceChildren(...(ids.length === 0 ? [] : [...names.filter(Boolean), verb]));
  }

  showForm() {
    const { isInvisible } = this.own;
    byId("chat-hint").hidden = !isInvisible;
    this.field.disabled = isInvisible;
    byId("chat-send").disabled = isInvisible || this.channel === null;
    if (isInvisible) this.typed_at = null;
  }

  /** Tells others that this user types: at the first key, and again while it goes on. */
  type() {
    if (this.field.value.trim() === "") return this.stopTyping();
    const now = Math.round(this.tt.clock.now());
    if (this.typed_at !== null && now - this.typed_at < TYPING_REPEAT_MS) return;
    this.typed_at = now;
    this.own.send({ typing: now });
  }

  stopTyping() {
    if (this.typed_at === null) return;
    this.typed_at = null;
    this.own.send({ typing: null });
  }

  async send() {
    const text = plainText(this.field.value, TEXT_MAX);
    if (!text || !this.channel) return;
    this.field.value = "";
    this.stopTyping();
    try {
      await this.channel.publish({ text });
    } catch (error) {
      if (this.field.value === "") this.field.value = text;
      notice(error.message, "bad");
    }
  }
}
