//! What the credentials of a session are good for.

use serde::{Deserialize, Serialize};

/// What the credentials of a session are good for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// Unix ms at which they expire.
    pub expires_ms: Option<u64>,
    /// Those for the next identification, as long as the client was not sent them.
    pub token: Option<Box<str>>,
}

impl Standing {
    /// `None` where there is nothing to remember, as of most sessions.
    #[must_use]
    pub fn of(expires_ms: Option<u64>, token: Option<Box<str>>) -> Option<Box<Self>> {
        let is_any = expires_ms.is_some() || token.is_some();
        is_any.then(|| Box::new(Self { expires_ms, token }))
    }

    /// Seconds that are left at `now_ms`.
    #[must_use]
    pub fn expires_in(&self, now_ms: u64) -> Option<u64> {
        let expires_ms = self.expires_ms?;
        Some(expires_ms.saturating_sub(now_ms) / 1_000)
    }

    /// It as a value, at `now_ms`.
    pub(super) fn export(&self, now_ms: u64) -> StandingExport {
        let left = |expires_ms: u64| {
            let left = i128::from(expires_ms) - i128::from(now_ms);
            left.clamp(i64::MIN.into(), i64::MAX.into()) as i64
        };
        StandingExport {
            expires_in_ms: self.expires_ms.map(left),
            token: self.token.clone(),
        }
    }

    /// That of a value, at `now_ms`.
    pub(super) fn import(export: StandingExport, now_ms: u64) -> Option<Box<Self>> {
        let expires_in_ms = export.expires_in_ms;
        Self::of(
            expires_in_ms.map(|left| now_ms.saturating_add_signed(left)),
            export.token,
        )
    }
}

/// What the credentials of a session are good for, as a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StandingExport {
    /// In how many ms they expire; negative where they have, and may still be renewed.
    pub expires_in_ms: Option<i64>,
    /// Those for the next identification, which the client was not sent.
    pub token: Option<Box<str>>,
}
