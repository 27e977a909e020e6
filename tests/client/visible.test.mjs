// Texts of others as the console shows them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { visible } from "../../static/console/format.js";

test("characters that are not seen are escapes, those that change what is seen are not", () => {
  for (const code of [0x0a, 0x00, 0xad, 0x34f, 0x115f, 0x1160, 0x200b, 0x200c, 0x200d, 0x202e, 0x2028, 0x2066, 0x2800, 0x3164, 0xfe0f, 0xfeff, 0xffa0, 0xe0061, 0xe0100]) {
    assert.equal(visible(`me${String.fromCodePoint(code)}l`), `me\\u{${code.toString(16)}}l`);
  }
  // A joiner at an end, or beside a character that it does not change, is not seen.
  for (const [text, shown] of [["mel\u200d", "mel\\u{200d}"], ["\u06cc\u200c", "\u06cc\\u{200c}"], ["\u200c\u200d\u06cc", "\\u{200c}\\u{200d}\u06cc"], ["\u{1f600}\u200d", "\u{1f600}\\u{200d}"], ["1\ufe0f", "1\\u{fe0f}"]]) {
    assert.equal(visible(text), shown);
  }
  for (const text of [
    "Mélanie", "me\u0301l", "日本", "한글", "עברית", "a b",
    // Persian with a non-joiner, Hindi with a joiner.
    "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u0915\u094d\u200d\u0937",
    // A family, a heart, a woman with a colour of skin who is an astronaut, a keycap, the flag of a country.
    "\u{1f468}\u200d\u{1f469}\u200d\u{1f467}", "\u2764\ufe0f\u200d\u{1f525}", "\u{1f469}\u{1f3fd}\u200d\u{1f680}", "1\ufe0f\u20e3", "\u{1f1e9}\u{1f1ea}",
  ]) assert.equal(visible(text), text);
});
