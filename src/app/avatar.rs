//! The avatar of one user, for a program that embeds the server.

mod access;
mod subscription;

use std::sync::Arc;
use std::time::Duration;

use super::Running;
use crate::gateway::Shared;
pub use crate::gateway::session::listing::SessionInfo;
use crate::opaque;
use turntable_core::id::UserId;
use turntable_core::model::avatar::AttributeChanges;
use turntable_core::model::service::Outcome;
use turntable_core::packet::{ErrorBody, LookupEntry};
use turntable_core::payload::Payload;

/// What a program does with one user, whether or not the user has a session. A clone is
/// the same avatar; it may be used on any thread.
///
/// ```no_run
/// # use turntable::app::Running;
/// # use turntable_core::id::UserId;
/// # use turntable_core::packet::ErrorBody;
/// # fn example(running: &Running, user: &UserId) -> Result<(), ErrorBody> {
/// let avatar = running.avatar(user);
/// avatar.disable_service("chat")?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Avatar {
    shared: Arc<Shared>,
    user: UserId,
}

/// The avatars of a server that runs, for parts of the program that outlive its start, as
/// services. A clone is the same; it may be used on any thread.
#[derive(Debug, Clone)]
pub struct Avatars(pub(super) Arc<Shared>);

impl Avatars {
    /// The avatar of a user.
    #[must_use]
    pub fn of(&self, user: &UserId) -> Avatar {
        Avatar {
            shared: self.0.clone(),
            user: user.clone(),
        }
    }
}

impl Running {
    /// The avatars.
    #[must_use]
    pub fn avatars(&self) -> Avatars {
        Avatars(self.shared.clone())
    }

    /// The avatar of a user.
    #[must_use]
    pub fn avatar(&self, user: &UserId) -> Avatar {
        self.avatars().of(user)
    }
}

impl Avatar {
    /// The user.
    #[must_use]
    pub const fn user(&self) -> &UserId {
        &self.user
    }

    /// Disables a service for this user: its open calls are answered `service_down`, as
    /// those that come, and its sessions get `service`. Other services, and other users,
    /// go on. It holds until [`Self::enable_service`] or the end of the server. Returns
    /// whether it was enabled.
    ///
    /// # Errors
    /// `not_found` where the configuration has no such service; `too_many` over
    /// `avatar.disabled_users_max`.
    pub fn disable_service(&self, name: &str) -> Result<bool, ErrorBody> {
        self.shared.disable_service_of(&self.user, name)
    }

    /// Enables a service for this user again. Returns whether it was disabled.
    pub fn enable_service(&self, name: &str) -> bool {
        self.shared.enable_service_of(&self.user, name)
    }

    /// The services that are disabled for this user.
    #[must_use]
    pub fn disabled_services(&self) -> Vec<Box<str>> {
        self.shared.disabled.of(&self.user)
    }

    /// Calls a function that the user's clients offer, as `friends:newFriend`. The session
    /// that has the fewest calls gets it, and has `functions.timeout_ms` to answer.
    ///
    /// # Errors
    /// What the client answered; `service_down` where the user has no session that offers
    /// the function, or that session is gone; `timeout`; `unavailable`.
    pub async fn call(&self, f: &str, args: Option<Payload>) -> Outcome {
        self.shared.call_user(&self.user, f, args, None).await
    }

    /// The same, with another deadline: 10 ms to 10 minutes.
    ///
    /// # Errors
    /// As in [`Self::call`].
    pub async fn call_within(&self, f: &str, args: Option<Payload>, timeout: Duration) -> Outcome {
        let timeout = Some(timeout);
        self.shared.call_user(&self.user, f, args, timeout).await
    }

    /// The attributes, as in [`Running::attributes`].
    ///
    /// # Errors
    /// `unavailable` where the store cannot be read.
    pub async fn attributes(&self) -> Result<Vec<(Box<str>, Payload)>, ErrorBody> {
        self.shared.attributes_of(&self.user).await
    }

    /// Sets and removes attributes, as in [`Running::set_attributes`].
    ///
    /// # Errors
    /// `refused` by a rule or a validator, `too_large`, `unavailable` where the store
    /// cannot be written.
    pub async fn set(&self, changes: AttributeChanges) -> Result<(), ErrorBody> {
        self.shared.change_attributes(&self.user, changes).await
    }

    /// Sends `user:message` to all sessions of the user; one without a connection gets it
    /// when it is resumed. Returns how many there are.
    ///
    /// # Errors
    /// `bad_message` and `too_large` for a message that clients cannot read; `unavailable`.
    pub async fn publish(&self, message: Payload) -> Result<u64, ErrorBody> {
        opaque::check(&message)?;
        self.shared.publish_to(&self.user, message).await
    }

    /// What a `lookup` of the user shows to others.
    ///
    /// # Errors
    /// `unavailable` where that is not known in time.
    pub async fn presence(&self) -> Result<LookupEntry, ErrorBody> {
        self.shared.presence_of(&self.user).await
    }

    /// The sessions of the user, connected or not.
    ///
    /// # Errors
    /// `unavailable` where a worker does not answer.
    pub async fn sessions(&self) -> Result<Vec<SessionInfo>, ErrorBody> {
        self.shared.sessions_of(&self.user).await
    }
}
