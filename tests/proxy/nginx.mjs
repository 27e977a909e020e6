// nginx with the configuration of docs/proxy.md, and a certificate of its own.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

const GUIDE = new URL("../../docs/proxy.md", import.meta.url);
const START_MS = 20_000;

/** The guide's configuration of nginx, with other ports and files. */
function documented(port, upstream, certificate, key) {
  let [, text] = /```nginx\n([\s\S]*?)```/.exec(readFileSync(GUIDE, "utf8"));
  for (const [from, to] of [
    ["server 127.0.0.1:8080;", `server ${upstream};`],
    ["listen 443 ssl;", `listen 127.0.0.1:${port} ssl;`],
    ["/etc/nginx/game.example.crt", certificate],
    ["/etc/nginx/game.example.key", key],
  ]) {
    assert.equal(text.split(from).length, 2, `docs/proxy.md has "${from}" once`);
    text = text.replace(from, to);
  }
  return text;
}

/** What a system's nginx.conf has around it, without the rights of root. */
function configuration(folder, sites) {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${folder}/${name};`);
  return `daemon off;
master_process off;
pid ${folder}/nginx.pid;
error_log stderr notice;
events { worker_connections 256; }
http {
  log_format requests '$status $request';
  access_log ${folder}/access.log requests;
  ${temporary.join("\n  ")}
${sites}
}
`;
}

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

/** A self-signed certificate for the names of the test. */
function certify(certificate, key) {
  const names = "subjectAltName=DNS:localhost,DNS:game.example";
  const options = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  execFileSync("openssl", [...options, "-subj", "/CN=game.example", "-addext", names, "-keyout", key, "-out", certificate], { stdio: "pipe" });
}

/**
 * Starts nginx in front of a server.
 * @param {import("node:test").TestContext} t
 * @param {string} server the server's URL
 */
export async function nginx(t, server) {
  const folder = mkdtempSync(join(tmpdir(), "turntable-nginx-"));
  const [certificate, key, file] = ["cert.pem", "key.pem", "nginx.conf"].map((name) => join(folder, name));
  const port = await freePort();
  certify(certificate, key);
  writeFileSync(file, configuration(folder, documented(port, new URL(server).host, certificate, key)));
  const child = spawn(process.env.NGINX ?? "/usr/sbin/nginx", ["-e", "stderr", "-p", folder, "-c", file], { stdio: ["ignore", "ignore", "pipe"] });
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  const exited = once(child, "exit");
  t.after(async () => {
    process.off("exit", kill);
    child.kill("SIGTERM");
    await exited;
    rmSync(folder, { recursive: true });
  });
  const log = [];
  await new Promise((resolve, reject) => {
    const fail = (why) => reject(new Error(["nginx " + why, ...log].join("\n  ")));
    const timer = setTimeout(() => fail("did not start in time"), START_MS);
    createInterface({ input: child.stderr }).on("line", (line) => {
      log.push(line);
      // Its sockets listen before it selects how to wait for them.
      if (!line.includes("event method")) return;
      clearTimeout(timer);
      resolve(undefined);
    });
    child.once("error", (error) => fail(`could not be started: ${error.message}`));
    exited.then(([code]) => fail(`exited with ${code}`), fail);
  });
  /** Its requests as [status, method, target], once they have ended. */
  const requests = () => readFileSync(join(folder, "access.log"), "utf8").trim().split("\n").map((line) => line.split(" "));
  return { certificate, requests, log, url: `https://localhost:${port}/play/` };
}
