/**
 * The way into a game: the room of the address, a room of others, or a new
 * one. The address always names the room one is in, so a reload comes back.
 */

import { byId, element } from "./element.js";
import { isUser, link } from "./identity.js";

const LETTERS = "bcdfghjkmnpqrstvwxz";
const VOWELS = "aeiou";

/** Whether a name can be one segment of a channel path (docs/protocol.md, ids). */
export function isRoomName(name) {
  return /^[^\s/*>\p{Cc}]+$/u.test(name) && new TextEncoder().encode(name).length <= 64;
}

/** A room name one can say over the phone. */
export function randomRoomName() {
  const numbers = crypto.getRandomValues(new Uint32Array(6));
  return [...numbers].map((number, index) => {
    const from = index % 2 === 0 ? LETTERS : VOWELS;
    return from[number % from.length];
  }).join("");
}

/** The room of the address, if it has a usable one. */
export function roomOfAddress() {
  const room = new URLSearchParams(location.search).get("room");
  return room && isRoomName(room) ? room : null;
}

/** Whom the address says to invite on entering (the Friends page links so). */
export function invited() {
  const friend = new URLSearchParams(location.search).get("invite");
  return isUser(friend) ? { invite: [friend] } : {};
}

/** Writes the room into the address without leaving the page; null takes it out. */
export function nameRoomInAddress(room, parameters = {}) {
  history.replaceState(null, "", link(location.href, { room, ...parameters }));
}

/**
 * Wires the entrance form: `#entrance` with `#entrance-form`, `#room-name`,
 * `#room-error` and `#open-rooms`.
 * @param {object} options
 * @param {string} options.page
 * @param {() => {page: string, room: string, players: number}[]} options.rooms
 * @param {(room: string) => void} options.enter
 */
export function openEntrance({ page, rooms, enter }) {
  const field = byId("room-name");
  const error = byId("room-error");
  field.value = roomOfAddress() ?? randomRoomName();
  byId("entrance-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const room = field.value.trim();
    const fine = isRoomName(room);
    error.hidden = fine;
    field.setAttribute("aria-invalid", String(!fine));
    if (fine) enter(room);
    else field.focus();
  });

  const showRooms = () => {
    const open = rooms().filter((room) => room.page === page);
    byId("open-rooms").replaceChildren(...(open.length === 0
      ? [element("li.empty", {}, "No open games right now. Yours will be listed here for others.")]
      : open.map(({ room, players }) => element("li", {},
        element("span.name.mono", {}, room),
        element("span.small.muted", {}, `${players} in it`),
        element("button.compact", { type: "button", "data-room": room, on: { click: () => enter(room) } }, "Join")))));
  };
  showRooms();
  return {
    showRooms,
    show: () => (byId("entrance").hidden = false),
    hide: () => (byId("entrance").hidden = true),
  };
}
