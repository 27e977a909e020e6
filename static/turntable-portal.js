/**
 * The server side of avatars, for a program of your own beside the server
 * (docs/avatars.md). It is no part of `turntable.js`, which pages load.
 *
 *     import * as chromie from "./turntable-portal.js";
 *     const portal = new chromie.Portal("http://127.0.0.1:8080", { token, secret });
 *
 * @module
 */

export { Portal } from "./turntable/portal.js";
export { TurntableError } from "./turntable/error.js";

// Types for TypeScript programs.
/** @typedef {import("./turntable/portal.js").AvatarFactory} AvatarFactory */
/** @typedef {import("./turntable/portal.js").CredentialChecker} CredentialChecker */
/** @typedef {import("./turntable/portal.js").PortalOptions} PortalOptions */
/** @typedef {import("./turntable/portal.js").PortalUser} PortalUser */
/** @typedef {import("./turntable/server_avatar.js").AvatarFunction} AvatarFunction */
/** @typedef {import("./turntable/server_avatar.js").AvatarFunctions} AvatarFunctions */
/** @typedef {import("./turntable/server_avatar.js").ServerAvatarObject} ServerAvatarObject */
