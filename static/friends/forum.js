/**
 * A stand-alone service on the page: the forum of `examples/forum-service`. The
 * server tells whether the service is there; the page needs no reconnection when
 * it comes back. The service is another program, so what it answers is checked.
 */

import { byId, element } from "../demo/dom.js";
import { plainText } from "../demo/profile.js";

const SERVICE = "forum";
const POSTS_MAX = 50;
const TITLE_MAX = 80;
const BODY_MAX = 500;

export class Forum {
  /**
   * @param {object} options
   * @param {any} options.tt
   * @param {import("../demo/people.js").People} options.people
   */
  constructor({ tt, people }) {
    this.tt = tt;
    this.people = people;
    this.forum = tt.service(SERVICE);
    this.was_there = false;
    /** @type {any[]} */
    this.posts = [];
    byId("post-title").maxLength = TITLE_MAX;
    byId("post-body").maxLength = BODY_MAX;
    byId("post-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.create();
    });
    byId("posts-refresh").addEventListener("click", () => this.load());
    // The service reports nothing about posts of others.
    const refresh = () => {
      if (document.visibilityState === "visible" && this.isThere) this.load();
    };
    document.addEventListener("visibilitychange", refresh);
    window.addEventListener("focus", refresh);
    tt.on("service", () => this.show());
    tt.on("welcome", () => this.show());
    tt.on("state", () => this.show());
    people.onChange(() => this.showPosts());
    this.show();
  }

  /** Whether the service answers calls: online, known to this user, and enabled. */
  get isThere() {
    const info = this.tt.services.get(SERVICE);
    return this.tt.state === "online" && info !== undefined && info.state !== "disabled";
  }

  show() {
    const { isThere } = this;
    byId("forum").dataset.state = isThere ? "enabled" : "disabled";
    byId("forum-dot").dataset.state = isThere ? "online" : "offline";
    byId("forum-state").textContent = this.stateText();
    // Without a connection the page does not know whether the service is there.
    byId("forum-help").hidden = isThere || this.tt.state !== "online";
    byId("posts-refresh").hidden = !isThere;
    byId("post-send").disabled = !isThere;
    byId("post-form").hidden = !isThere;
    byId("posts").hidden = !isThere && this.posts.length === 0;
    if (isThere && !this.was_there) this.load();
    this.was_there = isThere;
  }

  stateText() {
    if (this.isThere) return "The service is there.";
    if (this.tt.state !== "online") return "Waiting for the connection.";
    return "The service is away.";
  }

  async load() {
    try {
      const posts = await this.forum.listPosts({});
      this.posts = Array.isArray(posts) ? posts : [];
      this.showPosts();
      this.fail(null);
    } catch (error) {
      this.fail(error);
    }
  }

  async create() {
    const [title, body] = [byId("post-title"), byId("post-body")];
    const post = { title: plainText(title.value, TITLE_MAX), body: plainText(body.value, BODY_MAX) };
    if (!post.title) {
      this.fail(new Error("A post needs a title."));
      title.focus();
      return;
    }
    byId("post-send").disabled = true;
    try {
      await this.forum.createPost(post);
      title.value = "";
      body.value = "";
      await this.load();
    } catch (error) {
      this.fail(error);
    }
    byId("post-send").disabled = !this.isThere;
  }

  /** @param {any} error  `service_down` is said by the state already */
  fail(error) {
    const node = byId("forum-error");
    node.hidden = error === null || error.code === "service_down";
    node.textContent = error?.message ?? "";
  }

  showPosts() {
    const posts = this.posts.slice(-POSTS_MAX).reverse();
    const authors = posts.map((post) => post?.author).filter((id) => typeof id === "string");
    this.people.watch("forum", authors);
    byId("posts").replaceChildren(...(posts.length === 0
      ? [element("li.empty", {}, "No posts when this list was loaded.")]
      : posts.map((post) => this.post(post))));
  }

  /** @param {any} post */
  post(post) {
    const author = post?.author;
    const body = plainText(post?.body, BODY_MAX);
    return element("li.post", {},
      element("div.grow", {},
        element("strong", { dir: "auto" }, plainText(post?.title, TITLE_MAX) || "(no title)"),
        typeof author === "string" && element("span.small.muted", {}, " by ", this.people.label(author)),
        body && element("p", { dir: "auto" }, body)));
  }
}
