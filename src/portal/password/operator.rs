//! What the operator does with the passwords of users.

use std::sync::Arc;

use crate::clock;
use crate::portal::operator_call::OperatorCall;
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
    /// that is not accepted, `unauthorized` where `old` is wrong, `rate_limited` where that
    /// was so too often (`portal.user_failures`), `too_many` where as many users have a
    /// password as may, `conflict` where another is being stored,
    /// `unavailable` where the store cannot be written.
    pub async fn set_password(
        &self,
        user: &UserId,
        password: &str,
        old: Option<&str>,
        call: OperatorCall,
    ) -> Result<(), ErrorBody> {
        let checkers = self.checkers();
        let Some(checker) = &checkers.password else {
            let message = "users have no passwords here (portal.checkers has no \"password\")";
            return Err(ErrorBody::new(ErrorCode::Forbidden, message));
        };
        let settings = self.settings();
        accept_realm(&settings, user)?;
        let call = Arc::new(call);
        if old.is_none() {
            return checker.set(user, password, old, call).await;
        }
        // A page of the operator has one address for all its users, so this counts by user.
        let guess = self.attempts.guess(user, &settings, clock::now_ms())?;
        let set = checker.set(user, password, old, call).await;
        match &set {
            Ok(()) => self.attempts.was_right(guess),
            // It counts, as one does whose caller does not wait for the answer.
            Err(error) if error.code == ErrorCode::Unauthorized => (),
            Err(_) => self
                .attempts
                .was_not_made(guess, &settings, clock::now_ms()),
        }
        set
    }

    /// Removes the password of a user, at once. Returns whether there was one: then the
    /// sessions of the user end, be it durable or not. The future is done when it is.
    ///
    /// # Errors
    /// The future's: `unavailable` where the store cannot be written.
    pub fn remove_password(
        &self,
        user: &UserId,
    ) -> (bool, impl Future<Output = Result<(), ErrorBody>> + use<>) {
        let (was_there, removed) = self.persistent.passwords.remove(user);
        (was_there, async { durable(removed.await) })
    }

    /// Forgets all credentials of a user; done when that is durable.
    ///
    /// # Errors
    /// `unavailable` where the store cannot be written.
    pub async fn forget(&self, user: &UserId) -> Result<(), ErrorBody> {
        self.auth.remove(user);
        self.auth.keep(user).await?;
        durable(self.erase_guest(user).await)?;
        durable(self.persistent.passwords.remove(user).1.await)
    }
}

fn durable(is_durable: bool) -> Result<(), ErrorBody> {
    let message = "the store cannot be written now; try again";
    let error = || ErrorBody::new(ErrorCode::Unavailable, message);
    is_durable.then_some(()).ok_or_else(error)
}
