//! What a method does, beside who may call it.

/// What a call of a method does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It shows something and changes nothing.
    Look,
    /// It sends something to users or to a service. A backend may send thousands in a second, and
    /// nothing of it lasts at the server.
    Message,
    /// It changes something that lasts.
    Change,
}
