//! The permissions of sessions: computed from roles, each set of them once. Sessions
//! with the same roles share one value, so an idle session takes a pointer for it.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use turntable_core::model::pattern::Pattern;
use turntable_core::model::permission::{Permissions, Roles, SharedPermissions};

/// From so many sets on, those that no session has any more are looked for.
const SETS: usize = 64;

/// Roles, and functions that were added to theirs.
type Key = (Vec<Box<str>>, Vec<Pattern>);

/// Makes permissions, and knows those that sessions have.
#[derive(Debug, Default)]
pub struct PermissionBook {
    roles: Roles,
    /// What sessions without a role may do.
    default: SharedPermissions,
    made: Mutex<HashMap<Key, Weak<Permissions>>>,
}

impl PermissionBook {
    /// The permissions of these roles.
    #[must_use]
    pub fn new(roles: Roles) -> Self {
        Self {
            default: roles.permissions(&[], &[]).map(Arc::new),
            made: Mutex::default(),
            roles,
        }
    }

    /// What a session with these roles may do, and call beside it. Roles without an entry
    /// in `[roles]` do not count.
    #[must_use]
    pub fn of(&self, roles: &[Box<str>], added: &[Pattern]) -> SharedPermissions {
        let known = self.roles.known(roles);
        if known.is_empty() && added.is_empty() {
            return self.default.clone();
        }
        let mut added = added.to_vec();
        added.sort();
        added.dedup();
        let names = known.iter().map(|role| (*role).into()).collect();
        let key = (names, added);
        let made = &mut *self.made.lock();
        if let Some(permissions) = made.get(&key).and_then(Weak::upgrade) {
            return Some(permissions);
        }
        let permissions = Arc::new(self.roles.permissions(&known, &key.1)?);
        if made.len() >= SETS && made.len() == made.capacity() {
            made.retain(|_, known| known.strong_count() > 0);
        }
        made.insert(key, Arc::downgrade(&permissions));
        Some(permissions)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use turntable_core::model::permission::RoleSettings;

    fn book() -> PermissionBook {
        let mut entries = RoleSettings::embedded();
        for number in 0..12 {
            entries.insert(format!("r{number}"), RoleSettings::default());
        }
        PermissionBook::new(Roles::new(entries))
    }

    fn names(names: &[&str]) -> Vec<Box<str>> {
        names.iter().map(|name| (*name).into()).collect()
    }

    #[test]
    fn equal_sets_of_roles_are_one_value() {
        let book = book();
        let one = book.of(&names(&["r1", "r2"]), &[]).unwrap();
        let other = book.of(&names(&["r2", "unknown", "r1", "r1"]), &[]);
        assert!(Arc::ptr_eq(&one, &other.unwrap()));
        let forum = [Pattern::of_functions("forum").unwrap()];
        let more = book.of(&names(&["r1", "r2"]), &forum).unwrap();
        assert!(!Arc::ptr_eq(&one, &more));
        assert_eq!(book.of(&names(&["unknown"]), &[]), None);
    }

    #[test]
    fn sets_that_no_session_has_are_forgotten() {
        let book = book();
        let first = book.of(&names(&["r0"]), &[]);
        for set in 1..1 << 12 {
            let roles = (0..12).filter(|bit| set >> bit & 1 == 1);
            let roles: Vec<Box<str>> = roles.map(|bit| format!("r{bit}").into()).collect();
            assert!(book.of(&roles, &[]).is_some());
        }
        let known = book.made.lock().len();
        assert!(known < 4 * SETS, "{known}");
        let again = book.of(&names(&["r0"]), &[]);
        assert!(Arc::ptr_eq(&first.unwrap(), &again.unwrap()));
    }
}
