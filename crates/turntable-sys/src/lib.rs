//! The few calls that need unsafe code, behind safe functions.
//!
//! Every other crate of the workspace forbids unsafe code. What comes here is
//! as small as a call can be: arguments that cannot be wrong go in, plain
//! values come out, and each `unsafe` block says why it is sound.

mod descriptors;
mod disposition;
mod hung_up;
mod memory;
mod program_pages;
mod round_trip;
mod send_buffer;
mod since_boot;
mod suspended;

pub use descriptors::{OPEN_WITHOUT_WAITING, hand_over};
pub use disposition::{end_by_signals, ignore_restart_signals};
pub use hung_up::has_hung_up;
pub use memory::release_free_memory;
pub use program_pages::release_program_pages;
pub use round_trip::{TcpRoundTrip, acknowledged_bytes, tcp_info};
pub use send_buffer::{unacknowledged_bytes, unsent_bytes};
pub use since_boot::since_boot;
pub use suspended::suspended_ms;
