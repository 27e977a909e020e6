//! The portal: who may come in, and what they may do.

pub mod settings;

use crate::portal::settings::PortalSettings;
use turntable_core::id::UserId;
use turntable_core::packet::ErrorBody;
use turntable_core::payload::Payload;
use turntable_core::reason::ErrorCode;

/// Decides about identifications.
#[derive(Debug, Clone)]
pub struct Portal {
    settings: PortalSettings,
}

impl Portal {
    /// A portal of these settings. Warns where claims are trusted.
    #[must_use]
    pub fn new(settings: PortalSettings) -> Self {
        if settings.anonymous {
            log::warn!(
                "portal.anonymous is on: whoever says `idme` is believed; fine for a demo, not for the open internet"
            );
        }
        Self { settings }
    }

    /// Whether a client may come in before it says who it is.
    #[must_use]
    pub fn trusts_claims(&self) -> bool {
        self.settings.anonymous
    }

    /// Whether the claim to be `user` stands.
    ///
    /// # Errors
    /// `unauthorized`.
    pub fn identify(&self, user: &UserId, _credentials: Option<&Payload>) -> Result<(), ErrorBody> {
        let realms = &self.settings.realms;
        if !realms.is_empty() && !realms.iter().any(|realm| realm == user.realm()) {
            return Err(ErrorBody::new(
                ErrorCode::Unauthorized,
                "users of this realm may not come in here",
            ));
        }
        if !self.settings.anonymous {
            return Err(ErrorBody::new(
                ErrorCode::Unauthorized,
                "credentials are needed, and no checker accepts these",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn portal(anonymous: bool, realms: &[&str]) -> Portal {
        Portal::new(PortalSettings {
            anonymous,
            realms: realms.iter().map(ToString::to_string).collect(),
        })
    }

    #[test]
    fn a_claim_stands_only_where_it_is_trusted() {
        let user = UserId::parse("fb:mel").unwrap();
        assert!(portal(true, &[]).identify(&user, None).is_ok());
        assert!(portal(true, &["fb"]).identify(&user, None).is_ok());
        let code = |portal: Portal| portal.identify(&user, None).unwrap_err().code;
        assert_eq!(code(portal(true, &["1"])), ErrorCode::Unauthorized);
        assert_eq!(code(portal(false, &[])), ErrorCode::Unauthorized);
    }
}
