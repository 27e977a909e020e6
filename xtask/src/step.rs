//! The steps of `cargo xtask test`, in the order in which they run.
//!
//! The cheapest checks run first, and one build serves all: every step uses the dev profile,
//! and `build` makes the binary for the integration and the browser tests, with the
//! features of the whole workspace.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use anyhow::{Context, Result, bail};

use crate::api;
use crate::autobahn;
use crate::licence;
use crate::machine::Machine;
use crate::php;
use crate::process::{self, Run};
use crate::rust_tests;
use crate::server::Server;
use crate::tally::{Runner, Tally};

/// One named check, or a preparation for other steps.
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// Steps that must have passed; all are above this one in [`STEPS`].
    pub(crate) needs: &'static [&'static str],
    pub(crate) run: fn(&Machine) -> Result<Report>,
}

/// The result of a step.
#[derive(Default)]
pub(crate) struct Report {
    pub(crate) tally: Tally,
    /// What the user should know although nothing failed.
    pub(crate) note: Option<String>,
    /// What its tests measured.
    pub(crate) figures: Vec<String>,
    /// What its failed tests have said.
    pub(crate) failures: Vec<String>,
}

impl Report {
    /// Of a step that failed or did not run.
    pub(crate) fn failed(why: String) -> Self {
        Self {
            tally: Tally::ONE_FAILED,
            note: Some(why),
            ..Self::default()
        }
    }

    /// Of a step without what it needs: `what` was not done. Everyone is to see it.
    pub(crate) fn skipped(what: &str, reason: &anyhow::Error) -> Self {
        Self {
            tally: Tally {
                skipped: 1,
                ..Tally::default()
            },
            note: Some(format!("SKIPPED, {what}: {reason:#}")),
            ..Self::default()
        }
    }
}

/// The output folder of `npm run build:types`.
const DECLARATIONS: &str = "static/types";

/// The client's tests that need a server; without one they skip themselves.
const LIVE_TEST: &str = "live.test.mjs";

/// The tests of the client's goals (docs/client.md), a step of their own.
const GOALS_CLIENT_TESTS: &[&str] = &["goals.test.mjs", "goals_cuts.test.mjs", "mounts.test.mjs"];
const GOALS_BROWSER_TESTS: &[&str] = &["outage.test.mjs", "lines.test.mjs", "hidden.test.mjs"];

/// The folder of the pictures that `tests/browser/console.mjs` makes.
const SCREENSHOTS: &str = "target/screenshots";

/// All steps; each is below the steps that it needs.
pub(crate) const STEPS: &[Step] = &[
    Step {
        name: "fmt",
        about: "Rust sources are formatted",
        needs: &[],
        run: |machine| {
            check(
                machine
                    .command(crate::machine::cargo())
                    .args(["fmt", "--all", "--check"]),
            )
        },
    },
    Step {
        name: "node",
        about: "Node is installed, node_modules matches package-lock.json",
        needs: &[],
        run: |machine| machine.ensure_node_modules().map(|()| one()),
    },
    Step {
        name: "types",
        about: "the JavaScript client and the console pass type checks (tsc --checkJs)",
        needs: &["node"],
        run: |machine| check(machine.command("npm").args(["run", "types"])),
    },
    Step {
        name: "dts",
        about: "the type declarations in static/ match the output of tsc",
        needs: &["node"],
        run: declarations,
    },
    Step {
        name: "chromium",
        about: "Chromium is installed",
        needs: &[],
        run: |machine| {
            let chromium = machine.ensure_chromium()?;
            println!("    {}", chromium.display());
            Ok(one())
        },
    },
    Step {
        name: "client",
        about: "tests of the JavaScript client, against scripted servers",
        needs: &["node", "chromium"],
        run: |machine| {
            let chromium = machine.ensure_chromium()?;
            let files = test_files(machine, "tests/client", |name| {
                name != LIVE_TEST && !GOALS_CLIENT_TESTS.contains(&name)
            })?;
            node_tests_at_once(machine.command("node").env("CHROMIUM", chromium), &files, 2)
        },
    },
    Step {
        name: "demos",
        about: "tests of the demos' rules",
        needs: &["node"],
        run: |machine| {
            let files = test_files(machine, "tests/demos", |_| true)?;
            node_tests(&mut machine.command("node"), &files)
        },
    },
    Step {
        name: "licences",
        about: "licences and bans of deny.toml (cargo-deny, or our own check of licences)",
        needs: &[],
        run: licences,
    },
    Step {
        name: "clippy",
        about: "clippy on all targets, warnings are errors",
        needs: &[],
        run: |machine| {
            check(machine.cargo("clippy").args([
                "--workspace",
                "--all-targets",
                "--",
                "-D",
                "warnings",
            ]))
        },
    },
    Step {
        name: "doc",
        about: "the documentation builds without warnings",
        needs: &[],
        run: |machine| {
            check(
                machine
                    .cargo("doc")
                    .args(["--workspace", "--no-deps"])
                    .env("RUSTDOCFLAGS", "-D warnings"),
            )
        },
    },
    Step {
        name: "build",
        about: "the server and all Rust tests build (dev profile)",
        needs: &[],
        run: |machine| {
            check(
                machine
                    .cargo("build")
                    .args(["--workspace", "--lib", "--bins", "--tests"]),
            )
        },
    },
    Step {
        name: "php",
        about: "PHP is installed, for the generated clients",
        needs: &[],
        run: php::run,
    },
    Step {
        name: "test",
        about: "unit and integration tests, fuzz corpus replay",
        needs: &["php", "build"],
        run: rust_tests::all,
    },
    Step {
        name: "bytes",
        about: "the integration tests again, with every call and delivery encoded",
        needs: &["build"],
        run: rust_tests::encoded,
    },
    Step {
        name: "doctest",
        about: "the examples in the documentation",
        needs: &["build"],
        run: |machine| {
            tests(
                machine.cargo("test").args(["--doc", "--workspace"]),
                Runner::Libtest,
            )
        },
    },
    Step {
        name: "live",
        about: "the JavaScript client against the server",
        needs: &["node", "build"],
        run: live_tests,
    },
    Step {
        name: "goals",
        about: "the JavaScript client's goals, in Node and Chromium (TURNTABLE_GOALS=full: full sizes)",
        needs: &["node", "build", "chromium"],
        run: goals,
    },
    Step {
        name: "autobahn",
        about: "RFC 6455: the Autobahn suite against the server (needs Python 2.7)",
        needs: &["build"],
        run: autobahn::run,
    },
    Step {
        name: "api",
        about: "schemathesis drives the management API by its OpenAPI document (needs Python 3.11)",
        needs: &["build"],
        run: api::run,
    },
    Step {
        name: "browser",
        about: "the pages in headless Chromium, against the server",
        needs: &["node", "build", "chromium"],
        run: browser,
    },
    Step {
        name: "nginx",
        about: "nginx is installed",
        needs: &[],
        run: |machine| {
            let nginx = machine.ensure_nginx()?;
            println!("    {}", nginx.display());
            Ok(one())
        },
    },
    Step {
        name: "proxy",
        about: "clients and pages behind nginx, with TLS and a path prefix",
        needs: &["node", "build", "chromium", "nginx"],
        run: |machine| {
            let chromium = machine.ensure_chromium()?;
            let nginx = machine.ensure_nginx()?;
            let files = test_files(machine, "tests/proxy", |_| true)?;
            let mut node = machine.command("node");
            node.env("CHROMIUM", chromium)
                .env("NGINX", nginx)
                .env("TURNTABLE_BIN", machine.server());
            node_tests(&mut node, &files)
        },
    },
];

fn one() -> Report {
    Report {
        tally: Tally::ONE_PASSED,
        ..Report::default()
    }
}

/// A command that is one check.
fn check(command: &mut Command) -> Result<Report> {
    process::checked(command).map(|()| one())
}

/// A command that runs tests.
pub(crate) fn tests(command: &mut Command, runner: Runner) -> Result<Report> {
    let Run { status, said } = process::tallied(command, runner)?;
    Ok(Report {
        tally: judged(status, said.tally),
        note: None,
        figures: said.figures,
        failures: said.failures,
    })
}

/// A runner that fails without a failed test (a compile error, a crash) counts as one
/// failure.
fn judged(status: ExitStatus, tally: Tally) -> Tally {
    let mut tally = tally;
    if !status.success() && tally.failed == 0 {
        tally += Tally::ONE_FAILED;
    }
    tally
}

fn licences(machine: &Machine) -> Result<Report> {
    if machine.has_cargo_tool("deny") {
        let mut command = machine.command(crate::machine::cargo());
        command.args(["deny", "--locked", "check", "licenses", "bans", "sources"]);
        return check(&mut command);
    }
    licence::check(machine)?;
    Ok(Report {
        tally: Tally::ONE_PASSED,
        note: Some(
            "BANS WERE NOT CHECKED: cargo-deny is not installed (cargo install cargo-deny \
             --locked); licences were checked against deny.toml without it"
                .to_owned(),
        ),
        ..Report::default()
    })
}

/// Generates the declarations in another folder, and compares them with the committed ones.
fn declarations(machine: &Machine) -> Result<Report> {
    let made = machine.target.join("types");
    if made.exists() {
        fs::remove_dir_all(&made)?;
    }
    process::checked(
        machine
            .command("npm")
            .args(["run", "build:types", "--", "--outDir"])
            .arg(&made),
    )?;
    let committed = machine.root.join(DECLARATIONS);
    let stale: Vec<String> = files(&made)?
        .iter()
        .map(|file| file.strip_prefix(&made).unwrap_or(file))
        .filter(|file| {
            let [made, committed] =
                [&made, &committed].map(|folder| fs::read(folder.join(file)).ok());
            made != committed
        })
        .map(|file| format!("{DECLARATIONS}/{}", file.display()))
        .collect();
    if !stale.is_empty() {
        bail!(
            "out of date; run `npm run build:types`: {}",
            stale.join(", ")
        );
    }
    if !made.join("turntable.d.ts").is_file() {
        bail!("tsc generated no turntable.d.ts");
    }
    Ok(one())
}

/// All files below a folder.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// The selected test files of a folder, as paths from the root.
fn test_files(machine: &Machine, folder: &str, wanted: fn(&str) -> bool) -> Result<Vec<PathBuf>> {
    let found: Vec<PathBuf> = files(&machine.root.join(folder))?
        .into_iter()
        .filter(|file| {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            name.ends_with(".test.mjs") && wanted(&name)
        })
        .map(|file| file.strip_prefix(&machine.root).unwrap_or(&file).to_owned())
        .collect();
    if found.is_empty() {
        bail!("no *.test.mjs in {folder}");
    }
    Ok(found)
}

/// Runs test files with Node's test runner.
fn node_tests(node: &mut Command, files: &[PathBuf]) -> Result<Report> {
    // One file at a time, because parallel browsers on two cores disturb each other.
    node_tests_at_once(node, files, 1)
}

/// The same with so many files at once, for tests that wait most of their time.
fn node_tests_at_once(node: &mut Command, files: &[PathBuf], count: u32) -> Result<Report> {
    node.args(["--test", "--test-reporter=spec"])
        .arg(format!("--test-concurrency={count}"))
        .args(files);
    tests(node, Runner::Node)
}

/// Runs the client's tests that need a server, with a server of their own.
fn live_tests(machine: &Machine) -> Result<Report> {
    let server = Server::start(machine)?;
    let files = test_files(machine, "tests/client", |name| name == LIVE_TEST)?;
    node_tests(
        machine.command("node").env("TURNTABLE_URL", &server.url),
        &files,
    )
}

/// Runs the tests in the browser, and counts the pictures that they make of the console's views.
fn browser(machine: &Machine) -> Result<Report> {
    let chromium = machine.ensure_chromium()?;
    let chosen = test_files(machine, "tests/browser", |name| {
        !GOALS_BROWSER_TESTS.contains(&name)
    })?;
    // Those of an earlier run may be of views that do not exist any more.
    let pictures = machine.root.join(SCREENSHOTS);
    if pictures.exists() {
        fs::remove_dir_all(&pictures)?;
    }
    let mut node = machine.command("node");
    node.env("CHROMIUM", chromium)
        .env("TURNTABLE_BIN", machine.server());
    let report = node_tests(&mut node, &chosen)?;
    let count = files(&pictures).map_or(0, |files| files.len());
    Ok(Report {
        note: Some(format!(
            "{count} pictures of the console are in {SCREENSHOTS}"
        )),
        ..report
    })
}

/// Runs the tests of the client's goals. Those in the browser start servers themselves.
fn goals(machine: &Machine) -> Result<Report> {
    let server = Server::start(machine)?;
    let mut files = test_files(machine, "tests/client", |name| {
        GOALS_CLIENT_TESTS.contains(&name)
    })?;
    files.extend(test_files(machine, "tests/browser", |name| {
        GOALS_BROWSER_TESTS.contains(&name)
    })?);
    let mut node = machine.command("node");
    node.env("TURNTABLE_URL", &server.url)
        .env("CHROMIUM", machine.ensure_chromium()?)
        .env("TURNTABLE_BIN", machine.server());
    node_tests_at_once(&mut node, &files, 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needs_of_a_step_are_above_it() {
        for (at, step) in STEPS.iter().enumerate() {
            for need in step.needs {
                let stands = STEPS.iter().position(|other| other.name == *need);
                assert!(
                    stands.is_some_and(|stands| stands < at),
                    "{}: {need}",
                    step.name
                );
            }
        }
    }
}
