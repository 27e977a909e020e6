//! The scenarios: each function is written once, and runs over every transport of
//! `main.rs`.

pub mod channel;
pub mod ending;
pub mod error;
pub mod identify;
pub mod limit;
pub mod migration;
pub mod mixed;
pub mod permission;
pub mod presence;
pub mod resume;
pub mod room;
pub mod service;
pub mod slow;

use std::future::Future;
use std::pin::Pin;

/// The future of a client in a scenario with several transports.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;
