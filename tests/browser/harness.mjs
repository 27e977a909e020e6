/**
 * The harness of the browser tests: one server per scene, and pages in headless
 * Chromium whose errors fail the scene.
 *
 * ```js
 * scene("a friend goes online", async ({ server, open }) => {
 *   const mel = await open("/friends/", { user: "1:1" });
 *   await mel.page.getByTestId("add").click();
 * });
 * ```
 *
 * A scene passes if its assertions hold, no page had an error that was not
 * allowed with `visitor.allow(..)`, and the server exits cleanly on SIGTERM.
 * Screenshots of a failed scene are stored in target/browser/.
 */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { accessSync, constants, existsSync, mkdirSync, statSync } from "node:fs";
import { once } from "node:events";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const SCREENSHOTS = join(ROOT, "target", "browser");

/** Maximum duration of a scene, ms. */
const SCENE_MS = 240_000;
/** Maximum wait for an expected state of a page, ms. */
const WAIT_MS = 30_000;
/** Maximum load time of a page, including the start of Chromium, ms. */
const LOAD_MS = 60_000;
/** Maximum time for the server to listen, and to exit, ms. */
const SERVER_MS = 20_000;
/** Number of log lines of the server in the report of a failed scene. */
const LOG_LINES = 40;

/** The environment without settings of turntable; a scene passes its own. */
const ENVIRONMENT = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("TURNTABLE_")));

const CHROMIUM_ARGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** A turntable process with its own ports. */
export class Server {
  /** @param {Record<string, string>} [settings]  environment, such as `TURNTABLE_PRESENCE__GRACE_MS` */
  constructor(settings = {}) {
    this.settings = settings;
    this.listen = "127.0.0.1:0";
    this.management_listen = "127.0.0.1:0";
    /** @type {string[]} the last lines of standard output and error */
    this.log = [];
  }

  /** Resolves when both listeners are open. */
  async start() {
    const binary = process.env.TURNTABLE_BIN ?? join(ROOT, "target", "debug", "turntable");
    const child = spawn(binary, [], {
      cwd: ROOT,
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        RUST_LOG: "info",
        ...ENVIRONMENT,
        ...this.settings,
        TURNTABLE_SERVER__LISTEN: this.listen,
        TURNTABLE_MANAGEMENT__LISTEN: this.management_listen,
      },
    });
    this.child = child;
    this.exited = once(child, "exit");
    // A failed start is reported by start(); avoid an unhandled rejection.
    this.exited.catch(() => {});
    running.add(child);
    child.once("exit", () => running.delete(child));
    /** @type {Record<string, string>} */
    const urls = {};
    await new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(this.failure("did not listen in time")), SERVER_MS);
      const read = (/** @type {string} */ line) => {
        this.note(line);
        const [, name, url] = /^listening (\w+) (https?:\/\/\S+)$/.exec(line) ?? [];
        if (name) urls[name] = url;
        if (urls.server && urls.management) {
          clearTimeout(timer);
          resolve(undefined);
        }
      };
      createInterface({ input: child.stdout }).on("line", read);
      createInterface({ input: child.stderr }).on("line", (line) => this.note(line));
      child.once("error", (error) => reject(this.failure(`could not be started: ${error.message}`)));
      child.once("exit", (code, signal) => {
        clearTimeout(timer);
        reject(this.failure(`exited with ${signal ?? code}`));
      });
    });
    this.url = urls.server;
    this.management_url = urls.management;
    // A restart uses the same ports.
    this.listen = new URL(urls.server).host;
    this.management_listen = new URL(urls.management).host;
    return this;
  }

  /** Stops the process; rejects if it does not exit cleanly. */
  async stop() {
    const timer = setTimeout(() => this.child.kill("SIGKILL"), SERVER_MS);
    this.child.kill("SIGTERM");
    const [code, signal] = await this.exited;
    clearTimeout(timer);
    if (code !== 0) throw this.failure(`did not exit cleanly on SIGTERM: ${signal ?? code}`);
  }

  /** Stops the process and starts it again on the same ports. */
  async restart() {
    await this.stop();
    await this.start();
  }

  /** @param {string} line */
  note(line) {
    this.log.push(line);
    if (this.log.length > LOG_LINES) this.log.shift();
  }

  /** @param {string} what */
  failure(what) {
    return new Error([`the server ${what}`, ...this.log].join("\n  "));
  }
}

/** One user with a separate browser context, and the errors of its page. */
export class Visitor {
  /**
   * @param {import("playwright-core").Page} page
   * @param {string} user
   */
  constructor(page, user) {
    this.page = page;
    this.user = user;
    /** @type {string[]} */
    this.problems = [];
    /** @type {RegExp[]} */
    this.allowed = [];
    page.on("console", (message) => {
      if (message.type() === "error") this.problem(`console: ${message.text()}`);
    });
    page.on("pageerror", (error) => this.problem(`uncaught: ${error.stack ?? error.message}`));
    page.on("requestfailed", (request) => {
      const reason = request.failure()?.errorText;
      // A page that is unloaded aborts its requests.
      if (reason !== "net::ERR_ABORTED") this.problem(`request: ${request.url()} ${reason}`);
    });
    page.on("response", (response) => {
      if (response.status() >= 400) this.problem(`response: ${response.url()} ${response.status()}`);
    });
  }

  /** @param {string} text */
  problem(text) {
    this.problems.push(text);
  }

  /**
   * Allows errors that the scene causes itself, such as refused connections
   * while the server is down.
   * @param {RegExp} pattern
   */
  allow(pattern) {
    this.allowed.push(pattern);
  }

  /** The errors that were not allowed. */
  unexpected() {
    return this.problems.filter((problem) => !this.allowed.some((pattern) => pattern.test(problem)));
  }

  /** @param {string} id  a `data-testid` */
  see(id) {
    return this.page.getByTestId(id);
  }

  /**
   * Waits until the element contains this text.
   * @param {string} id  a `data-testid`
   * @param {string|RegExp} text  a substring or a pattern
   */
  async reads(id, text) {
    const element = this.see(id).filter({ hasText: text, visible: true }).first();
    await element.waitFor({ timeout: WAIT_MS }).catch(async (error) => {
      const shown = await this.see(id).allTextContents().catch(() => []);
      throw new Error(`${this.user}: ${id} should contain ${text}, but contains ${JSON.stringify(shown)}`, { cause: error });
    });
  }

  /**
   * Waits until `condition` returns a truthy value in the page, and returns it.
   * @template A, R
   * @param {(argument: A) => R} condition
   * @param {A} [argument]
   */
  async until(condition, argument) {
    const handle = await this.page.waitForFunction(condition, argument, { timeout: WAIT_MS });
    return handle.jsonValue();
  }

  /** Closes the page and its browser context. */
  async close() {
    await this.page.context().close();
  }
}

/**
 * A test with its own server and pages. `before` is called with a page before
 * its address is loaded. An `insecure` page accepts any certificate.
 * @param {string} name
 * @param {(stage: {server: Server, t: import("node:test").TestContext, open: (path: string, options?: {user?: string, viewport?: {width: number, height: number}, touch?: boolean, dark?: boolean, insecure?: boolean, before?: (page: import("playwright-core").Page) => Promise<unknown>}) => Promise<Visitor>}) => Promise<void>} play
 * @param {{settings?: Record<string, string>, timeout_ms?: number, restores?: boolean}} [options] restores: whether
 *   the browser restores pages that were left (back/forward cache)
 */
export function scene(name, play, { settings = {}, timeout_ms = SCENE_MS, restores = false } = {}) {
  test(name, { timeout: timeout_ms }, async (t) => {
    const server = await new Server(settings).start();
    /** @type {Visitor[]} */
    const visitors = [];
    const open = async (path, { user, viewport, touch = false, dark = false, insecure = false, before } = {}) => {
      const context = await (await browser(restores)).newContext({
        viewport: viewport ?? { width: 1280, height: 800 },
        hasTouch: touch,
        colorScheme: dark ? "dark" : "light",
        ignoreHTTPSErrors: insecure,
      });
      context.setDefaultTimeout(WAIT_MS);
      context.setDefaultNavigationTimeout(LOAD_MS);
      if (process.env.TURNTABLE_STATIC) await servePages(context, process.env.TURNTABLE_STATIC);
      const page = await context.newPage();
      await page.addInitScript(() => {
        document.addEventListener("securitypolicyviolation", (event) => {
          console.error(`policy: ${event.violatedDirective} blocked ${event.blockedURI}`);
        });
      });
      const visitor = new Visitor(page, user ?? `visitor ${visitors.length + 1}`);
      visitors.push(visitor);
      const url = new URL(path, server.url);
      if (user) url.searchParams.set("user", user);
      await before?.(page);
      await page.goto(url.href);
      return visitor;
    };
    try {
      await play({ server, open, t });
      for (const visitor of visitors) {
        assert.deepEqual(visitor.unexpected(), [], `the page of ${visitor.user} had errors`);
      }
    } catch (error) {
      const notes = await screenshots(name, visitors);
      const report = [...notes, "server:", ...server.log].join("\n  ");
      await Promise.allSettled([...visitors.map((visitor) => visitor.close()), server.stop()]);
      const failure = new Error(error.message);
      failure.stack = `${error.stack}\n  ${report}`;
      throw failure;
    }
    await Promise.all(visitors.map((visitor) => visitor.close()));
    await server.stop();
  });
}

/**
 * Serves scripts and styles from a folder instead of the server, for a binary that
 * embeds other ones (`TURNTABLE_STATIC`). Documents come from the server: the
 * browser does not let one that has no address connect to a local server.
 * @param {import("playwright-core").BrowserContext} context
 * @param {string} folder
 */
async function servePages(context, folder) {
  const file = (/** @type {URL} */ { pathname }) => join(folder, pathname);
  const exists = (/** @type {URL} */ url) => existsSync(file(url)) && statSync(file(url)).isFile();
  await context.route(exists, (route) => {
    const request = route.request();
    return request.resourceType() === "document" ? route.continue() : route.fulfill({ path: file(new URL(request.url())) });
  });
}

/**
 * Stores a screenshot of each open page; returns notes for the report.
 * @param {string} name
 * @param {Visitor[]} visitors
 */
async function screenshots(name, visitors) {
  mkdirSync(SCREENSHOTS, { recursive: true });
  const notes = [];
  for (const visitor of visitors) {
    notes.push(...visitor.unexpected().map((problem) => `${visitor.user}: ${problem}`));
    if (visitor.page.isClosed()) continue;
    const file = `${name} ${visitor.user}.png`.replaceAll(/[^\w.]+/g, "-");
    const taken = visitor.page.screenshot({ path: join(SCREENSHOTS, file), fullPage: true });
    notes.push(await taken.then(() => `see target/browser/${file}`, (error) => `no screenshot: ${error.message}`));
  }
  return notes;
}

/** @type {Map<boolean, Promise<import("playwright-core").Browser>>} of this test file, by whether they restore pages */
const started = new Map();

/** @param {boolean} restores */
function browser(restores) {
  const ignoreDefaultArgs = restores ? ["--disable-back-forward-cache"] : [];
  const launched = started.get(restores) ?? chromium.launch({ executablePath: executable(), args: CHROMIUM_ARGS, headless: true, ignoreDefaultArgs });
  started.set(restores, launched);
  return launched;
}

after(async () => {
  for (const launched of started.values()) await (await launched).close();
});

/** The Chromium executable: `CHROMIUM`, or the first of the usual names in PATH. */
function executable() {
  if (process.env.CHROMIUM) return process.env.CHROMIUM;
  const folders = [...(process.env.PATH ?? "").split(delimiter), "/usr/bin"];
  const names = ["chromium", "chromium-browser", "google-chrome"];
  const found = names.flatMap((name) => folders.map((folder) => join(folder, name))).find((file) => {
    try {
      accessSync(file, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
  if (!found) throw new Error("Chromium was not found: install it (cargo xtask test does), or set CHROMIUM to its path");
  return found;
}

/** @type {Set<import("node:child_process").ChildProcess>} */
const running = new Set();

// A test that is terminated by its timeout must not leave server processes.
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});
