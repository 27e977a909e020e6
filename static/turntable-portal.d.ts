// As beside turntable.js: the generated declarations are in a separate folder.
export * from "./types/turntable-portal.js";
