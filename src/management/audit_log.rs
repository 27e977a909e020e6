//! What operators changed lately: who called what, with which arguments, and how it ended.
//! The last changes are in memory; the log has all.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;

/// A change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Counts the changes since the start.
    pub number: u64,
    /// Unix ms when it was carried out.
    pub at_ms: u64,
    /// The name of the caller's token; `local` without one.
    pub by: Arc<str>,
    /// The address of the caller; `None` for a program that embeds the server.
    pub address: Option<SocketAddr>,
    /// The service and the method, with a slash.
    pub method: String,
    /// The arguments, as the log shows them: credentials are hidden.
    pub arguments: Vec<(&'static str, String)>,
    /// The code of the error, where it failed.
    pub error: Option<&'static str>,
}

/// Which changes are wanted.
#[derive(Debug, Default)]
pub struct Wanted {
    /// Of this caller.
    pub by: Option<String>,
    /// Of this method, or of all methods of this service.
    pub method: Option<String>,
    /// With this argument: a user, a channel, a name.
    pub argument: Option<String>,
    /// Before the one of this number.
    pub before: Option<u64>,
}

impl Wanted {
    fn has(&self, change: &Change) -> bool {
        let is_by = |by: &String| **by == *change.by;
        let is_of = |of: &String| {
            let rest = change.method.strip_prefix(of.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let has = |wanted: &String| change.arguments.iter().any(|(_, shown)| shown == wanted);
        self.by.as_ref().is_none_or(is_by)
            && self.method.as_ref().is_none_or(is_of)
            && self.argument.as_ref().is_none_or(has)
            && self.before.is_none_or(|before| change.number < before)
    }
}

/// The last changes.
#[derive(Debug, Default)]
pub struct AuditLog(Mutex<Changes>);

#[derive(Debug, Default)]
struct Changes {
    last: VecDeque<Change>,
    count: u64,
}

impl AuditLog {
    /// Adds a change, whose number is given here. The oldest go where there are more than `max`.
    pub fn add(&self, change: Change, max: usize) {
        let mut changes = self.0.lock();
        changes.count += 1;
        let number = changes.count;
        changes.last.push_back(Change { number, ..change });
        let surplus = changes.last.len().saturating_sub(max);
        changes.last.drain(..surplus);
    }

    /// At most `max` of those that are wanted, the last one first.
    #[must_use]
    pub fn list(&self, wanted: &Wanted, max: usize) -> Vec<Change> {
        let changes = self.0.lock();
        let changes = changes.last.iter().rev();
        let found = changes.filter(|change| wanted.has(change));
        found.take(max).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(by: &str, method: &str, user: &str) -> Change {
        Change {
            number: 0,
            at_ms: 1,
            by: by.into(),
            address: None,
            method: method.to_owned(),
            arguments: vec![("userId", user.to_owned())],
            error: None,
        }
    }

    #[test]
    fn last_changes_are_found_by_caller_method_and_argument() {
        let audit_log = AuditLog::default();
        for (by, method, user) in [
            ("ops", "user/kick", "1:0"),
            ("ops", "user/ban", "1:1"),
            ("local", "user/kick", "1:2"),
            ("ops", "userx/kick", "1:3"),
        ] {
            audit_log.add(change(by, method, user), 3);
        }
        let numbers = |wanted: Wanted, max| {
            let found = audit_log.list(&wanted, max);
            let numbers = found.iter().map(|change| change.number);
            numbers.collect::<Vec<u64>>()
        };
        let any = Wanted::default;
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(numbers(any(), 9), [4, 3, 2], "the first one is gone");
        assert_eq!(numbers(any(), 2), [4, 3]);
        let before = Some(3);
        assert_eq!(numbers(Wanted { before, ..any() }, 9), [2]);
        let by = some("ops");
        assert_eq!(numbers(Wanted { by, ..any() }, 9), [4, 2]);
        let method = some("user");
        assert_eq!(numbers(Wanted { method, ..any() }, 9), [3, 2]);
        let method = some("user/ban");
        assert_eq!(numbers(Wanted { method, ..any() }, 9), [2]);
        let argument = some("1:2");
        assert_eq!(numbers(Wanted { argument, ..any() }, 9), [3]);
        audit_log.add(change("ops", "user/kick", "1:5"), 0);
        assert_eq!(audit_log.list(&any(), 9), []);
    }
}
