//! Storage outside of the actors.

pub mod last_seen;
