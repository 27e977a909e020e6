//! Why a benchmark could not be run or its figures not be trusted.
//!
//! A benchmark has no peer to answer: every error goes to the person who
//! started it, so each one carries a whole sentence.

use std::io;

/// What ends a benchmark before it has figures.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The operating system refused something.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: String,
        /// What the system said.
        source: io::Error,
    },
    /// The server said something that does not fit the conversation.
    #[error("the server broke off the conversation: {0}")]
    Conversation(String),
    /// Something that was waited for did not come.
    #[error("{waited_for} did not come within {seconds} s")]
    Timeout {
        /// What was waited for.
        waited_for: String,
        /// For how long.
        seconds: u64,
    },
    /// The arguments do not fit together.
    #[error("{0}")]
    Usage(String),
}

impl BenchError {
    /// Wraps an I/O error with what was being done, as in `map_err(doing("..."))`.
    pub(super) fn doing(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }
}
