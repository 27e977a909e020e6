// Calls methods with the generated CommonJS modules and callbacks. Arguments: their folder, the URL, the timeout in ms
// and a token, which may be missing. Standard input: a list of [service, method, [argument, ...]], or "methods".

const { readdirSync, readFileSync } = require("node:fs");
const { basename } = require("node:path");

const [folder, url, timeout, token] = process.argv.slice(2);
const Proxy = require(`${folder}/rpc/proxy/http`);
const input = JSON.parse(readFileSync(0, "utf8"));
const options = { token, timeout: Number(timeout) };

if (input === "methods") {
  const files = readdirSync(`${folder}/service`).filter((file) => file.endsWith(".js"));
  const output = {};
  for (const file of files) {
    const { name, methods } = require(`${folder}/service/${file}`);
    if (name !== basename(file, ".js")) throw new Error(`${file} defines ${name}`);
    const functions = Object.keys(new Proxy({ name, methods }, url, options));
    output[name] = Object.fromEntries(functions.map((of) => [of, methods[of].params.map((param) => param.name)]));
  }
  console.log(JSON.stringify(output));
} else {
  next(input, []);
}

function next([first, ...rest], output) {
  if (first === undefined) return console.log(JSON.stringify(output));
  const [service, method, args] = first;
  const proxy = new Proxy(require(`${folder}/service/${service}.js`), url, options);
  const returned = proxy[method](
    ...args,
    (result) => next(rest, [...output, { result }]),
    (error) => {
      if (!(error instanceof Proxy.ManagementError)) throw error;
      next(rest, [...output, { error: { code: error.code, message: error.message, status: error.status } }]);
    },
  );
  if (returned !== undefined) throw new Error("a function with callbacks returned something");
}
