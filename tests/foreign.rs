//! Clients of other people, from their registries, speak the protocol by
//! hand-written JSON.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use support::Server;

/// The one that is asked of PyPI where Python has none yet.
const WEBSOCKETS: &str = "websockets>=14,<18";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn runs(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

/// The whole of a conversation with a fresh server.
fn converse(program: &Path, script: &str) {
    let server = Server::start();
    let output = Command::new(program)
        .arg(root().join("tests/foreign").join(script))
        .arg(format!("ws://{}/ws", server.address))
        .current_dir(root())
        .output()
        .unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{script}: {out}\n{err}");
    assert_eq!(out.trim_end(), "ok");
}

/// A Python that has `websockets`: the machine's own, else one of a virtual
/// environment among the build's files. `None` where there is neither.
fn python() -> Option<PathBuf> {
    let has_it = |python: &Path| {
        let check = "import websockets.sync.client as c; c.connect";
        runs(Command::new(python).args(["-c", check]))
    };
    let own = PathBuf::from("python3");
    if has_it(&own) {
        return Some(own);
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python");
    let made = folder.join("bin/python3");
    if has_it(&made) {
        return Some(made);
    }
    let is_made = runs(Command::new(&own).args(["-m", "venv"]).arg(&folder));
    let install = ["-m", "pip", "install", "--quiet", WEBSOCKETS];
    (is_made && runs(Command::new(&made).args(install)) && has_it(&made)).then_some(made)
}

#[test]
fn the_ws_package_of_npm_converses() {
    if !root().join("node_modules/ws").exists()
        && !runs(
            Command::new("npm")
                .args(["ci", "--no-audit", "--no-fund"])
                .current_dir(root()),
        )
    {
        eprintln!("SKIPPED: npm could not install `ws`; see package.json");
        return;
    }
    converse(Path::new("node"), "conversation.mjs");
}

#[test]
fn the_websockets_package_of_pypi_converses() {
    match python() {
        Some(python) => converse(&python, "conversation.py"),
        None => eprintln!("SKIPPED: neither Python nor pip has `websockets` for this test"),
    }
}
