//! Users, for a program that embeds the server. What is here of one user is what its
//! [`Avatar`](super::Avatar) does.

use std::time::Duration;

use super::{Avatars, Running};
use crate::clock;
use crate::portal::ban::Ban;
use turntable_core::id::UserId;
use turntable_core::packet::ErrorBody;

impl Avatars {
    /// The first `max` users with sessions, connected or not, in the order of their ids;
    /// behind one, where that is given.
    ///
    /// # Errors
    /// `unavailable` where a worker does not answer.
    pub async fn list(&self, after: Option<&UserId>, max: usize) -> Result<Vec<UserId>, ErrorBody> {
        self.0.users(after.map(UserId::as_str), max).await
    }

    /// The bans that are in force, in the order of their users.
    #[must_use]
    pub fn bans(&self) -> Vec<(UserId, Ban)> {
        self.0.bans.list(clock::now_ms())
    }

    /// How many users each user with a block list blocks, in the order of their ids.
    #[must_use]
    pub fn block_lists(&self) -> Vec<(UserId, usize)> {
        self.0.blocked.all()
    }

    /// Whose session of your own site this is, as [`Avatar::set_session`] was given it.
    ///
    /// [`Avatar::set_session`]: super::Avatar::set_session
    #[must_use]
    pub fn of_session(&self, session_id: &str) -> Option<UserId> {
        self.0.portal.session_user(session_id)
    }

    /// The users with a session of your own site.
    #[must_use]
    pub fn with_sessions(&self) -> Vec<UserId> {
        self.0.portal.session_users()
    }
}

impl Running {
    /// Ends all sessions of a user, as [`Avatar::kick`](super::Avatar::kick).
    ///
    /// # Errors
    /// `unavailable` where a worker does not answer.
    pub async fn kick(&self, user: &UserId, reason: Option<&str>) -> Result<usize, ErrorBody> {
        self.avatar(user).kick(reason).await
    }

    /// Bans a user, as [`Avatar::ban`](super::Avatar::ban).
    ///
    /// # Errors
    /// `too_many` where `portal.bans_max` users are banned; `unavailable` where the store
    /// cannot be written, while the ban is in force.
    pub async fn ban(
        &self,
        user: &UserId,
        time: Option<Duration>,
        reason: Option<&str>,
    ) -> Result<usize, ErrorBody> {
        self.avatar(user).ban(time, reason).await
    }

    /// Lifts a ban. Returns whether there was one.
    ///
    /// # Errors
    /// `unavailable` where the store cannot be written.
    pub async fn unban(&self, user: &UserId) -> Result<bool, ErrorBody> {
        self.avatar(user).unban().await
    }

    /// Everything of a user goes, as [`Avatar::erase`](super::Avatar::erase).
    ///
    /// # Errors
    /// `unavailable` where the store cannot be read or written.
    pub async fn erase(&self, user: &UserId) -> Result<usize, ErrorBody> {
        self.avatar(user).erase().await
    }

    /// Sets the password of a user, as [`Avatar::set_password`](super::Avatar::set_password).
    ///
    /// # Errors
    /// `forbidden` where `password` is not among the checkers, `refused` for a password
    /// that is not accepted, `unauthorized` where `old` is wrong, `rate_limited`,
    /// `too_many`, `conflict`, `unavailable`.
    pub async fn set_password(
        &self,
        user: &UserId,
        password: &str,
        old: Option<&str>,
    ) -> Result<(), ErrorBody> {
        self.avatar(user).set_password(password, old).await
    }
}
