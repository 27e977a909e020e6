//! How what an actor says reaches the gateways that have listeners.
//!
//! One process is one node here: its workers hear each other by actor messages.

pub mod bus;
pub mod mail;
