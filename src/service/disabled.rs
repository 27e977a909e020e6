//! Services that are disabled for single users: those of one avatar. All other users, and
//! other services of the user, go on.
//!
//! The book is what counts: gateways look into it at each call and at each `welcome`, and
//! are notified when it changes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::RwLock;

use turntable_core::id::UserId;
use turntable_core::packet::ErrorBody;
use turntable_core::reason::ErrorCode;
use turntable_core::spare::Spare;

/// The services that users are without.
#[derive(Debug, Default)]
pub struct Disabled {
    by_user: RwLock<HashMap<UserId, Vec<Box<str>>>>,
    /// Whether there is one: most servers have none to look at.
    is_any: AtomicBool,
}

impl Disabled {
    /// Whether the service is disabled for the user.
    #[must_use]
    pub fn has(&self, user: &UserId, service: &str) -> bool {
        self.is_any.load(Ordering::Relaxed)
            && self
                .by_user
                .read()
                .get(user)
                .is_some_and(|all| all.iter().any(|known| **known == *service))
    }

    /// The services that are disabled for the user.
    #[must_use]
    pub fn of(&self, user: &UserId) -> Vec<Box<str>> {
        if !self.is_any.load(Ordering::Relaxed) {
            return Vec::new();
        }
        let by_user = self.by_user.read();
        by_user.get(user).cloned().unwrap_or_default()
    }

    /// For how many users the service is disabled.
    #[must_use]
    pub fn users(&self, service: &str) -> usize {
        let by_user = self.by_user.read();
        let all = by_user.values();
        all.filter(|all| all.iter().any(|known| **known == *service))
            .count()
    }

    /// The service is disabled for the user from now on, one of at most `users_max`.
    /// Returns whether it was not before.
    ///
    /// # Errors
    /// `too_many` users.
    pub fn disable(
        &self,
        user: &UserId,
        service: &str,
        users_max: usize,
    ) -> Result<bool, ErrorBody> {
        let mut by_user = self.by_user.write();
        if by_user.len() >= users_max && !by_user.contains_key(user) {
            let message = format!(
                "services are disabled for {users_max} users already (avatar.disabled_users_max)"
            );
            let error = ErrorBody::new(ErrorCode::TooMany, message);
            return Err(error.with("max", users_max as u64));
        }
        let all = by_user.entry(user.clone()).or_default();
        let is_new = !all.iter().any(|known| **known == *service);
        if is_new {
            all.push(service.into());
        }
        self.is_any.store(true, Ordering::Relaxed);
        Ok(is_new)
    }

    /// The service is enabled for the user again. Returns whether it was disabled.
    pub fn enable(&self, user: &UserId, service: &str) -> bool {
        let mut by_user = self.by_user.write();
        let Some(all) = by_user.get_mut(user) else {
            return false;
        };
        let before = all.len();
        all.retain(|known| **known != *service);
        let was_disabled = all.len() < before;
        if all.is_empty() {
            by_user.remove(user);
            by_user.give_back();
        }
        self.is_any.store(!by_user.is_empty(), Ordering::Relaxed);
        was_disabled
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn services_of_one_user_are_disabled_and_others_are_not() {
        let user = |number: u32| UserId::parse(&format!("1:{number}")).unwrap();
        let disabled = Disabled::default();
        assert!(!disabled.enable(&user(1), "chat"));
        assert_eq!(disabled.disable(&user(1), "chat", 2), Ok(true));
        assert_eq!(disabled.disable(&user(1), "chat", 2), Ok(false));
        assert_eq!(disabled.disable(&user(1), "forum", 2), Ok(true));
        assert_eq!(disabled.disable(&user(2), "chat", 2), Ok(true));
        let full = disabled.disable(&user(3), "chat", 2).unwrap_err();
        assert_eq!(
            (full.code, full.detail("max")),
            (ErrorCode::TooMany, Some(2))
        );
        assert!(disabled.has(&user(1), "chat") && !disabled.has(&user(2), "forum"));
        assert_eq!((disabled.users("chat"), disabled.users("forum")), (2, 1));
        assert_eq!(disabled.of(&user(1)), ["chat".into(), "forum".into()]);
        assert!(disabled.enable(&user(1), "chat") && disabled.enable(&user(2), "chat"));
        assert_eq!(disabled.of(&user(1)), ["forum".into()]);
        assert_eq!(disabled.disable(&user(3), "chat", 2), Ok(true));
        assert!(disabled.enable(&user(1), "forum") && disabled.enable(&user(3), "chat"));
        assert!(disabled.by_user.read().is_empty() && !disabled.has(&user(3), "chat"));
    }
}
