//! Clients of other people, from their registries, speak the protocol by
//! hand-written JSON.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use support::Server;

/// Packages that are asked of PyPI where Python has none yet, and what tells
/// that they are there.
const WEBSOCKETS: (&str, &str) = (
    "websockets>=14,<18",
    "import websockets.sync.client as c; c.connect",
);
const SOCKETIO: (&str, &str) = (
    "python-socketio[client]>=5.11,<6",
    "import socketio as s, requests, websocket; s.Client",
);

/// How a client of socket.io may talk.
const TRANSPORTS: [&str; 3] = ["polling", "websocket", "polling,websocket"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn runs(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

/// The whole of a conversation with a fresh server.
fn converse(program: &Path, script: &str) {
    let server = Server::start();
    let url = format!("ws://{}/ws", server.address);
    run(program, script, &[&url]);
}

/// The whole of a conversation over socket.io, in each way to talk.
fn converse_by_events(program: &Path, script: &str, keys: &[(&str, &str)]) {
    for transports in TRANSPORTS {
        let server = Server::with(keys);
        let url = format!("http://{}", server.address);
        run(program, script, &[&url, transports]);
    }
}

fn run(program: &Path, script: &str, arguments: &[&str]) {
    let output = Command::new(program)
        .arg(root().join("tests/foreign").join(script))
        .args(arguments)
        .current_dir(root())
        .output()
        .unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(
        output.status.success(),
        "{script} {arguments:?}: {out}\n{err}"
    );
    assert_eq!(out.trim_end(), "ok", "{script} {arguments:?}");
}

/// A Python that has a package: the machine's own, else one of a virtual
/// environment among the build's files. `None` where there is neither.
fn python((package, check): (&str, &str)) -> Option<PathBuf> {
    // Two tests must not install at the same time.
    static INSTALLS: Mutex<()> = Mutex::new(());
    let _guard = INSTALLS.lock();
    let has_it = |python: &Path| runs(Command::new(python).args(["-c", check]));
    let own = PathBuf::from("python3");
    if has_it(&own) {
        return Some(own);
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python");
    let made = folder.join("bin/python3");
    if has_it(&made) {
        return Some(made);
    }
    let is_made = made.exists() || runs(Command::new(&own).args(["-m", "venv"]).arg(&folder));
    let install = ["-m", "pip", "install", "--quiet", package];
    (is_made && runs(Command::new(&made).args(install)) && has_it(&made)).then_some(made)
}

/// Whether npm has installed a package, or does now.
fn has_npm_package(name: &str) -> bool {
    static INSTALLS: Mutex<()> = Mutex::new(());
    let _guard = INSTALLS.lock();
    let mut install = Command::new("npm");
    install.args(["ci", "--no-audit", "--no-fund"]);
    let is_there =
        root().join("node_modules").join(name).exists() || runs(install.current_dir(root()));
    if !is_there {
        eprintln!("SKIPPED: npm could not install `{name}`; see package.json");
    }
    is_there
}

#[test]
fn the_ws_package_of_npm_converses() {
    if has_npm_package("ws") {
        converse(Path::new("node"), "conversation.mjs");
    }
}

#[test]
fn the_websockets_package_of_pypi_converses() {
    match python(WEBSOCKETS) {
        Some(python) => converse(&python, "conversation.py"),
        None => eprintln!("SKIPPED: neither Python nor pip has `websockets` for this test"),
    }
}

#[test]
fn the_socket_io_client_of_npm_converses() {
    if has_npm_package("socket.io-client") {
        converse_by_events(Path::new("node"), "events.mjs", &[]);
    }
}

#[test]
fn the_socket_io_client_of_npm_recovers() {
    if has_npm_package("socket.io-client") {
        let keys = [("socketio.recovery", "true")];
        converse_by_events(Path::new("node"), "recovery.mjs", &keys);
    }
}

#[test]
fn the_socketio_package_of_pypi_converses() {
    match python(SOCKETIO) {
        Some(python) => converse_by_events(&python, "events.py", &[]),
        None => eprintln!("SKIPPED: neither Python nor pip has `socketio` for this test"),
    }
}
