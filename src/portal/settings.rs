//! The section `[portal]` of the configuration: authentication.

use std::collections::BTreeMap;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
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
    /// Those of clients of one address.
    pub checking_per_address_max: usize,
    /// Refused credentials after which a connection is closed.
    pub attempts_max: u32,
    /// Refused credentials of one address.
    pub address_failures: Failures,
    /// Refused credentials for one user from one address.
    pub user_failures: Failures,
    /// Users in the table of `auth.set`.
    pub sessions_max: usize,
    /// Which sessions of one user there may be at one time.
    pub sessions: SessionPolicy,
    /// How long a session goes on behind its credentials, for its client to renew them.
    pub renewal_grace_ms: u64,
    /// Banned users.
    pub bans_max: usize,
    /// Users that one user may block.
    pub blocked_max: usize,
    /// Users with a block list.
    pub block_lists_max: usize,
    /// Users in all block lists together.
    pub blocked_total_max: usize,
    /// Users in the block lists that clients of one address made; a list counts 10 more.
    pub blocked_per_address_max: usize,
    /// The realm of guests.
    pub guest_realm: String,
    /// How long a guest may come back, in days since its last identification.
    pub guest_days: u64,
    /// The file with the key that signs the tokens of guests. Empty: a key of this start.
    pub guest_key_file: String,
    /// The file with the key before, whose tokens are accepted too. Empty: none.
    pub guest_previous_key_file: String,
    /// The Unix second from which on they are not.
    pub guest_previous_until: u64,
    /// `password`.
    pub password: PasswordSettings,
    /// `cookie`.
    pub cookie: CookieSettings,
    /// `jwt`.
    pub jwt: JwtSettings,
    /// `http`.
    pub http: HttpCheckerSettings,
    /// The roles of the users that a checker accepts, by its name.
    pub roles: BTreeMap<String, Vec<String>>,
}

/// Which sessions of one user there may be at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SessionPolicy {
    /// Any, up to `session.sessions_per_user_max`.
    #[default]
    All,
    /// So many: a new one ends one before it.
    AtMost(usize),
}

impl SessionPolicy {
    /// What is accepted in a configuration.
    pub const ACCEPTED: &str =
        "accepted is \"all\", \"newest\", or a number of sessions, 1 to 1000";

    /// How many there may be, where a new one ends others.
    #[must_use]
    pub const fn max(self) -> Option<usize> {
        match self {
            Self::All => None,
            Self::AtMost(max) => Some(max),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Number(usize),
    Word(String),
}

impl Serialize for SessionPolicy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Self::All => Written::Word("all".to_owned()),
            Self::AtMost(1) => Written::Word("newest".to_owned()),
            Self::AtMost(max) => Written::Number(max),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SessionPolicy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = match Written::deserialize(deserializer) {
            Ok(Written::Number(number)) => Some(number),
            Ok(Written::Word(word)) => match word.as_str() {
                "all" => return Ok(Self::All),
                "newest" => Some(1),
                // The environment has texts only.
                word => word.parse().ok(),
            },
            Err(_) => None,
        };
        let number = number.filter(|number| (1..=1_000).contains(number));
        let policy = number.map(Self::AtMost);
        policy.ok_or_else(|| D::Error::custom(Self::ACCEPTED))
    }
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

/// The section `[avatar]`: what avatars begin with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AvatarSettings {
    /// Functions that users may call beside those of their roles.
    pub services: Vec<String>,
    /// Where your backend is asked; empty: nowhere.
    pub url: String,
    /// The file with a token that it gets with each question; empty: none.
    pub token_file: String,
    /// How long the factory may take, in ms.
    pub timeout_ms: u64,
    /// Whether an avatar whose factory failed is refused.
    pub required: bool,
    /// Users for which services may be disabled.
    pub disabled_users_max: usize,
    /// The first values of attributes that a user has not.
    pub attributes: BTreeMap<String, serde_json::Value>,
}

impl AvatarSettings {
    /// Least and greatest value of each number in the section.
    pub const RANGES: &[(&str, u64, u64)] = &[
        ("timeout_ms", 10, 60_000),
        ("disabled_users_max", 0, 10_000_000),
    ];
}

impl Default for AvatarSettings {
    fn default() -> Self {
        Self {
            services: Vec::new(),
            url: String::new(),
            token_file: String::new(),
            timeout_ms: 2_000,
            required: false,
            disabled_users_max: 100_000,
            attributes: BTreeMap::new(),
        }
    }
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
        ("checking_per_address_max", 1, 1_000_000),
        ("attempts_max", 1, 100),
        ("sessions_max", 1, 100_000_000),
        ("renewal_grace_ms", 0, 3_600_000),
        ("bans_max", 1, 100_000_000),
        ("blocked_max", 0, 10_000),
        ("block_lists_max", 0, 100_000_000),
        ("blocked_total_max", 0, 1_000_000_000),
        ("blocked_per_address_max", 0, 1_000_000_000),
        ("guest_days", 1, 36_500),
        ("guest_previous_until", 0, 100_000_000_000),
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
            checking_per_address_max: 250,
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
            sessions: SessionPolicy::All,
            renewal_grace_ms: 25_000,
            bans_max: 1_000_000,
            blocked_max: 1_000,
            block_lists_max: 100_000,
            blocked_total_max: 1_000_000,
            blocked_per_address_max: 50_000,
            guest_realm: "guest".to_owned(),
            guest_days: 365,
            guest_key_file: String::new(),
            guest_previous_key_file: String::new(),
            guest_previous_until: 0,
            password: PasswordSettings::default(),
            cookie: CookieSettings::default(),
            jwt: JwtSettings::default(),
            http: HttpCheckerSettings::default(),
            roles: BTreeMap::new(),
        }
    }
}

/// The section `[portal.password]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PasswordSettings {
    /// Whether clients may make users.
    pub sign_up: bool,
    /// The realm of users that clients make.
    pub sign_up_realm: String,
    /// Users that clients of one address make.
    pub sign_ups: Failures,
    /// Users with a password.
    pub users_max: usize,
    /// The shortest password, in characters.
    pub length_min: usize,
    /// Passwords that are hashed at once.
    pub hashing_max: usize,
    /// Memory of one hash, in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
}

impl PasswordSettings {
    /// Least and greatest value of each number in the section.
    pub const RANGES: &[(&str, u64, u64)] = &[
        ("users_max", 1, 100_000_000),
        ("length_min", 1, 256),
        ("hashing_max", 1, 256),
        ("memory_kib", 8, 1_048_576),
        ("passes", 1, 100),
    ];
}

impl Default for PasswordSettings {
    fn default() -> Self {
        Self {
            sign_up: false,
            sign_up_realm: "1".to_owned(),
            sign_ups: Failures {
                per_minute: 1,
                burst: 10,
            },
            users_max: 1_000_000,
            length_min: 8,
            hashing_max: 2,
            memory_kib: 19_456,
            passes: 2,
        }
    }
}

/// The section `[portal.jwt]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct JwtSettings {
    /// The file with the keys: a JWK set.
    pub keys_file: String,
    /// Or the URL of one.
    pub jwks_url: String,
    /// How old the fetched set may be before it is fetched again, in ms.
    pub jwks_refresh_ms: u64,
    /// The time between two fetches at least, in ms.
    pub jwks_cooldown_ms: u64,
    /// Who has to have issued a token.
    pub issuer: String,
    /// Whom it has to be for.
    pub audience: String,
    /// Claims that become attributes of the session.
    pub attributes: Vec<String>,
    /// The claim with the roles of the user. Empty: none.
    pub roles: String,
}

impl JwtSettings {
    /// Least and greatest value of each number in the section.
    pub const RANGES: &[(&str, u64, u64)] = &[
        ("jwks_refresh_ms", 1_000, 86_400_000),
        ("jwks_cooldown_ms", 100, 3_600_000),
    ];
}

impl Default for JwtSettings {
    fn default() -> Self {
        Self {
            keys_file: String::new(),
            jwks_url: String::new(),
            jwks_refresh_ms: 600_000,
            jwks_cooldown_ms: 30_000,
            issuer: String::new(),
            audience: String::new(),
            attributes: Vec::new(),
            roles: String::new(),
        }
    }
}

/// The section `[portal.cookie]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CookieSettings {
    /// The name of the cookie.
    pub name: String,
    /// Its path.
    pub path: String,
    /// Its domain. Empty: the host of the request.
    pub domain: String,
    /// How long one that the server signs is good for, in s.
    pub lifetime_s: u64,
    /// The file with the key.
    pub key_file: String,
    /// The file with the key before. Empty: none.
    pub previous_key_file: String,
    /// The Unix second from which on that is not accepted.
    pub previous_until: u64,
}

impl CookieSettings {
    /// Least and greatest value of each number in the section.
    pub const RANGES: &[(&str, u64, u64)] = &[
        ("lifetime_s", 10, 31_536_000),
        ("previous_until", 0, 100_000_000_000),
    ];
}

impl Default for CookieSettings {
    fn default() -> Self {
        Self {
            name: "turntable_login".to_owned(),
            path: "/".to_owned(),
            domain: String::new(),
            lifetime_s: 604_800,
            key_file: String::new(),
            previous_key_file: String::new(),
            previous_until: 0,
        }
    }
}

/// The section `[portal.http]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpCheckerSettings {
    /// The URL that is asked.
    pub url: String,
    /// The file with the token that the server shows there. Empty: none.
    pub token_file: String,
    /// How long an answer may take, in ms.
    pub timeout_ms: u64,
    /// The longest answer, in bytes.
    pub answer_bytes_max: usize,
    /// Failures in a row after which it gets no request for a while.
    pub failures: u32,
    /// How long, in ms.
    pub pause_ms: u64,
}

impl HttpCheckerSettings {
    /// Least and greatest value of each number in the section.
    pub const RANGES: &[(&str, u64, u64)] = &[
        ("timeout_ms", 10, 60_000),
        ("answer_bytes_max", 128, 1_048_576),
        ("failures", 1, 1_000),
        ("pause_ms", 10, 600_000),
    ];
}

impl Default for HttpCheckerSettings {
    fn default() -> Self {
        Self {
            url: String::new(),
            token_file: String::new(),
            timeout_ms: 3_000,
            answer_bytes_max: 65_536,
            failures: 5,
            pause_ms: 10_000,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn policy_is_a_word_or_a_number() {
        let policy = |json: &str| serde_json::from_str::<SessionPolicy>(json).ok();
        assert_eq!(policy("\"all\""), Some(SessionPolicy::All));
        assert_eq!(policy("\"newest\""), Some(SessionPolicy::AtMost(1)));
        assert_eq!(policy("3"), Some(SessionPolicy::AtMost(3)));
        assert_eq!(policy("\"3\""), Some(SessionPolicy::AtMost(3)));
        for wrong in ["0", "1001", "\"some\"", "true", "[]"] {
            assert_eq!(policy(wrong), None, "{wrong}");
        }
        let newest = serde_json::to_string(&SessionPolicy::AtMost(1)).unwrap();
        assert_eq!(newest, "\"newest\"");
    }
}
