//! Who may be the user, and the end of its sessions.

use std::time::Duration;

use super::Avatar;
use crate::portal::operator_call::OperatorCall;
use turntable_core::id::UserId;
use turntable_core::packet::ErrorBody;

impl Avatar {
    /// Ends all sessions with 4005: the clients do not come back by themselves. `reason` is
    /// a sentence for them. Returns how many there were.
    ///
    /// # Errors
    /// `unavailable` where a worker does not answer.
    pub async fn kick(&self, reason: Option<&str>) -> Result<usize, ErrorBody> {
        let call = OperatorCall::of_program("user/kick", reason);
        self.shared.kick(&self.user, call).await
    }

    /// Ends all sessions with 4004: the clients may identify again. Returns how many there
    /// were.
    ///
    /// # Errors
    /// `unavailable` where a worker does not answer.
    pub async fn remove(&self) -> Result<usize, ErrorBody> {
        let call = OperatorCall::of_program("user/remove", None);
        self.shared.remove_user(&self.user, call).await
    }

    /// Bans the user for some time, or until [`Self::unban`]: it is refused, and its
    /// sessions end as in [`Self::kick`]. Returns how many there were.
    ///
    /// # Errors
    /// `too_many` where `portal.bans_max` users are banned; `unavailable` where the store
    /// cannot be written, while the ban is in force.
    pub async fn ban(
        &self,
        time: Option<Duration>,
        reason: Option<&str>,
    ) -> Result<usize, ErrorBody> {
        let seconds = time.map(|time| time.as_secs());
        let call = OperatorCall::of_program("user/ban", reason);
        self.shared.ban(&self.user, seconds, call).await
    }

    /// Lifts the ban. Returns whether there was one.
    ///
    /// # Errors
    /// `unavailable` where the store cannot be written.
    pub async fn unban(&self) -> Result<bool, ErrorBody> {
        self.shared.unban(&self.user).await
    }

    /// Everything of the user goes: sessions, credentials, ban, block list, attributes,
    /// subscriptions of the server, disabled services, and when it was last seen. Returns
    /// how many sessions there were.
    ///
    /// # Errors
    /// `unavailable` where the store cannot be read or written: then the sessions are
    /// ended, and some of the rest may be left.
    pub async fn erase(&self) -> Result<usize, ErrorBody> {
        let call = OperatorCall::of_program("user/erase", None);
        self.shared.erase(&self.user, call).await
    }

    /// The users that this one blocks, in order.
    #[must_use]
    pub fn blocked(&self) -> Vec<UserId> {
        self.shared.blocked.list(&self.user)
    }

    /// The user blocks these from now on, and no others.
    ///
    /// # Errors
    /// `too_many` over a limit of block lists; `unavailable` where the store cannot be
    /// written.
    pub async fn set_blocked(&self, users: Vec<UserId>) -> Result<(), ErrorBody> {
        self.shared.block(&self.user, users).await
    }

    /// The client that has this session of your own site is the user from now on, by the
    /// checker `session`. The session before is replaced.
    ///
    /// # Errors
    /// `bad_message` for one without a byte or with more than 256, `conflict` where it is
    /// that of another user, `too_many` at `portal.sessions_max`, `unavailable` where the
    /// store cannot be written.
    pub async fn set_session(&self, session_id: &str) -> Result<(), ErrorBody> {
        let call = OperatorCall::of_program("auth/set", None);
        self.shared.set_session(&self.user, session_id, call).await
    }

    /// The user has no session of your own site any more. Returns whether it had one: then
    /// its sessions end with 4009.
    ///
    /// # Errors
    /// `unavailable` where the store cannot be written.
    pub async fn remove_session(&self) -> Result<bool, ErrorBody> {
        let call = OperatorCall::of_program("auth/remove", None);
        self.shared.remove_session(&self.user, call).await
    }

    /// Sets the password, which `password` among the checkers accepts from then on; done
    /// when it is durable. With `old` that has to be the one before. Sessions that were
    /// begun without it end with 4009.
    ///
    /// # Errors
    /// `forbidden` where `password` is not among the checkers, `refused` for a password
    /// that is not accepted, `unauthorized` where `old` is wrong, `rate_limited` where that
    /// was so too often, `too_many`, `conflict`, `unavailable`.
    pub async fn set_password(&self, password: &str, old: Option<&str>) -> Result<(), ErrorBody> {
        let portal = &self.shared.portal;
        let call = OperatorCall::of_program("user/setPassword", None);
        portal.set_password(&self.user, password, old, call).await
    }

    /// Removes the password. Returns whether there was one: then the sessions end with 4009.
    ///
    /// # Errors
    /// `unavailable` where the store cannot be written.
    pub async fn remove_password(&self) -> Result<bool, ErrorBody> {
        let call = OperatorCall::of_program("user/removePassword", None);
        self.shared.remove_password(&self.user, call).await
    }
}
