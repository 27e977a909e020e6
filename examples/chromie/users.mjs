// The users of the example, and how they prove who they are. Yours are in a database, with
// hashed passwords.

import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";

const users = [
  { id: "1:pomke", username: "Pomke", email: "pomke@example.com", password: "open sesame" },
  { id: "1:melanie", username: "Melanie", email: "melanie@example.com", password: "open sesame" },
];

/** Signs the cookies of this run. */
const key = randomBytes(32);

function isEqual(one, other) {
  const [a, b] = [Buffer.from(one), Buffer.from(String(other))];
  return a.length === b.length && timingSafeEqual(a, b);
}

const code = (id) => createHmac("sha256", key).update(id).digest("base64url");

/** The user whose cookie this is. */
export function checkCookie({ cookie }) {
  const [id, signature = ""] = String(cookie ?? "").split(".");
  return isEqual(code(id), signature) ? users.find((user) => user.id === id) : undefined;
}

/** The user who has this password. */
export function checkPassword({ username, password }) {
  const user = users.find((one) => one.username === username);
  return user && isEqual(user.password, password) ? user : undefined;
}

/** The service `account`: gives a user the cookie with which it comes back. */
export const service = {
  cookie(args, avatar) {
    return `${avatar.user}.${code(avatar.user)}`;
  },
};
