//! The section `[management]` of the configuration: the operator's listener.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::role::Role;
use crate::http::settings::TlsSettings;

/// The fewest bytes of a token: it is not for people to remember.
pub const TOKEN_BYTES_MIN: usize = 16;

/// The section `[management]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ManagementSettings {
    /// Address of metrics, health and calls. Port 0 selects a free port. With an address that
    /// is not a loopback one each request needs a token.
    pub listen: SocketAddr,
    /// The certificate of the listener; without one it speaks HTTP.
    pub tls: TlsSettings,
    /// Whether requests need a token on a loopback address, too.
    pub token_required: bool,
    /// Entries of one answer that lists, as `listAll`.
    pub list_max: usize,
    /// Changes by operators that are listed, the last ones.
    pub audit_entries_max: usize,
    /// Whether the configuration file is put in force when it is saved.
    pub watch_file: bool,
    /// The tokens of the operator's programs, by the name that the log has.
    pub tokens: BTreeMap<String, TokenSettings>,
}

/// A token in `[management.tokens]`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenSettings {
    /// The secret.
    pub token: String,
    /// What its caller may do.
    pub role: Role,
}

impl fmt::Debug for TokenSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSettings")
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

impl ManagementSettings {
    /// The range of each number in the section.
    pub const RANGES: &[(&str, u64, u64)] = &[
        ("list_max", 1, 1_000_000),
        ("audit_entries_max", 0, 100_000),
    ];

    /// What contradicts itself: the keys, and what is wrong.
    #[must_use]
    pub fn conflicts(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        let mut wrong =
            |key: &str, message: String| found.push((format!("management.{key}"), message));
        if self.tokens.is_empty() && !self.listen.ip().is_loopback() {
            let message = "needs an entry in [management.tokens]: only a loopback address \
                           (127.0.0.1 or [::1]) may be called without a token";
            wrong("listen", message.to_owned());
        }
        if self.tokens.is_empty() && self.token_required {
            wrong(
                "token_required",
                "needs an entry in [management.tokens]".to_owned(),
            );
        }
        for (name, entry) in &self.tokens {
            let key = format!("tokens.{name}.token");
            if entry.token.len() < TOKEN_BYTES_MIN {
                wrong(&key, format!("a token has {TOKEN_BYTES_MIN} bytes or more"));
            } else if !entry.token.bytes().all(|byte| byte.is_ascii_graphic()) {
                wrong(&key, "a token is of visible ASCII characters".to_owned());
            } else if self
                .tokens
                .iter()
                .any(|(of, other)| of < name && other.token == entry.token)
            {
                wrong(&key, "another entry has the same token".to_owned());
            }
        }
        found
    }
}

impl Default for ManagementSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8181)),
            tls: TlsSettings::default(),
            token_required: false,
            list_max: 10_000,
            audit_entries_max: 1_000,
            watch_file: true,
            tokens: BTreeMap::new(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn wrong(toml: &str) -> Vec<String> {
        let settings: ManagementSettings = toml::from_str(toml).unwrap();
        settings
            .conflicts()
            .into_iter()
            .map(|(key, _)| key)
            .collect()
    }

    #[test]
    fn tokens_are_long_different_and_there_where_they_are_needed() {
        assert_eq!(wrong(""), [""; 0]);
        assert_eq!(wrong("listen = \"0.0.0.0:8181\""), ["management.listen"]);
        assert_eq!(
            wrong("token_required = true"),
            ["management.token_required"]
        );
        let one = "tokens.a = { token = \"0123456789abcdef\", role = \"read\" }\n";
        assert_eq!(wrong(&format!("listen = \"0.0.0.0:8181\"\n{one}")), [""; 0]);
        let two = one.replace("tokens.a", "tokens.b");
        assert_eq!(wrong(&format!("{one}{two}")), ["management.tokens.b.token"]);
        for token in ["short", "0123456789 abcdef", "0123456789abcdefé"] {
            let entry = format!("tokens.a = {{ token = \"{token}\", role = \"admin\" }}");
            assert_eq!(wrong(&entry), ["management.tokens.a.token"], "{token}");
        }
        assert!(toml::from_str::<ManagementSettings>(&one.replace("read", "root")).is_err());
    }
}
