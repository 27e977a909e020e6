//! Clients of other people, from their registries, speak the protocol by
//! hand-written JSON.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::path::Path;
use std::process::Command;

use support::{Server, has_npm_package, python, root};

/// Packages that are asked of PyPI where Python has none yet, and what tells
/// that they are there.
const WEBSOCKETS: (&[&str], &str) = (
    &["websockets>=14,<18"],
    "import websockets.sync.client as c; c.connect",
);
const SOCKETIO: (&[&str], &str) = (
    &["python-socketio[client]>=5.11,<6"],
    "import socketio as s, requests, websocket; s.Client",
);

/// How a client of socket.io may talk.
const TRANSPORTS: [&str; 3] = ["polling", "websocket", "polling,websocket"];

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

#[test]
fn the_ws_package_of_npm_converses() {
    if has_npm_package("ws") {
        converse(Path::new("node"), "conversation.mjs");
    }
}

#[test]
fn the_websockets_package_of_pypi_converses() {
    if let Some(python) = python(WEBSOCKETS.0, WEBSOCKETS.1) {
        converse(&python, "conversation.py");
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
    if let Some(python) = python(SOCKETIO.0, SOCKETIO.1) {
        converse_by_events(&python, "events.py", &[]);
    }
}
