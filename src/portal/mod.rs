//! The portal: authentication and permissions.

pub mod settings;

use crate::portal::settings::PortalSettings;
use crate::watched::Watched;
use turntable_core::id::UserId;
use turntable_core::packet::ErrorBody;
use turntable_core::payload::Payload;
use turntable_core::reason::ErrorCode;

/// What every client is told while claims are trusted.
const CLAIMS_ARE_TRUSTED: &str = "user ids are not checked (portal.anonymous): any client can identify as any user, also as a known one";

/// Decides about identifications.
#[derive(Debug)]
pub struct Portal {
    settings: Watched<PortalSettings>,
}

impl Portal {
    /// A portal with these settings. Warns if claims are accepted without credentials.
    #[must_use]
    pub fn new(settings: PortalSettings) -> Self {
        warn_of(&settings);
        Self {
            settings: Watched::new(settings),
        }
    }

    /// Puts other settings in force. Warns as [`Portal::new`] does, unless claims
    /// were accepted before.
    pub fn apply(&self, settings: PortalSettings) {
        if !self.trusts_claims() {
            warn_of(&settings);
        }
        self.settings.set(settings);
    }

    /// What a client should know about this server before it relies on it; a
    /// sentence each.
    #[must_use]
    pub fn warnings(&self) -> Vec<&'static str> {
        match self.trusts_claims() {
            true => vec![CLAIMS_ARE_TRUSTED],
            false => Vec::new(),
        }
    }

    /// Whether a client may connect before it identifies.
    #[must_use]
    pub fn trusts_claims(&self) -> bool {
        self.settings.get().anonymous
    }

    /// Whether a client may identify as `user`.
    ///
    /// # Errors
    /// `unauthorized`.
    pub fn identify(&self, user: &UserId, _credentials: Option<&Payload>) -> Result<(), ErrorBody> {
        let settings = self.settings.get();
        let realms = &settings.realms;
        if !realms.is_empty() && !realms.iter().any(|realm| realm == user.realm()) {
            return Err(ErrorBody::new(
                ErrorCode::Unauthorized,
                "users of this realm are not accepted (portal.realms)",
            ));
        }
        if !settings.anonymous {
            return Err(ErrorBody::new(
                ErrorCode::Unauthorized,
                "credentials are required, and no checker accepts these",
            ));
        }
        Ok(())
    }
}

fn warn_of(settings: &PortalSettings) {
    if settings.anonymous {
        log::warn!(
            "portal.anonymous = true: every user id in `idme` is accepted without credentials, so any client can identify as any user, also as a known one; use this for demos only"
        );
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
    fn clients_are_warned_while_claims_are_trusted() {
        let portal = portal(true, &[]);
        assert_eq!(portal.warnings(), [CLAIMS_ARE_TRUSTED]);
        portal.apply(PortalSettings {
            anonymous: false,
            realms: Vec::new(),
        });
        assert!(portal.warnings().is_empty());
    }

    #[test]
    fn claim_is_accepted_only_if_anonymous_is_on() {
        let user = UserId::parse("fb:mel").unwrap();
        assert!(portal(true, &[]).identify(&user, None).is_ok());
        assert!(portal(true, &["fb"]).identify(&user, None).is_ok());
        let code = |portal: Portal| portal.identify(&user, None).unwrap_err().code;
        assert_eq!(code(portal(true, &["1"])), ErrorCode::Unauthorized);
        assert_eq!(code(portal(false, &[])), ErrorCode::Unauthorized);
    }
}
