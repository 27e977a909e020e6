/**
 * What a user shows of itself: a nickname, a colour, a note. Other users choose
 * these values, so everything read from the server is checked and shortened here,
 * and it is shown as text only. No DOM.
 */

import { read, write } from "./identity.js";

/** Maximum characters of a nickname. */
export const NAME_MAX = 24;
/** Maximum characters of a note. */
export const NOTE_MAX = 80;
/** The states that a user can choose. */
export const STATUSES = ["online", "idle", "busy", "invisible"];

const COLOUR = /^#[0-9a-f]{6}$/;
/** Colours of new users: they differ from each other, and text on them is readable. */
const COLOURS = [
  "#c4302a", "#d9822b", "#b88a00", "#5f8f1f", "#1b7540", "#12807a",
  "#1d7fb5", "#3b5bdb", "#6741d9", "#9c36b5", "#c2255c", "#8a5a44",
];
const QUALITIES = [
  "Amber", "Bold", "Brisk", "Calm", "Clever", "Cosmic", "Deft", "Eager", "Fair", "Gentle", "Happy", "Jolly",
  "Keen", "Lucky", "Merry", "Nimble", "Quick", "Quiet", "Silver", "Sly", "Sunny", "Swift", "Velvet", "Wise",
];
const ANIMALS = [
  "Badger", "Crane", "Dolphin", "Falcon", "Ferret", "Finch", "Fox", "Gecko", "Hare", "Heron", "Ibex", "Jackdaw",
  "Lynx", "Marten", "Newt", "Otter", "Owl", "Panda", "Puffin", "Raven", "Seal", "Stork", "Tern", "Wren",
];

/**
 * One line of text of at most `max` characters; empty if the value is none. Control
 * characters, invisible ones and those that change the direction of the text around
 * them are removed, and stacks of combining marks are cut.
 * @param {unknown} value
 * @param {number} max
 */
export function plainText(value, max) {
  if (typeof value !== "string") return "";
  const text = value
    .slice(0, 16 * max)
    .replaceAll(/[\p{Zs}\t\r\n\u2028\u2029]+/gu, " ")
    .replaceAll(/[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Cs}\u115f\u1160\u3164\uffa0\ufffd]/gu, "")
    .replaceAll(/(\p{M}{2})\p{M}+/gu, "$1")
    .trim();
  return [...text].slice(0, max).join("").trim();
}

/**
 * A nickname; empty if the value is none.
 * @param {unknown} value
 */
export function nickname(value) {
  return plainText(value, NAME_MAX);
}

/**
 * A colour as `#rrggbb`; null if the value is none.
 * @param {unknown} value
 */
export function colour(value) {
  const text = typeof value === "string" ? value.toLowerCase() : "";
  return COLOUR.test(text) ? text : null;
}

/**
 * Whether dark text is better readable on this colour than light text (WCAG 2, contrast ratio).
 * @param {string} hex  `#rrggbb`
 */
export function needsDarkText(hex) {
  const [red, green, blue] = [1, 3, 5].map((at) => {
    const part = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179;
}

/** @param {string} user */
function hash(user) {
  let number = 2166136261;
  for (const character of user) number = Math.imul(number ^ character.codePointAt(0), 16777619) >>> 0;
  // The last characters change all bits.
  number = Math.imul(number ^ (number >>> 16), 0x85ebca6b);
  number = Math.imul(number ^ (number >>> 13), 0xc2b2ae35);
  return (number ^ (number >>> 16)) >>> 0;
}

/**
 * The nickname and the colour of a user that has chosen none, the same in each tab.
 * @param {string} user
 */
export function defaultProfile(user) {
  const number = hash(user);
  const pick = (list, divisor) => list[Math.floor(number / divisor) % list.length];
  return { name: `${pick(QUALITIES, 1)} ${pick(ANIMALS, 24)}`, colour: pick(COLOURS, 576) };
}

/** The colour of a user whose colour is not known. */
export function defaultColour(user) {
  return defaultProfile(user).colour;
}

/**
 * @typedef {object} Stored
 * @property {string} [name]
 * @property {string} [colour]
 * @property {string} [note]
 * @property {string} [status]
 */

/** @param {string} user */
function key(user) {
  return `turntable.profile.${user}`;
}

/**
 * What this browser stores of the own profile, for a server that has lost it.
 * @param {string} user
 * @returns {Stored}
 */
export function loadProfile(user) {
  try {
    return ownValues(JSON.parse(read(key(user)) ?? "{}"));
  } catch {
    return {};
  }
}

/**
 * @param {string} user
 * @param {Stored} profile
 */
export function storeProfile(user, profile) {
  write(key(user), JSON.stringify(ownValues(profile)));
}

/**
 * A guest that the server has lost goes on with its profile under another id.
 * @param {string} from
 * @param {string} to
 */
export function moveProfile(from, to) {
  const before = { ...defaultProfile(from), ...loadProfile(from) };
  storeProfile(to, { ...before, ...loadProfile(to) });
}

/**
 * The valid values of an object, as `tt.attributes` or the stored profile has them.
 * @param {any} values
 * @returns {Stored}
 */
export function ownValues(values) {
  const { name, colour: shade, note, status } = values ?? {};
  return Object.fromEntries(Object.entries({
    name: nickname(name),
    colour: colour(shade),
    note: plainText(note, NOTE_MAX),
    status: STATUSES.includes(status) ? status : "",
  }).filter(([, value]) => value));
}
