//! The steps that run Rust tests.

use std::fs;

use anyhow::Result;

use crate::machine::Machine;
use crate::step::{Report, tests};
use crate::tally::Runner;

/// All Rust tests.
pub(crate) fn all(machine: &Machine) -> Result<Report> {
    let all = ["--workspace", "--lib", "--bins", "--tests"];
    run(machine, &all, &[], &[])
}

/// Areas of `tests/` whose subject is one connection or transport, a client, the way to a backend,
/// time or the sources: encoding what workers send each other adds nothing to them. `scenarios`
/// has every transport.
const NOT_ENCODED: &[&str] = &[
    "backend",
    "clients",
    "example",
    "limit",
    "operation",
    "poll",
    "rust_client",
    "soak",
    "socketio",
    "source",
    "time",
    "tunnel",
    "websocket",
];

/// Transports of `scenarios` whose clients are programs of others, which take most of its time: what
/// they send is what our own clients of the same transports send.
const FOREIGN: &[&str] = &["python_", "npm_"];

/// The tests of the server from outside: codecs and models do not use threads.
pub(crate) fn encoded(machine: &Machine) -> Result<Report> {
    let areas = test_areas(machine, |name| !NOT_ENCODED.contains(&name))?;
    let mut targets = vec!["--package", "turntable"];
    for area in &areas {
        targets.extend(["--test", area]);
    }
    run(
        machine,
        &targets,
        &[("TURNTABLE_TEST_BUS", "bytes")],
        FOREIGN,
    )
}

/// The folders of `tests/` that are Rust tests, and whose names are wanted.
fn test_areas(machine: &Machine, is_wanted: impl Fn(&str) -> bool) -> Result<Vec<String>> {
    let mut areas = Vec::new();
    for entry in fs::read_dir(machine.root.join("tests"))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().join("main.rs").is_file() && is_wanted(&name) {
            areas.push(name);
        }
    }
    areas.sort();
    Ok(areas)
}

/// Runs tests but for those whose names begin with one of `skipped`.
fn run(
    machine: &Machine,
    targets: &[&str],
    variables: &[(&str, &str)],
    skipped: &[&str],
) -> Result<Report> {
    let variables = variables.iter().copied();
    if machine.has_cargo_tool("nextest") {
        let mut command = machine.command(crate::machine::cargo());
        command
            .args(["nextest", "run", "--locked", "--no-fail-fast"])
            .args(targets)
            .envs(variables);
        if !skipped.is_empty() {
            command.args(["-E", &format!("not test(/^({})/)", skipped.join("|"))]);
        }
        return tests(&mut command, Runner::Nextest);
    }
    println!("    cargo-nextest is not installed: using cargo test");
    let mut command = machine.cargo("test");
    command.arg("--no-fail-fast").args(targets).envs(variables);
    command.arg("--");
    for name in skipped {
        command.args(["--skip", name]);
    }
    tests(&mut command, Runner::Libtest)
}
