// The committed declarations match the code, and TypeScript programs can use them.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
const tsc = (...args) => execFileSync(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), ...args], { cwd: root, encoding: "utf8", stdio: "pipe" });

function folder(t) {
  const path = mkdtempSync(join(tmpdir(), "turntable-types-"));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

test("the committed declarations match the code", (t) => {
  const output = folder(t);
  tsc("--emitDeclarationOnly", "--outDir", output);
  const declarations = (folder) => readdirSync(folder, { recursive: true }).filter((name) => name.endsWith(".d.ts")).sort();
  const modules = readdirSync(join(root, "static/turntable"), { recursive: true })
    .filter((name) => name.endsWith(".js"))
    .map((name) => join("turntable", name.replace(/\.js$/, ".d.ts")));
  // A declaration beside a module would hide the module from tsc.
  assert.deepEqual(declarations(output), ["turntable.d.ts", "turntable-portal.d.ts", ...modules].sort());
  const committed = join(root, "static/types");
  assert.deepEqual(declarations(committed), declarations(output));
  for (const name of declarations(output)) {
    assert.equal(readFileSync(join(output, name), "utf8"), readFileSync(join(committed, name), "utf8"), `${name}: run npm run build:types`);
  }
});

test("a strict TypeScript program is checked against the declarations", (t) => {
  const output = folder(t);
  const program = (body) => {
    const file = join(output, "program.ts");
    writeFileSync(file, `import { connect, type Room } from ${JSON.stringify(join(root, "static/turntable.js"))};\n${body}`);
    try {
      tsc("--ignoreConfig", "--noEmit", "--strict", "--target", "es2022", "--module", "esnext", "--moduleResolution", "bundler", "--types", "", file);
      return "";
    } catch (error) {
      return error.stdout;
    }
  };
  const good = `
    const tt = connect("ws://localhost/ws", { user: "1:1" });
    const room: Room = await tt.join("C", { team: "red" });
    room.on("action", ({ timestamp, from }) => { const at: number = timestamp; const who: string = from; });
    const state: "connecting" | "online" | "unsteady" | "offline" | "closed" = tt.state;
    export {};`;
  assert.equal(program(good), "");
  assert.match(program(`connect("x").on("sate", () => {});`), /TS2345|TS2769/);
  assert.match(program(`connect("x", { usr: "1:1" });`), /TS2353|TS2561/);
});
