//! What a program that embeds the server does with users.

use std::time::Duration;

use super::Running;
use crate::gateway::session::ending::Ending;
use turntable_core::id::UserId;
use turntable_core::packet::ErrorBody;

impl Running {
    /// Ends all sessions of a user with 4005: its clients do not come back by
    /// themselves. `reason` is a sentence for them. Returns how many there were.
    pub async fn kick(&self, user: &UserId, reason: Option<&str>) -> usize {
        let ending = Ending::Kicked(reason.map(Into::into));
        self.shared.end_user(user, ending).await
    }

    /// Bans a user for some time, or until [`Self::unban`]: it is refused, and its
    /// sessions end as in [`Self::kick`]. Returns how many there were.
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
        let seconds = time.map(|time| time.as_secs());
        self.shared.ban(user, seconds, reason.map(Into::into)).await
    }

    /// Lifts a ban. Returns whether there was one.
    ///
    /// # Errors
    /// `unavailable` where the store cannot be written.
    pub async fn unban(&self, user: &UserId) -> Result<bool, ErrorBody> {
        self.shared.unban(user).await
    }

    /// Sets the password of a user, which `password` among the checkers accepts from then
    /// on; done when it is durable. With `old` that has to be the one before. Sessions of
    /// the user that were begun without it end with 4009.
    ///
    /// # Errors
    /// `forbidden` where `password` is not among the checkers, `refused` for a password
    /// that is not accepted, `unauthorized` where `old` is wrong, `too_many`, `conflict`,
    /// `unavailable`.
    pub async fn set_password(
        &self,
        user: &UserId,
        password: &str,
        old: Option<&str>,
    ) -> Result<(), ErrorBody> {
        self.shared.portal.set_password(user, password, old).await
    }
}
