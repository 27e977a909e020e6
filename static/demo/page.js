/**
 * Parts of every demo page: the connection with its status in the header,
 * notices, and invitations by other users.
 */

import { connect } from "../turntable.js";
import { byId, element } from "./dom.js";
import { identity, link, wrongUserFromAddress } from "./identity.js";
import { Lobby } from "./lobby.js";
import { moveFriends } from "./friend-list.js";
import { OwnProfile } from "./own-profile.js";
import { People } from "./people.js";
import { moveProfile } from "./profile.js";
import { TRANSPORTS, transportFromAddress } from "./transport.js";

/** Names of the games by folder, which is also the first segment of their channels. */
export const GAMES = { strike: "Strike", four: "Four" };

const STATES = { connecting: "connecting", online: "online", unsteady: "unsteady", offline: "reconnecting", closed: "closed" };
const NOTICE_MS = 6000;

/**
 * Opens the connection and initializes the header.
 * @param {object} options
 * @param {string} options.page  "home", "strike", "four", "friends", "playground"
 * @param {string} options.root  relative URL of the home page, "./" or "../"
 * @param {() => {room?: string|null, players?: number}} [options.describe]  for the lobby
 * @param {() => void} [options.lobbyChanged]
 * @param {(tt: any) => void} [options.connecting]  before the first message
 */
export async function openPage({ page, root, describe = () => ({}), lobbyChanged, connecting }) {
  keepUserInLinks();
  const toasts = element("div.toasts", { id: "toasts", "aria-live": "polite", "data-testid": "toasts" });
  document.body.append(toasts);
  const tt = connect(new URL("../ws", import.meta.url), { ...identity(), ...TRANSPORTS[transportFromAddress()].options });
  connecting?.(tt);
  const wrong = wrongUserFromAddress();
  if (wrong !== null) notice(`?user=${wrong} is ignored: a user's id is REALM:NAME, such as 1:12345.`, "bad");
  tt.on("error", (error) => notice(error.message, "bad"));
  tt.ready.catch((error) => notice(`The server refused the connection: ${error.message}`, "bad", { stay: true }));
  const user = await userOf(tt);
  const own = new OwnProfile(tt, user, (problem) => notice(problem.message, "bad"));
  const people = new People(tt, user, () => own.attributes);
  own.onChange(() => people.changed([user]));
  showConnection(tt, people);
  tt.on("invite", (invite) => showInvite(invite, root, people));
  tt.on("invitereply", ({ user: who, accepted }) => {
    const name = people.name(who);
    notice(accepted ? `${name} accepted your invitation.` : `${name} declined your invitation.`);
  });
  const lobby = new Lobby(tt, () => (own.isInvisible ? null : { page, ...describe() }), () => {
    people.watch("lobby", lobby.people().map(({ user: id }) => id));
    lobbyChanged?.();
  });
  let isInvisible = own.isInvisible;
  own.onChange(() => {
    if (own.isInvisible === isInvisible) return;
    isInvisible = own.isInvisible;
    lobby.announce();
  });
  return { tt, user, lobby, own, people };
}

/**
 * The id of the user, which a guest gets with its first welcome. If the server has lost the
 * guest of an earlier welcome, the page begins again as the new one.
 * @param {any} tt
 * @returns {Promise<string>} pending if the server refuses the connection
 */
async function userOf(tt) {
  let { user } = tt;
  tt.on("welcome", ({ user: now }) => {
    user ??= now;
    if (now === user) return;
    moveProfile(user, now);
    moveFriends(user, now);
    location.reload();
  });
  if (user === undefined) await tt.ready.catch(() => new Promise(() => {}));
  return tt.user;
}

/** Adds `?user=`, `?player=` and `?transport=` of this page to its links. */
function keepUserInLinks() {
  for (const anchor of document.querySelectorAll("a[data-demo]")) {
    anchor.setAttribute("href", link(anchor.getAttribute("href")));
  }
}

function showConnection(tt, people) {
  const place = byId("connection");
  const dot = element("span.dot", { "data-state": "connecting", "aria-hidden": "true" });
  const text = element("span", { role: "status", "data-testid": "connection-state" }, "connecting");
  const latency = element("span.number.muted", { "data-testid": "latency", title: "round-trip time to the server" });
  const me = element("span.nick", { "data-testid": "me", dir: "auto", title: `your id is ${people.user}` });
  const showName = () => (me.textContent = people.name(people.user));
  people.onChange((ids) => ids.includes(people.user) && showName());
  showName();
  place.replaceChildren(dot, me, text, latency);
  const show = (state) => {
    dot.dataset.state = state;
    place.dataset.state = state;
    text.textContent = STATES[state] ?? state;
  };
  const measure = () => {
    const ms = tt.state === "online" ? tt.clock.latency : null;
    latency.textContent = Number.isFinite(ms) ? `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms` : "";
  };
  show(tt.state);
  tt.on("state", ({ state }) => {
    show(state);
    measure();
  });
  tt.ready.then(measure, () => {});
  setInterval(measure, 2000);
}

/**
 * Shows a temporary notice at the bottom of the page.
 * @param {string|Node} content
 * @param {""|"bad"} [kind]
 * @param {{stay?: boolean}} [options]
 * @returns {HTMLElement}
 */
export function notice(content, kind = "", { stay = false } = {}) {
  const text = typeof content === "string" ? content : "";
  const shown = [...byId("toasts").children].find((toast) => text && toast.textContent === text);
  if (shown instanceof HTMLElement) return shown;
  const toast = element(kind ? `div.toast.${kind}` : "div.toast", {}, content);
  byId("toasts").append(toast);
  if (!stay) setTimeout(() => toast.remove(), NOTICE_MS);
  return toast;
}

function showInvite(invite, root, people) {
  const [game, ...rest] = invite.channel.split("/");
  const name = GAMES[game];
  const room = rest.join("/");
  const already = [...document.querySelectorAll("[data-invite]")];
  if (!name || already.some((toast) => toast.dataset.invite === invite.channel)) return;
  const address = link(`${root}${game}/`, { room });
  const from = element("strong");
  const face = element("span");
  const showName = () => {
    from.replaceChildren(people.label(invite.from));
    face.replaceChildren(people.avatar(invite.from));
  };
  people.watch("invites", [...(people.groups.get("invites") ?? []), invite.from]);
  people.onChange((ids) => ids.includes(invite.from) && showName());
  showName();
  const toast = element("div.toast.stack", { role: "group", "aria-label": "Invitation", "data-invite": invite.channel, "data-testid": "invite" },
    element("div.row", {}, face, element("div.grow", {},
      from, ` invites you to play ${name}`,
      element("div.small.muted", {}, `room ${room}`))),
    element("div.row", {},
      element("a.button.primary.compact", { href: address, "data-testid": "invite-accept" }, "Accept"),
      element("button.compact", {
        type: "button",
        "data-testid": "invite-decline",
        on: {
          click: () => {
            invite.decline();
            toast.remove();
          },
        },
      }, "Decline")));
  byId("toasts").append(toast);
}
