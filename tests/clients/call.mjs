// Calls methods with the generated ES module. Arguments: its folder, the URL, the timeout in ms and a token, which may
// be missing. Standard input: a list of [service, method, [argument, ...]], or "methods".

import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [folder, url, timeout, token] = process.argv.slice(2);
const { connect, ManagementError } = await import(pathToFileURL(`${folder}/turntable-management.js`).href);
const management = connect({ url, token, timeout: Number(timeout) });
const input = JSON.parse(readFileSync(0, "utf8"));

/** The names of the parameters of a method, as it is written. */
const parameters = (method) => /\(([^)]*)\)/.exec(method.toString())[1].split(", ").filter(Boolean);

let output;
if (input === "methods") {
  output = {};
  for (const [service, object] of Object.entries(management)) {
    const names = Object.getOwnPropertyNames(Object.getPrototypeOf(object)).filter((name) => name !== "constructor");
    output[service] = Object.fromEntries(names.map((name) => [name, parameters(object[name])]));
  }
} else {
  output = [];
  for (const [service, method, args] of input) {
    try {
      output.push({ result: await management[service][method](...args) });
    } catch (error) {
      if (!(error instanceof ManagementError)) throw error;
      output.push({ error: { code: error.code, message: error.message, status: error.status } });
    }
  }
}
console.log(JSON.stringify(output));
