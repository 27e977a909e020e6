// The declarations that `npm run build:types` makes from the code lie in a
// folder of their own: beside the modules they would hide the code from tsc.
export * from "./types/turntable.js";
