//! What is kept beside the actors.

pub mod last_seen;
