/**
 * The form to join a game: the room of the address, an open room, or a new one.
 * The address names the joined room, so a reload joins it again.
 */

import { byId, element } from "./dom.js";
import { isUser, link } from "./identity.js";

const LETTERS = "bcdfghjkmnpqrstvwxz";
const VOWELS = "aeiou";
/** Players of an open game whose names are shown. */
const NAMED_MAX = 4;

/** Whether a name can be one segment of a channel path (docs/protocol.md, ids). */
export function isRoomName(name) {
  return /^[^\s/*>\p{Cc}]+$/u.test(name) && new TextEncoder().encode(name).length <= 64;
}

/** A pronounceable room name. */
export function randomRoomName() {
  const numbers = crypto.getRandomValues(new Uint32Array(6));
  return [...numbers].map((number, index) => {
    const from = index % 2 === 0 ? LETTERS : VOWELS;
    return from[number % from.length];
  }).join("");
}

/** The room named in the address; null if there is no valid one. */
export function roomFromAddress() {
  const room = new URLSearchParams(location.search).get("room");
  return room && isRoomName(room) ? room : null;
}

/** The join option for the `?invite=` of the address, which the Friends page sets. */
export function inviteFromAddress() {
  const friend = new URLSearchParams(location.search).get("invite");
  return isUser(friend) ? { invite: [friend] } : {};
}

/** Sets the room in the address without a reload; null removes it. */
export function setRoomInAddress(room, parameters = {}) {
  history.replaceState(null, "", link(location.href, { room, ...parameters }));
}

/**
 * The names of a room's players, in one line.
 * @param {import("./people.js").People} people
 * @param {string[]} users
 */
export function playersLine(people, users) {
  const shown = users.slice(0, NAMED_MAX).flatMap((id, index) => [index > 0 ? ", " : null, people.label(id)]);
  return element("span.players.small.muted", {}, ...shown, users.length > NAMED_MAX && ` and ${users.length - NAMED_MAX} more`);
}

/**
 * Initializes the form: `#join` with `#join-form`, `#room-name`, `#room-error`
 * and `#open-rooms`.
 * @param {object} options
 * @param {string} options.page
 * @param {import("./people.js").People} options.people
 * @param {() => import("./lobby.js").Room[]} options.rooms
 * @param {(room: string) => void} options.enter
 */
export function openJoinForm({ page, people, rooms, enter }) {
  const field = byId("room-name");
  const error = byId("room-error");
  // A visitor may have typed a name while the page was connecting.
  field.value ||= roomFromAddress() ?? randomRoomName();
  byId("join-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const room = field.value.trim();
    const valid = isRoomName(room);
    error.hidden = valid;
    field.setAttribute("aria-invalid", String(!valid));
    if (valid) enter(room);
    else field.focus();
  });

  const showRooms = () => {
    const open = rooms().filter((room) => room.page === page);
    byId("open-rooms").replaceChildren(...(open.length === 0
      ? [element("li.empty", {}, "No open games. A game that you start is listed here for others.")]
      : open.map(({ room, players, users }) => element("li", {},
        element("span.name", {}, element("span.mono", {}, room), playersLine(people, users)),
        element("span.small.muted", {}, players === 1 ? "1 player" : `${players} players`),
        element("button.compact", { type: "button", "data-room": room, on: { click: () => enter(room) } }, "Join")))));
  };
  showRooms();
  people.onChange(showRooms);
  return {
    showRooms,
    show: () => (byId("join").hidden = false),
    hide: () => (byId("join").hidden = true),
  };
}
