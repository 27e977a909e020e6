//! The few calls that need unsafe code, behind safe functions.
//!
//! Every other crate of the workspace forbids unsafe code. What comes here is
//! as small as a call can be: arguments that cannot be wrong go in, plain
//! values come out, and each `unsafe` block says why it is sound.

mod round_trip;
mod suspended;

pub use round_trip::{TcpRoundTrip, tcp_info};
pub use suspended::suspended_ms;
