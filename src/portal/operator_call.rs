//! The call of an operator that ends sessions: what is remembered of it with them.

use std::sync::Arc;

/// The name of a program that embeds the server, as a caller.
pub const PROGRAM: &str = "program";

/// A call of an operator that ends sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorCall {
    /// The service and the method, with a slash.
    pub method: Box<str>,
    /// The name of the caller, as it is in the list of changes.
    pub by: Arc<str>,
    /// A sentence for the clients.
    pub reason: Option<Box<str>>,
}

impl OperatorCall {
    /// The same by a function of a program that embeds the server.
    #[must_use]
    pub fn of_program(method: &str, reason: Option<&str>) -> Self {
        Self {
            method: method.into(),
            by: PROGRAM.into(),
            reason: reason.map(Into::into),
        }
    }

    /// The bytes of its texts.
    #[must_use]
    pub fn text_bytes(&self) -> usize {
        self.method.len() + self.by.len() + self.reason.as_ref().map_or(0, |reason| reason.len())
    }
}
