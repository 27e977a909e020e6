/**
 * The members of a game's room, and two kinds of invitation: a link, and
 * invitations to friends. Fills `#members`, `#invite-link`, `#copy-link`,
 * `#second-window` and `#invite-friends`.
 */

import { byId, element } from "./dom.js";
import { link, randomPlayer } from "./identity.js";
import { loadFriends } from "./friend-list.js";
import { notice } from "./page.js";

export class RoomPanel {
  /**
   * @param {object} options
   * @param {any} options.tt
   * @param {import("./people.js").People} options.people
   * @param {(id: string) => Node[]} options.describe  the game's information about a member
   */
  constructor({ tt, people, describe }) {
    this.tt = tt;
    this.people = people;
    this.user = people.user;
    this.describe = describe;
    this.room = null;
    this.invited = new Set();
    byId("copy-link").addEventListener("click", () => this.copy());
    tt.friends.on("change", () => this.showFriends());
    tt.on("invitereply", ({ user: who }) => {
      this.invited.delete(who);
      this.showFriends();
    });
    people.watch("friends", loadFriends(this.user));
    people.onChange(() => this.show());
  }

  /**
   * @param {any} room  the joined room
   * @param {Record<string, string|null>} parameters  of the link
   */
  enter(room, parameters) {
    this.room = room;
    this.invited.clear();
    const page = new URL(location.pathname, location.href).href;
    byId("invite-link").value = link(page, { ...parameters, user: null, player: null, invite: null });
    byId("second-window").href = link(page, { ...parameters, user: null, player: randomPlayer() });
    this.show();
  }

  async copy() {
    const field = byId("invite-link");
    try {
      await navigator.clipboard.writeText(field.value);
      notice("The link is copied. It opens this room.");
    } catch {
      field.focus();
      field.select();
      notice("Press Ctrl+C to copy the selected link.");
    }
  }

  show() {
    if (!this.room) return;
    const members = [...this.room.members].sort(([a], [b]) => (a < b ? -1 : 1));
    this.people.watch("room", this.room.members.keys());
    byId("member-count").textContent = String(members.length);
    byId("members").replaceChildren(...members.map(([id, member]) =>
      element("li", { "data-member": id, "data-state": member.state ?? "here" },
        this.people.avatar(id),
        element("span.name", {}, this.people.label(id),
          id === this.user && element("span.small.muted", {}, " (you)"),
          member.state === "away" && element("span.small.muted", {}, " away")),
        ...this.describe(id))));
    this.showFriends();
  }

  showFriends() {
    if (!this.room) return;
    const absent = loadFriends(this.user).filter((id) => !this.room.members.has(id));
    byId("invite-friends").replaceChildren(...(absent.length === 0
      ? [element("li.empty", {}, "Add friends on the Friends page to invite them here.")]
      : absent.map((id) => this.friend(id))));
  }

  friend(id) {
    const state = this.tt.friends.get(id) ?? "offline";
    const invited = this.invited.has(id);
    return element("li", {},
      element("span.dot", { "data-state": state, role: "img", "aria-label": state }),
      element("span.name", {}, this.people.label(id)),
      element("button.compact", {
        type: "button",
        disabled: invited,
        "aria-label": invited ? undefined : `Invite ${this.people.name(id)}`,
        "data-invite-friend": id,
        on: { click: () => this.invite(id) },
      }, invited ? "Invited" : "Invite"));
  }

  async invite(id) {
    this.invited.add(id);
    this.showFriends();
    try {
      await this.room.invite([id]);
    } catch (error) {
      this.invited.delete(id);
      this.showFriends();
      notice(error.message, "bad");
    }
  }
}
