/**
 * The form of the own profile: `#profile-form` with `#profile-name`,
 * `#profile-colour`, `#profile-avatar` and, where the page has it, `#profile-note`.
 */

import { byId } from "./dom.js";
import { NAME_MAX, NOTE_MAX, nickname } from "./profile.js";
import { notice } from "./page.js";

/**
 * @param {object} options
 * @param {import("./own-profile.js").OwnProfile} options.own
 * @param {import("./people.js").People} options.people
 */
export function openProfileForm({ own, people }) {
  const form = byId("profile-form");
  const name = byId("profile-name");
  const colour = byId("profile-colour");
  const note = document.getElementById("profile-note");
  const error = byId("profile-error");
  name.maxLength = NAME_MAX;
  if (note instanceof HTMLInputElement) note.maxLength = NOTE_MAX;

  /** By the name of its value. @type {Record<string, HTMLInputElement>} */
  const fields = { name, colour, ...(note instanceof HTMLInputElement && { note }) };
  /** Fields with an input that is not saved yet. */
  const edited = new Set();
  for (const field of Object.values(fields)) field.addEventListener("input", () => edited.add(field));

  /** Shows the stored values, but not in place of what the user has entered. */
  const show = () => {
    for (const [key, field] of Object.entries(fields)) {
      if (!edited.has(field)) field.value = own.values[key] ?? "";
    }
    byId("profile-avatar").replaceChildren(people.avatar(own.user));
  };

  /** @param {string[]} keys of the values */
  const save = async (keys) => {
    const entered = keys.map((key) => [key, fields[key].value]);
    try {
      await own.set(Object.fromEntries(entered));
      // What was entered meanwhile is not saved.
      for (const [key, value] of entered) if (fields[key].value === value) edited.delete(fields[key]);
      show();
      return true;
    } catch (problem) {
      notice(problem.message, "bad");
      return false;
    }
  };

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const valid = nickname(name.value) !== "";
    error.hidden = valid;
    name.setAttribute("aria-invalid", String(!valid));
    if (!valid) {
      name.focus();
      return;
    }
    if (await save(Object.keys(fields))) notice("Saved. Everyone who sees you sees it now.");
  });
  colour.addEventListener("change", () => save(["colour"]));
  own.onChange(() => show());
  show();
}
