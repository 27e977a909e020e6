//! The section `[webhooks]` of the configuration.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::webhook::queue::Limits;

/// What a secret begins with.
const PREFIX: &str = "whsec_";

/// The fewest and the most bytes of a secret, as Standard Webhooks have them.
const BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// What backends may hear of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Kind {
    /// A user has a session, and had none.
    #[serde(rename = "user.online")]
    UserOnline,
    /// A user has no session any more.
    #[serde(rename = "user.offline")]
    UserOffline,
    /// A client of a user set attributes that `webhooks.attributes` names.
    #[serde(rename = "user.attributes")]
    UserAttributes,
    /// A room has its first member.
    #[serde(rename = "room.created")]
    RoomCreated,
    /// A member of a room claims a result.
    #[serde(rename = "room.result")]
    RoomResult,
    /// A room ended.
    #[serde(rename = "room.ended")]
    RoomEnded,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::UserOnline,
        Self::UserOffline,
        Self::UserAttributes,
        Self::RoomCreated,
        Self::RoomResult,
        Self::RoomEnded,
    ];

    /// The name in events.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::UserOnline => "user.online",
            Self::UserOffline => "user.offline",
            Self::UserAttributes => "user.attributes",
            Self::RoomCreated => "room.created",
            Self::RoomResult => "room.result",
            Self::RoomEnded => "room.ended",
        }
    }
}

/// The section `[webhooks]`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebhookSettings {
    /// Where events are sent; empty: nowhere.
    pub url: String,
    /// The secret that signs them, `whsec_` and base64.
    pub secret: String,
    /// The secret before; events are signed with both. Empty: none.
    pub previous_secret: String,
    /// What is sent.
    pub events: Vec<Kind>,
    /// The attributes of which `user.attributes` tells, by their names.
    pub attributes: Vec<String>,
    /// How long the receiver may take for its answer, in ms.
    pub timeout_ms: u64,
    /// How often an event is sent at the most.
    pub attempts_max: u32,
    /// How long the first repeat waits, in ms; each other twice as long.
    pub retry_ms: u64,
    /// How long a repeat waits at the most, in ms.
    pub retry_max_ms: u64,
    /// Events that are sent at the same time.
    pub in_flight_max: usize,
    /// Events that wait.
    pub queue_max: usize,
    /// Bytes of the events that wait.
    pub queue_bytes_max: usize,
}

impl WebhookSettings {
    /// Least and greatest value of each number in the section.
    pub const RANGES: &[(&str, u64, u64)] = &[
        ("timeout_ms", 100, 60_000),
        ("attempts_max", 1, 100),
        ("retry_ms", 10, 600_000),
        ("retry_max_ms", 10, 86_400_000),
        ("in_flight_max", 1, 256),
        ("queue_max", 1, 1_000_000),
        ("queue_bytes_max", 4_096, 1_073_741_824),
    ];

    pub(super) const fn limits(&self) -> Limits {
        Limits {
            events_max: self.queue_max,
            bytes_max: self.queue_bytes_max,
            attempts_max: self.attempts_max,
            retry_ms: self.retry_ms,
            retry_max_ms: self.retry_max_ms,
        }
    }
}

/// The bytes of a secret.
///
/// # Errors
/// A sentence with what is accepted, without the secret.
pub fn read_secret(text: &str) -> Result<Box<[u8]>, &'static str> {
    let encoded = text.strip_prefix(PREFIX);
    let bytes = encoded.and_then(|encoded| STANDARD.decode(encoded).ok());
    let bytes = bytes.filter(|bytes| BYTES.contains(&bytes.len()));
    bytes.map(Into::into).ok_or(
        "accepted is whsec_ and the base64 of 24 to 64 bytes, as of \
         `echo whsec_$(openssl rand -base64 32)`",
    )
}

impl fmt::Debug for WebhookSettings {
    /// Without the secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookSettings")
            .field("url", &self.url)
            .field("events", &self.events)
            .finish_non_exhaustive()
    }
}

impl Default for WebhookSettings {
    fn default() -> Self {
        Self {
            url: String::new(),
            secret: String::new(),
            previous_secret: String::new(),
            events: Kind::ALL.into(),
            attributes: Vec::new(),
            timeout_ms: 5_000,
            attempts_max: 10,
            retry_ms: 1_000,
            retry_max_ms: 600_000,
            in_flight_max: 4,
            queue_max: 10_000,
            queue_bytes_max: 8_388_608,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_has_the_form_of_standard_webhooks() {
        let secret = read_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        assert_eq!(secret.map(|bytes| bytes.len()), Ok(24));
        for wrong in [
            "",
            "whsec_",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "whsec_c2hvcnQ=",
        ] {
            assert!(read_secret(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn secret_is_never_written() {
        let settings = WebhookSettings {
            secret: "geheim".to_owned(),
            ..WebhookSettings::default()
        };
        assert!(!format!("{settings:?}").contains("geheim"));
    }
}
