//! Third-party Socket.IO clients, over polling, a WebSocket, and upgraded.

use std::path::Path;

use turntable_testkit::Server;
use turntable_testkit::package::{has_npm_package, python, run_script};

/// The package, and a script that fails without it.
const SOCKETIO: (&[&str], &str) = (
    &["python-socketio[client]>=5.11,<6"],
    "import socketio as s, requests, websocket; s.Client",
);

/// The transports that a client may use.
const TRANSPORTS: [&str; 3] = ["polling", "websocket", "polling,websocket"];

/// Runs a whole conversation with a new server, over each of [`TRANSPORTS`].
fn converse(program: &Path, script: &str, keys: &[(&str, &str)]) {
    converse_with(program, script, || Server::with(keys));
}

fn converse_with(program: &Path, script: &str, server: impl Fn() -> Server) {
    let script = format!("tests/socketio/library/{script}");
    for transports in TRANSPORTS {
        let server = server();
        let url = format!("http://{}", server.address);
        run_script(program, &script, &[&url, transports]);
    }
}

#[test]
fn npm_socket_io_client_converses() {
    if has_npm_package("socket.io-client") {
        converse(Path::new("node"), "events.mjs", &[]);
    }
}

/// A service, an attribute with a rule, and a channel with members.
const SERVICE: &str = r#"
[services.forum]
providers = ["service:forum"]
token = "secret"
timeout_ms = 1500

[attributes.schema.score]
type = "integer"

[channels."chat/**"]
history_max = 100
members = true
"#;

#[test]
fn npm_socket_io_client_calls_and_provides_services() {
    if has_npm_package("socket.io-client") {
        let server = || Server::configured(SERVICE, &[]);
        converse_with(Path::new("node"), "service.mjs", server);
    }
}

#[test]
fn npm_socket_io_client_recovers_connection_state() {
    if has_npm_package("socket.io-client") {
        let keys = [("socketio.recovery", "true")];
        converse(Path::new("node"), "recovery.mjs", &keys);
    }
}

#[test]
fn pypi_socketio_client_converses() {
    if let Some(python) = python(SOCKETIO.0, SOCKETIO.1) {
        converse(&python, "events.py", &[]);
    }
}
