// `npm run build:types` generates the declarations in a separate folder. Beside
// the modules they would hide the source from tsc.
export * from "./types/turntable.js";
