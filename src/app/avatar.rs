//! The avatar of one user, for a program that embeds the server.

use std::sync::Arc;
use std::time::Duration;

use super::Running;
use crate::gateway::Shared;
use crate::gateway::question::unexpected;
use turntable_core::call::{AvatarCall, Call};
use turntable_core::delivery::Answer;
use turntable_core::id::UserId;
use turntable_core::model::avatar::AttributeChanges;
use turntable_core::model::service::Outcome;
use turntable_core::packet::ErrorBody;
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
pub struct Avatars(Arc<Shared>);

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
        let user = self.user.clone();
        let call = |requester| Call::Avatar(user, AvatarCall::Attributes { requester });
        match self.shared.ask(call).await? {
            Answer::Attributes(attributes) => Ok(attributes),
            _ => Err(unexpected()),
        }
    }

    /// Sets and removes attributes, as in [`Running::set_attributes`].
    ///
    /// # Errors
    /// `refused` by a rule or a validator, `too_large`, `unavailable` where the store
    /// cannot be written.
    pub async fn set(&self, changes: AttributeChanges) -> Result<(), ErrorBody> {
        let user = self.user.clone();
        let call = |requester| Call::Avatar(user, AvatarCall::Change { requester, changes });
        match self.shared.ask(call).await? {
            Answer::Done => Ok(()),
            _ => Err(unexpected()),
        }
    }
}
