//! What the integration tests share: the server as a process of its own, and
//! clients that write every byte by hand, so that they can also misbehave.
//!
//! The crate knows nothing of the server's code. It is compiled once for all
//! test binaries and does not change when the server does.
//!
//! Nothing here waits without a deadline, and nothing sleeps where the server
//! can be observed: a test reads what comes next and fails with what came
//! instead.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::should_implement_trait
)]

pub mod channel;
pub mod command;
pub mod engineio;
pub mod http;
pub mod http_connection;
pub mod journal;
pub mod metric;
pub mod msgpack;
pub mod package;
pub mod peer;
pub mod poll;
pub mod presence;
pub mod process;
pub mod random;
pub mod room;
pub mod server;
pub mod session;
pub mod socketio;
pub mod stream;
pub mod tunnel;
pub mod websocket;
pub mod workspace;

use std::time::Duration;

pub use http::{Response, request};
pub use peer::{Peer, Way};
pub use random::Random;
pub use server::Server;
pub use websocket::{Client, Frame, Opcode};

/// How long a test waits for what must come. Far more than it takes: the
/// machine may be busy with other tests.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// How long a test listens for what must not come.
pub const SILENCE: Duration = Duration::from_millis(200);
