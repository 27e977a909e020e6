//! Functions that ordinary clients offer: the section `[functions]` of the
//! configuration, and the names of their owners.
//!
//! What a user's sessions offer under one name is a service of its own, whose instances
//! they are. It exists while they offer it.

use serde::{Deserialize, Serialize};

use super::settings::matches;
use super::{Protocol, ServiceSettings};
use crate::id::UserId;
use crate::packet::ErrorBody;
use crate::reason::ErrorCode;

/// The section `[functions]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FunctionSettings {
    /// Users who may call functions of other users, as in `services.NAME.callers`.
    pub callers: Vec<String>,
    /// The functions that they may call: `chat:sendMessage`, `chat:*`, `*`.
    pub callable: Vec<String>,
    /// How long a call may take.
    pub timeout_ms: u64,
    /// Calls that one session has at one time.
    pub in_flight_max: usize,
    /// Bytes of the calls that one session has at one time.
    pub in_flight_bytes_max: usize,
    /// Calls that wait for a session of one user.
    pub queue_max: usize,
    /// Bytes of the calls that wait.
    pub queue_bytes_max: usize,
    /// Services of users.
    pub services_max: usize,
}

impl Default for FunctionSettings {
    fn default() -> Self {
        Self {
            callers: Vec::new(),
            callable: Vec::new(),
            timeout_ms: 5_000,
            in_flight_max: 20,
            in_flight_bytes_max: 262_144,
            queue_max: 100,
            queue_bytes_max: 262_144,
            services_max: 100_000,
        }
    }
}

impl FunctionSettings {
    /// Least and greatest value of each number.
    pub const RANGES: &'static [(&'static str, u64, u64)] = &[
        ("timeout_ms", 10, 600_000),
        ("in_flight_max", 1, 100_000),
        ("in_flight_bytes_max", 1_024, 1_073_741_824),
        ("queue_max", 0, 1_000_000),
        ("queue_bytes_max", 0, 1_073_741_824),
        ("services_max", 1, 10_000_000),
    ];

    /// Whether a user may call this function of other users.
    #[must_use]
    pub fn may_call(&self, user: &UserId, f: &str) -> bool {
        let service = f.split_once(':').map(|(name, _)| name);
        let is_meant = |pattern: &String| {
            let of_service = service.is_some() && pattern.strip_suffix(":*") == service;
            pattern == "*" || pattern == f || of_service
        };
        self.callers.iter().any(|pattern| matches(pattern, user))
            && self.callable.iter().any(is_meant)
    }

    /// The settings of each user's service.
    #[must_use]
    pub fn service(&self) -> ServiceSettings {
        ServiceSettings {
            timeout_ms: self.timeout_ms,
            in_flight_max: self.in_flight_max,
            in_flight_bytes_max: self.in_flight_bytes_max,
            queue_max: self.queue_max,
            queue_bytes_max: self.queue_bytes_max,
            // A client that is silent harms none but those who call its user.
            failures_max: u32::MAX,
            protocol: Protocol::Http,
            ..ServiceSettings::default()
        }
    }
}

/// The user whose function is called is not there, or does not have it.
#[must_use]
pub fn absent() -> ErrorBody {
    let message = "the user is not connected, or offers no such function";
    ErrorBody::new(ErrorCode::ServiceDown, message)
}

/// The name of the owner of what a user offers as `service`. No service of the
/// configuration has a blank in its name, and no user.
#[must_use]
pub fn owner_name(user: &UserId, service: &str) -> Box<str> {
    format!("{} {service}", user.as_str()).into()
}

/// The user and the service of such a name; `None` for a service of the configuration.
///
/// ```
/// use turntable_core::model::service::function::{owner_name, parts};
/// let mel = turntable_core::id::UserId::parse("1:2345").unwrap();
/// assert_eq!(parts(&owner_name(&mel, "friends")), Some(("1:2345", "friends")));
/// assert_eq!(parts("forum"), None);
/// ```
#[must_use]
pub fn parts(name: &str) -> Option<(&str, &str)> {
    name.split_once(' ')
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_called_where_user_and_function_are_permitted() {
        let settings = FunctionSettings {
            callers: vec!["1:*".to_owned()],
            callable: vec!["chat:*".to_owned(), "friends:newFriend".to_owned()],
            ..FunctionSettings::default()
        };
        let mel = UserId::parse("1:2").unwrap();
        let guest = UserId::parse("guest:2").unwrap();
        for (user, f, may_call) in [
            (&mel, "chat:sendMessage", true),
            (&mel, "friends:newFriend", true),
            (&mel, "friends:remove", false),
            (&mel, "chats:send", false),
            (&mel, "chat", false),
            (&guest, "chat:sendMessage", false),
        ] {
            assert_eq!(settings.may_call(user, f), may_call, "{user:?} {f}");
        }
        assert!(!FunctionSettings::default().may_call(&mel, "chat:sendMessage"));
    }
}
