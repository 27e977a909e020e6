//! A fact of a user on its way to the store.

use tokio::sync::oneshot;

use super::{Fact, Store, Unavailable};
use turntable_core::id::UserId;
use turntable_core::packet::ErrorBody;
use turntable_core::reason::ErrorCode;

/// Stores a fact of a user, or removes it. The store gets it with this call; the future
/// is done when it is durable.
///
/// # Errors
/// Where the store cannot be written.
pub(crate) fn put(
    store: &dyn Store,
    fact: Fact,
    user: &UserId,
    text: Option<Box<str>>,
) -> impl Future<Output = Result<(), Unavailable>> + use<> {
    let (done, written) = oneshot::channel();
    let saved = move |saved| {
        // Nobody may wait.
        let _ = done.send(saved);
    };
    store.set_fact(fact, user, text, Box::new(saved));
    async { written.await.unwrap_or(Err(Unavailable)) }
}

impl Unavailable {
    /// The error for a change that is in force without being stored.
    pub(crate) fn in_force(self) -> ErrorBody {
        let message = "it is in force, but the store cannot be written: it ends with the server";
        ErrorBody::new(ErrorCode::Unavailable, message)
    }
}
