/** The home page: connection status, open games, and the user's identity. */

import { byId, element } from "./dom.js";
import { becomeAnother, link, randomPlayer, userFromAddress } from "./identity.js";
import { loadFriends } from "./friend-list.js";
import { playersLine } from "./join-form.js";
import { GAMES, notice, openPage } from "./page.js";
import { openProfileForm } from "./profile-form.js";

/** Users of the list "Online" that are shown. */
const SHOWN_MAX = 12;

const { tt, user, lobby, own, people } = await openPage({ page: "home", root: "./", lobbyChanged: () => showLobby() });

openProfileForm({ own, people });
const friends = loadFriends(user);
people.watch("friends", friends);
people.onChange(() => {
  showLobby();
  showStatus();
});
tt.friends.on("change", () => showStatus());
tt.on("state", () => showStatus());
tt.on("welcome", () => showStatus());
setInterval(showStatus, 5000);
showStatus();
showLobby();

function showStatus() {
  byId("hero").dataset.state = tt.state;
  byId("status").textContent = statusText();
}

function statusText() {
  if (tt.state === "closed") return "The connection is closed. Reload the page to try again.";
  if (tt.state === "unsteady") return "The server does not answer. Waiting…";
  if (tt.state === "offline") return "The connection is lost. Reconnecting…";
  if (tt.state !== "online") return "Connecting to the server…";
  const words = [`Connected as ${people.name(user)}`];
  if (friends.length > 0) {
    const online = friends.filter((id) => !["offline", undefined].includes(tt.friends.get(id))).length;
    words.push(`${online} of ${friends.length} friends online`);
  }
  return `${words.join(", ")}.`;
}

function showLobby() {
  const online = lobby.people();
  byId("people").textContent = String(online.length);
  byId("online").replaceChildren(...(online.length === 0
    ? [element("li.empty", {}, own.isInvisible ? "You are invisible: others do not see you here." : "Nobody is here yet.")]
    : online.slice(0, SHOWN_MAX).map(({ user: id, page }) => element("li", { "data-person": id },
      people.avatar(id),
      element("span.name", {}, people.label(id), id === user && element("span.small.muted", {}, " (you)")),
      element("span.small.muted", {}, GAMES[page] ? `plays ${GAMES[page]}` : "")))));
  byId("online-more").textContent = online.length > SHOWN_MAX ? `and ${online.length - SHOWN_MAX} more` : "";
  const games = lobby.rooms().filter(({ page }) => GAMES[page]);
  byId("open-games").replaceChildren(...(games.length === 0
    ? [element("li.empty", {}, "No open games. A game that you start is listed here for others.")]
    : games.slice(0, 12).map(({ page, room, players, users }) => element("li", {},
      element("strong", {}, GAMES[page]),
      element("span.name", {}, element("span.mono", {}, room), playersLine(people, users)),
      element("span.small.muted", {}, players === 1 ? "1 player" : `${players} players`),
      element("a.button.compact", { href: link(`${page}/`, { room }), "data-room": `${page}/${room}`, "aria-label": `Join ${GAMES[page]} ${room}` }, "Join")))));
}

/* Identity */

byId("identity").value = user;
byId("second-window").href = link("./", { user: null, player: randomPlayer() });
if (userFromAddress()) {
  byId("identity-help").textContent = "The address claims this user for this tab, without a proof: everyone can be it.";
  byId("identity-new").hidden = true;
}

byId("identity-new").addEventListener("click", () => {
  becomeAnother();
  location.assign(link("./", { player: null }));
});

byId("identity-copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(user);
    notice("Your id is copied.");
  } catch {
    byId("identity").select();
    notice("Press Ctrl+C to copy the selected id.");
  }
});

/** Read-only state of the page, for tests. */
Object.defineProperty(window, "__demo", {
  value: Object.freeze({
    state: () => tt.state,
    user: () => user,
    people: () => lobby.people(),
    rooms: () => lobby.rooms(),
    latency: () => tt.clock.latency,
  }),
});
