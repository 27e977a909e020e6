//! What the operator does with the passwords of users.

use crate::portal::{Portal, accept_realm};
use turntable_core::id::UserId;
use turntable_core::packet::ErrorBody;
use turntable_core::reason::ErrorCode;

impl Portal {
    /// Sets the password of a user; done when it is durable. With `old` that has to be
    /// the one before. The sessions of the user that were begun without it end.
    ///
    /// # Errors
    /// `forbidden` where `password` is not among the checkers, `refused` for a password
    /// that is not accepted, `unauthorized` where `old` is wrong, `too_many` where as many
    /// users have a password as may, `conflict` where another is being stored,
    /// `unavailable` where the store cannot be written.
    pub async fn set_password(
        &self,
        user: &UserId,
        password: &str,
        old: Option<&str>,
    ) -> Result<(), ErrorBody> {
        let checkers = self.checkers.get();
        let Some(checker) = &checkers.password else {
            let message = "users have no passwords here (portal.checkers has no \"password\")";
            return Err(ErrorBody::new(ErrorCode::Forbidden, message));
        };
        accept_realm(&self.settings.get(), user)?;
        checker.set(user, password, old).await
    }

    /// Removes the password of a user; done when that is durable. Returns whether there
    /// was one.
    ///
    /// # Errors
    /// `unavailable` where the store cannot be written.
    pub async fn remove_password(&self, user: &UserId) -> Result<bool, ErrorBody> {
        let was_there = self.kept.passwords.has(user);
        durable(self.kept.passwords.remove(user).await)?;
        Ok(was_there)
    }

    /// Forgets all credentials of a user; done when that is durable.
    ///
    /// # Errors
    /// `unavailable` where the store cannot be written.
    pub async fn forget(&self, user: &UserId) -> Result<(), ErrorBody> {
        self.auth.remove(user);
        self.auth.keep(user).await?;
        durable(self.erase_guest(user).await)?;
        durable(self.kept.passwords.remove(user).await)
    }
}

fn durable(is_durable: bool) -> Result<(), ErrorBody> {
    let message = "the store cannot be written now; try again";
    let error = || ErrorBody::new(ErrorCode::Unavailable, message);
    is_durable.then_some(()).ok_or_else(error)
}
