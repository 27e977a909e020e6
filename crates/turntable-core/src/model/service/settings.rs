//! An entry `[services.NAME]` of the configuration.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::UserId;
use crate::model::permission::Who;

/// Least and greatest time that a call may take, in ms.
pub const TIMEOUT_MS: (u64, u64) = (10, 600_000);

/// The settings of one service.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServiceSettings {
    /// Users whose sessions may provide it: `1:12345`, `1:*` for a realm, `*` for all.
    pub providers: Vec<String>,
    /// The credential with which the users in `providers` identify. Empty: as other
    /// users do.
    pub token: String,
    /// Users who may call it, in the same forms, and those with a role, `@ROLE`.
    pub callers: Vec<String>,
    /// How long a call may take.
    pub timeout_ms: u64,
    /// Calls that one instance has at one time.
    pub in_flight_max: usize,
    /// Bytes of the calls that one session that provides it has at one time; at most half of
    /// its outbox.
    pub in_flight_bytes_max: usize,
    /// Calls that wait for an instance.
    pub queue_max: usize,
    /// Bytes of the calls that wait.
    pub queue_bytes_max: usize,
    /// Instances.
    pub instances_max: usize,
    /// Functions that may be called again if the instance that had the call is lost.
    pub idempotent: Vec<String>,
    /// The functions that may be provided. Empty: any.
    pub functions: Vec<String>,
    /// Where a backend is that the server calls. Empty: the service connects itself.
    pub url: String,
    /// How the backend is called.
    pub protocol: Protocol,
    /// Bytes of an answer of the backend.
    pub answer_bytes_max: usize,
    /// Calls in a row that an instance, or the backend, does not answer, after which it has
    /// a pause.
    pub failures_max: u32,
    /// How long such a pause is.
    pub pause_ms: u64,
    /// How long an instance whose client is behind with reading is given calls last.
    pub behind_ms: u64,
    /// Where clients may connect to the service directly. Empty: nowhere.
    pub direct_url: String,
    /// What is spoken there. Empty: what the URL says.
    pub direct_protocol: String,
    /// The key that signs the tokens of such clients.
    pub direct_key: String,
    /// How long such a token is valid.
    pub direct_token_ms: u64,
}

/// How the server calls a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Protocol {
    /// A POST for each call.
    #[default]
    #[serde(rename = "http")]
    Http,
    /// Events with acknowledgements over one connection.
    #[serde(rename = "socket.io")]
    SocketIo,
}

impl fmt::Debug for ServiceSettings {
    /// Without the secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceSettings")
            .field("providers", &self.providers)
            .field("callers", &self.callers)
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl Default for ServiceSettings {
    fn default() -> Self {
        Self {
            providers: Vec::new(),
            token: String::new(),
            callers: vec!["*".to_owned()],
            timeout_ms: 5_000,
            in_flight_max: 100,
            in_flight_bytes_max: 524_288,
            queue_max: 1_000,
            queue_bytes_max: 4_194_304,
            instances_max: 64,
            idempotent: Vec::new(),
            functions: Vec::new(),
            url: String::new(),
            protocol: Protocol::Http,
            answer_bytes_max: 1_048_576,
            failures_max: 5,
            pause_ms: 5_000,
            behind_ms: 1_000,
            direct_url: String::new(),
            direct_protocol: String::new(),
            direct_key: String::new(),
            direct_token_ms: 60_000,
        }
    }
}

impl ServiceSettings {
    /// Least and greatest value of each number.
    pub const RANGES: &'static [(&'static str, u64, u64)] = &[
        ("timeout_ms", TIMEOUT_MS.0, TIMEOUT_MS.1),
        ("in_flight_max", 1, 100_000),
        ("in_flight_bytes_max", 1_024, 1_073_741_824),
        ("queue_max", 0, 1_000_000),
        ("queue_bytes_max", 0, 1_073_741_824),
        ("instances_max", 1, 10_000),
        ("answer_bytes_max", 16, 67_108_864),
        ("failures_max", 1, 1_000_000),
        ("pause_ms", 10, 600_000),
        ("behind_ms", 10, 60_000),
        ("direct_token_ms", 1_000, 86_400_000),
    ];

    /// Whether a user may provide the service.
    #[must_use]
    pub fn may_provide(&self, user: &UserId) -> bool {
        self.providers.iter().any(|pattern| matches(pattern, user))
    }

    /// Whether a session is among the callers. Its roles have to allow the call, too.
    #[must_use]
    pub fn may_call(&self, who: Who<'_>) -> bool {
        self.callers.iter().any(|pattern| {
            let role = pattern.strip_prefix('@');
            matches(pattern, who.user()) || role.is_some_and(|role| who.has_role(role))
        })
    }

    /// Whether a call of the function may be repeated.
    #[must_use]
    pub fn is_idempotent(&self, function: &str) -> bool {
        self.idempotent.iter().any(|known| known == function)
    }
}

/// Whether `pattern` is a form of [`ServiceSettings::providers`].
#[must_use]
pub fn is_pattern(pattern: &str) -> bool {
    let realm = pattern.strip_suffix(":*");
    pattern == "*" || realm.is_some_and(crate::id::is_realm) || UserId::parse(pattern).is_ok()
}

/// Whether a user is meant by a pattern. Nothing of the user becomes part of the pattern.
pub(super) fn matches(pattern: &str, user: &UserId) -> bool {
    let realm = pattern.strip_suffix(":*");
    pattern == "*" || realm == Some(user.realm()) || pattern == user.as_str()
}

/// Whether `name` can be the name of a service: 1 to 32 of `[A-Za-z0-9_-]`.
#[must_use]
pub fn is_name(name: &str) -> bool {
    crate::id::is_realm(name)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_whole_segments() {
        let user = UserId::parse("service:forum").unwrap();
        for pattern in ["*", "service:*", "service:forum"] {
            assert!(is_pattern(pattern) && matches(pattern, &user), "{pattern}");
        }
        for pattern in ["serv:*", "service:for", "1:*", "service:forum2"] {
            assert!(is_pattern(pattern) && !matches(pattern, &user), "{pattern}");
        }
        for pattern in ["", "**", ":*", "a b:*", "service"] {
            assert!(!is_pattern(pattern), "{pattern}");
        }
        // A name of `*` is one user and no pattern of its own.
        let star = UserId::parse("1:*").unwrap();
        assert!(!matches("1:2", &star));
    }
}
