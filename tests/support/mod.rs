//! What the tests over real sockets share: the real binary on free ports, and
//! a WebSocket client that can also misbehave.
//!
//! Nothing here waits without a deadline, and nothing sleeps where the server
//! can be heard: a test reads what comes next, and fails with what came instead.
#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod client;
mod frame;
mod http;
mod package;
mod server;

use std::time::Duration;

pub use client::{Client, KEY, handshake};
pub use frame::{Frame, Opcode};
pub use http::{Response, request};
pub use package::{has_npm_package, python, root};
pub use server::Server;

/// How long a test waits for what must come. Far more than it takes: the
/// machine may be busy with other tests.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// How long a test listens for what must not come.
pub const SILENCE: Duration = Duration::from_millis(200);
