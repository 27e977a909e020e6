//! Attributes of users at the server's end, for a program that embeds the server.

use super::Running;
use turntable_core::id::UserId;
use turntable_core::model::avatar::AttributeChanges;
use turntable_core::packet::ErrorBody;
use turntable_core::payload::Payload;

impl Running {
    /// The attributes of a user, absent or not.
    ///
    /// # Errors
    /// `unavailable` where the store cannot be read.
    pub async fn attributes(&self, user: &UserId) -> Result<Vec<(Box<str>, Payload)>, ErrorBody> {
        self.avatar(user).attributes().await
    }

    /// Sets and removes (`None`) attributes of a user, all or none, in one order with
    /// the `set`s of its clients; all of its sessions get what changed. Attributes of
    /// `attributes.server_only` can be set here. To hear of changes, see
    /// [`AttributeValidator::changed`](crate::actor::validator::AttributeValidator::changed).
    ///
    /// # Errors
    /// `refused` by a rule or a validator, `too_large`, `unavailable` where the store
    /// cannot be written.
    pub async fn set_attributes(
        &self,
        user: &UserId,
        changes: AttributeChanges,
    ) -> Result<(), ErrorBody> {
        self.avatar(user).set(changes).await
    }
}
