//! The session: what outlives a connection.

pub mod clock;
pub mod settings;
