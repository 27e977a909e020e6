//! Third-party WebSocket clients speak version 1 with JSON written by hand.

use std::path::Path;

use turntable_testkit::Server;
use turntable_testkit::package::{has_npm_package, python, run_script};

/// The package, and a script that fails without it.
const WEBSOCKETS: (&[&str], &str) = (
    &["websockets>=14,<18"],
    "import websockets.sync.client as c; c.connect",
);

/// Runs a whole conversation with a new server.
fn converse(program: &Path, script: &str) {
    let server = Server::start();
    let url = format!("ws://{}/ws", server.address);
    let script = format!("tests/websocket/library/{script}");
    run_script(program, &script, &[&url]);
}

#[test]
fn npm_ws_client_converses() {
    if has_npm_package("ws") {
        converse(Path::new("node"), "conversation.mjs");
    }
}

#[test]
fn pypi_websockets_client_converses() {
    if let Some(python) = python(WEBSOCKETS.0, WEBSOCKETS.1) {
        converse(&python, "conversation.py");
    }
}
