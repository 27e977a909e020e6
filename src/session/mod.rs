//! The session: what outlives a connection.

pub mod settings;
