/** The front page: the connection in a sentence, open games, and who one is. */

import { byId, element } from "./element.js";
import { isUser, link, override, randomUser, storeUser } from "./identity.js";
import { loadFriends } from "./friend-list.js";
import { GAMES, notice, openPage } from "./page.js";

const { tt, user, lobby } = openPage({ page: "front", root: "./", lobbyChanged: () => showGames() });

const friends = loadFriends(user);
if (friends.length > 0) tt.friends.subscribe(friends).catch(() => {});
tt.friends.on("change", () => showStatus());
tt.on("state", () => showStatus());
tt.on("welcome", () => showStatus());
setInterval(showStatus, 5000);
showStatus();
showGames();

function showStatus() {
  byId("hero").dataset.state = tt.state;
  byId("status").textContent = statusText();
}

function statusText() {
  if (tt.state === "closed") return "The connection is closed. Reload the page to try again.";
  if (tt.state === "offline") return "The connection is lost; it is being made again.";
  if (tt.state !== "online") return "Connecting to the server…";
  const words = [`Connected as ${user}`];
  if (friends.length > 0) {
    const there = friends.filter((id) => !["offline", undefined].includes(tt.friends.get(id))).length;
    words.push(`${there} of ${friends.length} friends here`);
  }
  return `${words.join(", ")}.`;
}

function showGames() {
  byId("here").textContent = String(Math.max(1, lobby.people().length));
  const games = lobby.rooms().filter(({ page }) => GAMES[page]);
  byId("open-games").replaceChildren(...(games.length === 0
    ? [element("li.empty", {}, "Nobody plays right now. Start a game, and it is listed here for others.")]
    : games.slice(0, 12).map(({ page, room, players }) => element("li", {},
      element("strong", {}, GAMES[page]),
      element("span.name.mono", {}, room),
      element("span.small.muted", {}, `${players} in it`),
      element("a.button.compact", { href: link(`${page}/`, { room }), "data-room": `${page}/${room}`, "aria-label": `Join ${GAMES[page]} ${room}` }, "Join")))));
}

/* Who one is */

const field = byId("identity");
field.value = user;
byId("second-window").href = link("./", { user: randomUser() });
if (override()) byId("identity-help").textContent = "The address names this tab's user; saving applies to the tab.";

byId("identity-new").addEventListener("click", () => {
  field.value = randomUser();
  field.focus();
});

byId("identity-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const next = field.value.trim();
  const fine = isUser(next);
  byId("identity-error").hidden = fine;
  field.setAttribute("aria-invalid", String(!fine));
  if (!fine) {
    field.focus();
    return;
  }
  if (next === user) {
    notice("That is who you are already.");
    return;
  }
  if (override()) {
    location.assign(link("./", { user: next }));
    return;
  }
  storeUser(next);
  location.reload();
});

/** What the page knows, for tests; reading it changes nothing. */
Object.defineProperty(window, "__demo", {
  value: Object.freeze({
    state: () => tt.state,
    user: () => user,
    people: () => lobby.people(),
    rooms: () => lobby.rooms(),
    latency: () => tt.clock.latency,
  }),
});
