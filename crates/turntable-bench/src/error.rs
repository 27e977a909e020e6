//! Why a benchmark failed, or its results are not valid.
//!
//! A benchmark has no peer to answer: every error is shown to the user that started
//! it, so each is a complete sentence.

use std::io;

/// An error that ends a benchmark without results.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// An error of the operating system.
    #[error("{doing}: {source}")]
    Io {
        /// The failed operation.
        doing: String,
        /// The system's error.
        source: io::Error,
    },
    /// An unexpected message of the server.
    #[error("unexpected behaviour of the server: {0}")]
    Conversation(String),
    /// A timeout.
    #[error("timeout after {seconds} s: {waited_for}")]
    Timeout {
        /// The expected event.
        waited_for: String,
        /// The timeout, in seconds.
        seconds: u64,
    },
    /// The arguments contradict each other.
    #[error("{0}")]
    Usage(String),
}

impl BenchError {
    /// Adds the failed operation to an I/O error, as in `map_err(doing("..."))`.
    pub(super) fn doing(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }
}
