//! The programs in `examples/`, as their README files start them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod config;
mod embedded;

use std::net::TcpListener;
use std::path::Path;

use turntable_testkit::Server;
use turntable_testkit::package::{has_npm_package, run_script};
use turntable_testkit::workspace::root;

/// The configuration of an example.
fn config(example: &str) -> String {
    let file = root().join("examples").join(example).join("turntable.toml");
    std::fs::read_to_string(file).unwrap()
}

/// A server with the configuration of an example.
fn server(example: &str) -> Server {
    Server::configured(&config(example), &[])
}

#[test]
fn client_connects_to_a_service_directly_with_a_token_of_the_server() {
    if has_npm_package("ws") {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port().to_string();
        drop(free);
        let server = Server::configured(&config("direct-service").replace("9100", &port), &[]);
        let url = format!("http://{}", server.address);
        let script = "tests/example/direct_service.mjs";
        run_script(Path::new("node"), script, &[&url, &port]);
    }
}

#[test]
fn forum_service_goes_and_comes_while_a_client_stays_connected() {
    // Any package: the example needs Node alone.
    if has_npm_package("ws") {
        let server = server("forum-service");
        let url = format!("http://{}", server.address);
        run_script(
            Path::new("node"),
            "tests/example/forum_service.mjs",
            &[&url],
        );
    }
}

/// The example's server program over one transport of its client. The server has to know
/// the port of the program before that listens.
fn run_chromie(transport: &str) {
    if !has_npm_package("ws") {
        return;
    }
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port().to_string();
    drop(free);
    let file = root().join("examples/chromie/turntable.toml");
    let file = std::fs::read_to_string(file).unwrap();
    let server = Server::configured(&file.replace(":9000/", &format!(":{port}/")), &[]);
    let (url, management) = (server.address, server.management);
    let (url, management) = (format!("http://{url}"), format!("http://{management}"));
    run_script(
        Path::new("node"),
        "tests/example/chromie.mjs",
        &[&url, &management, &port, transport],
    );
}

#[test]
fn chromie_runs_over_websocket() {
    run_chromie("websocket");
}

#[test]
fn chromie_runs_over_poll() {
    run_chromie("poll");
}
