/** Numbers, sizes, times and JSON as people read them. */

const WHOLE = new Intl.NumberFormat("en");
const BYTES = ["B", "KiB", "MiB", "GiB", "TiB"];

/** 12345 as 12,345; fractions below 10 with one digit; undefined is not known. @param {number|undefined} value */
export function number(value) {
  if (value === undefined || !Number.isFinite(value)) return "–";
  return Number.isInteger(value) || Math.abs(value) >= 10 ? WHOLE.format(Math.round(value)) : value.toFixed(1);
}

/** @param {number} value */
export function bytes(value) {
  let [left, unit] = [value, 0];
  while (left >= 1024 && unit < BYTES.length - 1) [left, unit] = [left / 1024, unit + 1];
  return `${unit > 0 && left < 100 ? left.toFixed(1) : Math.round(left)} ${BYTES[unit]}`;
}

/** @param {number|undefined} ms */
export function milliseconds(ms) {
  return ms === undefined ? "–" : `${number(ms)} ms`;
}

/** A quantile of a histogram, which is known as the limit of a bucket. @param {number|undefined} ms */
export function within(ms) {
  if (ms === Infinity) return "> the last bucket";
  return ms === undefined ? "–" : `≤ ${milliseconds(ms)}`;
}

/** A length of time: 75 as 1 min 15 s. @param {number} seconds */
export function duration(seconds) {
  const units = /** @type {[string, number][]} */ ([["d", 86400], ["h", 3600], ["min", 60], ["s", 1]]);
  let left = Math.max(0, Math.round(seconds));
  const parts = [];
  for (const [unit, size] of units) {
    const count = Math.floor(left / size);
    left -= count * size;
    if (count > 0) parts.push(`${count} ${unit}`);
  }
  return parts.slice(0, 2).join(" ") || "0 s";
}

/** A moment: the time, with the date unless it is today. @param {number} at_ms  Unix ms */
export function moment(at_ms) {
  const at = new Date(at_ms);
  if (Number.isNaN(at.getTime())) return "–";
  const time = at.toLocaleTimeString("en-GB");
  return at.toDateString() === new Date().toDateString() ? time : `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())} ${time}`;
}

/** The beginning of a title: "Last minute". @param {string} text */
export function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** @param {number} value */
function pad(value) {
  return String(value).padStart(2, "0");
}

/** 1 session, 2 sessions. @param {number} count  @param {string} one  @param {string} [many] */
export function count(count, one, many = `${one}s`) {
  return `${number(count)} ${count === 1 ? one : many}`;
}

/** Scripts in which a joiner between two characters changes how they look. */
const JOINING = ["Arab", "Beng", "Deva", "Gujr", "Guru", "Khmr", "Knda", "Mlym", "Mong", "Mymr", "Orya", "Sinh", "Syrc", "Taml", "Telu"]
  .map((script) => `\\p{scx=${script}}`).join("");
/** What is seen, though it is nothing by itself: joiners there and in emoji, and that a character is an emoji. */
const SEEN = String.raw`(?<=[${JOINING}])[\u200c\u200d](?=[${JOINING}])`
  + String.raw`|(?<=[\p{Extended_Pictographic}\p{Emoji_Modifier}\ufe0f])\u200d(?=\p{Extended_Pictographic})`
  + String.raw`|(?<=\p{Extended_Pictographic})[\ufe0e\ufe0f]|(?<=[0-9#*])\ufe0f(?=\u20e3)`;
// The class comes first: it is in few places, and what is around them is looked at only there.
const HIDDEN = new RegExp(String.raw`(?=[\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}\u2028\u2029\u2800])(?!${SEEN}).`, "gsu");

/**
 * A text in which line breaks, and characters that are not seen or that reorder others, are escapes. What looks
 * different is different; a backslash is none of them, so that a text may be written like an escape.
 * @param {string} text
 */
export function visible(text) {
  return text.replace(HIDDEN, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`);
}

/**
 * A text as it is shown; each entry of an array is a line of its own.
 * @param {string|string[]} text
 */
export function shown(text) {
  return [text].flat().map(visible).join("\n");
}

/**
 * JSON text with line breaks. Its tokens stay as they are, so that no digit is lost.
 * @param {string} text
 */
export function pretty(text) {
  let [out, depth] = ["", 0];
  const line = () => `\n${"  ".repeat(depth)}`;
  const tokens = (text.match(/"(?:[^"\\]|\\.)*"|[[\]{},:]|[^\s[\]{},:"]+/g) ?? []).map(visible);
  tokens.forEach((token, index) => {
    if (token === "{" || token === "[") {
      depth += 1;
      const closes = tokens[index + 1] === "}" || tokens[index + 1] === "]";
      out += closes ? token : token + line();
    } else if (token === "}" || token === "]") {
      depth -= 1;
      const opens = tokens[index - 1] === "{" || tokens[index - 1] === "[";
      out += opens ? token : line() + token;
    } else if (token === ",") {
      out += token + line();
    } else {
      out += token === ":" ? ": " : token;
    }
  });
  return out;
}
