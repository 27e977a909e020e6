/** The page Friends: live presence, the own status, invitations to games. */

import { byId, element } from "../demo/dom.js";
import { addFriend, loadFriends, removeFriend } from "../demo/friend-list.js";
import { link, randomPlayer } from "../demo/identity.js";
import { randomRoomName } from "../demo/join-form.js";
import { GAMES, notice, openPage } from "../demo/page.js";
import { openProfileForm } from "../demo/profile-form.js";
import { showTransportChoice } from "../demo/transport.js";
import { FrameLog } from "../playground/frame-log.js";
import { Chat } from "./chat.js";
import { Forum } from "./forum.js";

const ORDER = { online: 0, busy: 1, idle: 2, offline: 3 };
const LOG_MAX = 40;

let friends = [];
/** @type {Map<string, {last_seen?: number, devices?: number}>} */
const details = new Map();
/** The last state of each watched user, to tell a change from a first state. @type {Map<string, string>} */
const seen = new Map();

const traffic = new FrameLog(byId("frames"), () => {
  const { in: received, out: sent } = traffic.bytes;
  byId("traffic-bytes").textContent = `${received} bytes received, ${sent} sent`;
});

const { tt, user, lobby, own, people } = await openPage({
  page: "friends",
  root: "../",
  lobbyChanged: () => showNearby(),
  connecting: (client) => {
    showTransportChoice(client);
    client.on("frame", ({ direction, kind, text, bytes }) => traffic.add(direction, text, { kind, bytes }));
  },
});

friends = loadFriends(user);
byId("own-id").textContent = user;
openProfileForm({ own, people });
own.onChange(showStatus);
showStatus();
new Chat({ tt, people, own });
new Forum({ tt, people });
byId("second-window").href = link("./", { user: null, player: randomPlayer() });
if (friends.length > 0) watch(friends);
showFriends();
people.onChange((ids) => {
  showFriends();
  if (ids.some((id) => !friends.includes(id))) showNearby();
  for (const node of byId("log").querySelectorAll(".nick")) if (ids.includes(node.dataset.user)) node.textContent = people.name(node.dataset.user);
});

tt.friends.on("change", ({ changes, snapshot }) => {
  for (const [id, state] of Object.entries(changes)) {
    if (friends.includes(id) && (seen.get(id) ?? state) !== state) log(id, state);
    seen.set(id, state);
  }
  const offline = Object.entries(changes).filter(([id, state]) => state === "offline" && friends.includes(id)).map(([id]) => id);
  if (offline.length > 0) lookUp(offline);
  showFriends(snapshot ? [] : Object.keys(changes));
  showNearby();
});

async function watch(ids) {
  try {
    await tt.friends.subscribe(ids);
    await lookUp(ids);
  } catch (error) {
    notice(error.message, "bad");
  }
}

async function lookUp(ids) {
  try {
    const found = await tt.friends.lookup(ids);
    for (const [id, entry] of Object.entries(found)) details.set(id, entry);
    showFriends();
  } catch {
    // Without last seen the page still shows the live states.
  }
}

function add(id) {
  const error = byId("add-error");
  try {
    friends = addFriend(user, id);
  } catch (problem) {
    error.textContent = problem.message;
    error.hidden = false;
    byId("add-id").setAttribute("aria-invalid", "true");
    return;
  }
  error.hidden = true;
  byId("add-id").removeAttribute("aria-invalid");
  byId("add-id").value = "";
  watch([id]);
  showFriends();
  showNearby();
}

byId("add-form").addEventListener("submit", (event) => {
  event.preventDefault();
  add(byId("add-id").value.trim());
});

function remove(id) {
  friends = removeFriend(user, id);
  details.delete(id);
  seen.delete(id);
  tt.friends.unsubscribe([id]).catch(() => {});
  showFriends();
  showNearby();
  byId("add-id").focus();
}

function stateOf(id) {
  return tt.friends.get(id) ?? "offline";
}

function showFriends(changed = []) {
  const online = friends.filter((id) => stateOf(id) !== "offline").length;
  byId("summary").textContent = friends.length === 0 ? "" : `${online} of ${friends.length} online`;
  const sorted = [...friends].sort((a, b) => ORDER[stateOf(a)] - ORDER[stateOf(b)] || (a < b ? -1 : 1));
  const list = byId("list");
  // The list is rebuilt, so the focused element is found again by its test id.
  const focused = document.activeElement?.getAttribute("data-testid");
  list.replaceChildren(...(sorted.length === 0
    ? [element("li.empty", {}, "No friends yet. Add one by id, or open a second window and add the two users to each other.")]
    : sorted.map((id) => friendRow(id, changed.includes(id)))));
  if (focused && document.activeElement === document.body) list.querySelector(`[data-testid="${CSS.escape(focused)}"]`)?.focus();
}

function friendRow(id, changed) {
  const state = stateOf(id);
  const note = people.note(id);
  const name = people.name(id);
  return element(changed ? "li.changed" : "li", { "data-friend": id, "data-state": state, "data-testid": `friend-${id}` },
    element("span.face", {}, people.avatar(id), element("span.dot", { "data-state": state, "aria-hidden": "true" })),
    element("div.who", {},
      people.label(id),
      name !== id && element("span.id.mono.small.muted", {}, id),
      element("span.small.state-text", { "data-state": state }, stateText(id, state)),
      note && element("p.note.small.muted", { dir: "auto" }, note)),
    element("div.buttons", {},
      state !== "offline" && inviteMenu(id),
      element("button.quiet.compact", {
        type: "button",
        "aria-label": `Remove ${name}`,
        "data-testid": `remove-${id}`,
        on: { click: () => remove(id) },
      }, "Remove")));
}

function inviteMenu(id) {
  return Object.entries(GAMES).map(([game, name]) => element("a.button.compact", {
    href: link(`../${game}/`, { room: randomRoomName(), invite: id }),
    "aria-label": `Invite ${people.name(id)} to ${name}`,
    "data-testid": `invite-${game}-${id}`,
  }, name)).reduce((row, anchor) => {
    row.append(anchor);
    return row;
  }, element("span.row", { role: "group", "aria-label": "Invite to a game" }));
}

function stateText(id, state) {
  if (state !== "offline") {
    const { devices } = details.get(id) ?? {};
    const words = [state];
    const game = people.playing(id);
    if (game) words.push(`plays ${GAMES[game] ?? "a game"}`);
    const score = people.score(id);
    if (game && score !== null) words.push(score === 1 ? "1 point" : `${score} points`);
    if (devices > 1) words.push(`${devices} devices`);
    return words.join(" · ");
  }
  const seen = details.get(id)?.last_seen;
  return Number.isFinite(seen) ? `offline · last seen ${ago(seen)}` : "offline";
}

/** A relative time such as "3 minutes ago", by the server's clock. */
function ago(time) {
  const seconds = Math.max(0, Math.round((tt.clock.now() - time) / 1000));
  if (seconds < 10) return "just now";
  const format = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
  if (seconds < 60) return format.format(-seconds, "second");
  if (seconds < 3600) return format.format(-Math.round(seconds / 60), "minute");
  if (seconds < 86_400) return format.format(-Math.round(seconds / 3600), "hour");
  return format.format(-Math.round(seconds / 86_400), "day");
}
setInterval(() => {
  for (const row of byId("list").querySelectorAll("[data-friend]")) {
    row.querySelector(".state-text").textContent = stateText(row.dataset.friend, row.dataset.state);
  }
}, 15_000);

function showNearby() {
  const others = lobby.people().filter(({ user: id }) => id !== user && !friends.includes(id));
  byId("nearby").hidden = others.length === 0;
  byId("nearby-list").replaceChildren(...others.slice(0, 20).map(({ user: id, page }) => element("li", {},
    people.avatar(id),
    element("span.name", {}, people.label(id)),
    element("span.small.muted", {}, GAMES[page] ? `plays ${GAMES[page]}` : ""),
    element("button.compact", { type: "button", "aria-label": `Add ${people.name(id)}`, "data-add": id, on: { click: () => add(id) } }, "Add"))));
}

function log(id, state) {
  const now = new Date();
  const list = byId("log");
  list.prepend(element("li", {},
    element("time", { datetime: now.toISOString() }, now.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" })),
    element("span", {}, people.label(id), ` is ${state}`)));
  while (list.children.length > LOG_MAX) list.lastElementChild.remove();
}

for (const button of document.querySelectorAll("[data-status]")) {
  button.addEventListener("click", () => setStatus(button.dataset.status));
}

async function setStatus(status) {
  try {
    await own.set({ status });
  } catch (error) {
    notice(error.message, "bad");
  }
}

function showStatus() {
  for (const button of document.querySelectorAll("[data-status]")) {
    button.setAttribute("aria-pressed", String(button.dataset.status === own.status));
  }
}

byId("copy-id").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(user);
    notice("Your id is copied.");
  } catch {
    getSelection().selectAllChildren(byId("own-id"));
    notice("Press Ctrl+C to copy the selected id.");
  }
});

/** Read-only state of the page, for tests. */
Object.defineProperty(window, "__demo", {
  value: Object.freeze({
    state: () => tt.state,
    user: () => user,
    status: () => own.status,
    friends: () => Object.fromEntries(friends.map((id) => [id, stateOf(id)])),
    lobby: () => lobby.people(),
    transport: () => tt.transport,
    frames: () => traffic.entries.map(({ frame }) => ({ ...frame, time: frame.time.toISOString() })),
  }),
});
