//! The section `[portal]` of the configuration: authentication.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use turntable_core::rate::BucketSettings;

/// The section `[portal]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PortalSettings {
    /// The credential checkers, in the order in which they are asked.
    pub checkers: Vec<String>,
    /// Realms (`1` in `1:12345`) whose users are accepted. Empty: any.
    pub realms: Vec<String>,
    /// The realm of a user that credentials or a call name without one.
    pub default_realm: String,
    /// How long one checker may take, in ms.
    pub checker_timeout_ms: u64,
    /// Identifications that run off the workers at once.
    pub checking_max: usize,
    /// Refused credentials after which a connection is closed.
    pub attempts_max: u32,
    /// Refused credentials of one address.
    pub address_failures: Failures,
    /// Refused credentials for one user from one address.
    pub user_failures: Failures,
    /// Users in the table of `auth.set`.
    pub sessions_max: usize,
    /// The realm of guests.
    pub guest_realm: String,
    /// How long a guest may come back, in days since its last identification.
    pub guest_days: u64,
    /// The file with the key that signs the tokens of guests. Empty: a key of this start.
    pub guest_key_file: String,
    /// The file with the key before, whose tokens are accepted too. Empty: none.
    pub guest_previous_key_file: String,
    /// The file with the keys that tokens of `jwt` are signed with: a JWK set.
    pub jwt_keys_file: String,
    /// Who has to have issued them.
    pub jwt_issuer: String,
    /// Whom they have to be for.
    pub jwt_audience: String,
    /// Claims of them that become attributes of the session.
    pub jwt_attributes: Vec<String>,
    /// The claim of them with the roles of the user. Empty: none.
    pub jwt_roles: String,
    /// The roles of the users that a checker accepts, by its name.
    pub roles: BTreeMap<String, Vec<String>>,
}

/// How many failures are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failures {
    /// Failures per minute; 0: no limit.
    pub per_minute: u32,
    /// Failures at once.
    pub burst: u32,
}

impl Failures {
    /// The range of each number.
    pub const RANGES: &[(&str, u64, u64)] = &[("per_minute", 0, 1_000_000), ("burst", 1, 1_000)];

    /// The bucket in which a failure is so many tokens as [`Self::COST`].
    pub(super) const fn bucket(self) -> BucketSettings {
        BucketSettings::new(self.per_minute, self.burst * Self::COST)
    }

    /// Tokens of one failure: a bucket counts whole tokens per second.
    pub(super) const COST: u32 = 60;
}

impl PortalSettings {
    /// The roles of the users that a checker accepts.
    pub(super) fn roles_of(&self, checker: &str) -> Vec<Box<str>> {
        let roles = self.roles.get(checker).into_iter().flatten();
        roles.map(|role| role.as_str().into()).collect()
    }

    /// Least and greatest value of each number in the section.
    pub const RANGES: &[(&str, u64, u64)] = &[
        ("checker_timeout_ms", 10, 60_000),
        ("checking_max", 1, 1_000_000),
        ("attempts_max", 1, 100),
        ("sessions_max", 1, 100_000_000),
        ("guest_days", 1, 36_500),
    ];
}

impl Default for PortalSettings {
    fn default() -> Self {
        Self {
            checkers: ["session", "guest", "anonymous"].map(str::to_owned).into(),
            realms: Vec::new(),
            default_realm: "1".to_owned(),
            checker_timeout_ms: 5_000,
            checking_max: 1_000,
            attempts_max: 3,
            address_failures: Failures {
                per_minute: 30,
                burst: 30,
            },
            user_failures: Failures {
                per_minute: 5,
                burst: 5,
            },
            sessions_max: 1_000_000,
            guest_realm: "guest".to_owned(),
            guest_days: 365,
            guest_key_file: String::new(),
            guest_previous_key_file: String::new(),
            jwt_keys_file: String::new(),
            jwt_issuer: String::new(),
            jwt_audience: String::new(),
            jwt_attributes: Vec::new(),
            jwt_roles: String::new(),
            roles: BTreeMap::new(),
        }
    }
}
