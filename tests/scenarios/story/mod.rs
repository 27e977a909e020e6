//! What happens, whatever the door: each function is told once and run through
//! every door of `main.rs`.

pub mod channel;
pub mod ending;
pub mod error;
pub mod identify;
pub mod journey;
pub mod limit;
pub mod mixed;
pub mod presence;
pub mod resume;
pub mod room;
pub mod slow;

use std::future::Future;
use std::pin::Pin;

/// A future of a story in which many doors play.
pub type Told<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;
