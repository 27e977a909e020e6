//! The programs in `examples/`, as their README files start them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::path::Path;

use turntable_testkit::Server;
use turntable_testkit::package::{has_npm_package, run_script};
use turntable_testkit::workspace::root;

/// A server with the configuration of an example.
fn server(example: &str) -> Server {
    let file = root().join("examples").join(example).join("turntable.toml");
    Server::configured(&std::fs::read_to_string(file).unwrap(), &[])
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
