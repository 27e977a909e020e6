//! What a caller of the operator's services may do.

use serde::{Deserialize, Serialize};

/// Each role may do what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Looks at what there is.
    Read,
    /// Changes what users see: sends, kicks, bans, switches services.
    Operate,
    /// Changes what lasts: passwords, erasure.
    Admin,
}

impl Role {
    /// Its name in the configuration and in definitions.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Operate => "operate",
            Self::Admin => "admin",
        }
    }
}
