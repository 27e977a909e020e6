//! The operator's side: metrics and health, on a listener of its own.

pub mod settings;
