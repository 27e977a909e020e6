// The guide's tables match the code, and its examples match the declarations.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFileSync, cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { CLOSE_CODES, ERROR_CODES } from "../../static/turntable.js";
import { GUARANTEES } from "./guarantees.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const guide = readFileSync(join(root, "docs/client.md"), "utf8");

test("the guide's tables match the code", () => {
  const yes = (flag) => (flag ? "yes" : "no");
  const errors = Object.entries(ERROR_CODES).map(([code, { meaning }]) => `| \`${code}\` | ${meaning} |`);
  const closes = Object.entries(CLOSE_CODES).map(
    ([code, row]) => `| ${code} | \`${row.name}\` | ${yes(row.reconnect)} | ${yes(row.resume)} | ${row.meaning} |`,
  );
  assert.ok(guide.includes(`|---|---|\n${errors.join("\n")}\n\n`));
  assert.ok(guide.endsWith(`|---|---|---|---|---|\n${closes.join("\n")}\n`));
});

test("each cell of the guide's table of guarantees has a test", () => {
  const [, table] = /#### What is guaranteed\n[\s\S]*?\n(\|[\s\S]*?)\n\n/.exec(guide);
  const rows = table.split("\n").map((row) => row.slice(1, -1).split("|").map((cell) => cell.trim()));
  const [columns, , ...cells] = rows;
  assert.deepEqual(columns, ["", "`websocket` v1, v2", "`tunnel`", "`longpoll`", "`poll`"]);
  assert.deepEqual(cells.map(([name]) => name), Object.keys(GUARANTEES));
  for (const [name, ...promises] of cells) {
    for (const [index, promise] of promises.entries()) {
      const shown = GUARANTEES[name][index];
      assert.equal(shown.length > 0, promise !== "", `${name}, ${columns[index + 1]}: ${promise}`);
      for (const [file, title] of shown) assert.ok(readFileSync(join(root, file), "utf8").includes(title), `${file}: ${title}`);
    }
  }
});

test("the guide's examples match the library's types", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "turntable-docs-"));
  t.after(() => rmSync(folder, { recursive: true }));
  copyFileSync(join(root, "static/turntable.d.ts"), join(folder, "turntable.d.ts"));
  cpSync(join(root, "static/types"), join(folder, "types"), { recursive: true });
  // Later examples use the `tt` of the first; npm ws has no type declarations.
  writeFileSync(join(folder, "globals.d.ts"), `declare const tt: import("./turntable.js").Client;\ndeclare module "ws" { export default class { constructor(url: string, protocols: string[], options: object) } }\n`);
  const examples = [...guide.matchAll(/```js\n([\s\S]*?)```/g)].map(([, code], index) => {
    const file = join(folder, `example-${index + 1}.js`);
    writeFileSync(file, `${code}\nexport {};\n`);
    return file;
  });
  assert.ok(examples.length > 8);
  const options = ["--ignoreConfig", "--noEmit", "--allowJs", "--checkJs", "--strict", "--target", "es2022", "--module", "esnext", "--moduleResolution", "bundler", "--types", ""];
  try {
    execFileSync(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), ...options, join(folder, "globals.d.ts"), ...examples], { encoding: "utf8", stdio: "pipe" });
  } catch (error) {
    assert.fail(error.stdout);
  }
});
