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

  /** Shows the stored values, but not in place of what the user is writing. */
  const show = (all = false) => {
    const { name: nick, colour: shade, note: text = "" } = own.values;
    for (const [field, value] of [[name, nick], [colour, shade], [note, text]]) {
      if (field instanceof HTMLInputElement && (all || document.activeElement !== field)) field.value = value;
    }
    byId("profile-avatar").replaceChildren(people.avatar(own.user));
  };

  const save = async (changes) => {
    try {
      await own.set(changes);
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
    const changes = { name: name.value, colour: colour.value };
    if (note instanceof HTMLInputElement) changes.note = note.value;
    if (await save(changes)) {
      show(true);
      notice("Saved. Everyone who sees you sees it now.");
    }
  });
  colour.addEventListener("change", () => save({ colour: colour.value }));
  own.onChange(() => show());
  show();
}
