//! What a client claims: a user, credentials, or both.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;

use turntable_core::id::UserId;
use turntable_core::key::SessionKey;
use turntable_core::payload::Payload;

/// The claim of a client. Its credentials are never written, by `Debug` neither.
#[derive(Clone, Default)]
pub struct Claim {
    user: Option<UserId>,
    credentials: Option<HashMap<String, serde_json::Value>>,
    address: Option<IpAddr>,
    cookie: Option<Box<str>>,
    session: Option<SessionKey>,
}

impl Claim {
    /// A claim that came from this address. `credentials` is a JSON object.
    #[must_use]
    pub fn new(
        user: Option<UserId>,
        credentials: Option<&Payload>,
        address: Option<IpAddr>,
    ) -> Self {
        let object =
            |credentials: &Payload| serde_json::from_str(credentials.as_json()).unwrap_or_default();
        Self {
            user,
            credentials: credentials.map(object),
            address,
            cookie: None,
            session: None,
        }
    }

    /// The same claim with the login cookie of the request that began the connection.
    #[must_use]
    pub fn with_cookie(self, cookie: Option<Box<str>>) -> Self {
        Self { cookie, ..self }
    }

    /// The same claim for a session, whose client renews its credentials.
    #[must_use]
    pub(crate) fn of_session(self, session: Option<SessionKey>) -> Self {
        Self { session, ..self }
    }

    /// The session that it was made for.
    pub(crate) const fn session(&self) -> Option<SessionKey> {
        self.session
    }

    /// The login cookie, while the checker `cookie` is in force.
    #[must_use]
    pub fn cookie(&self) -> Option<&str> {
        self.cookie.as_deref()
    }

    /// The user that is claimed.
    #[must_use]
    pub const fn user(&self) -> Option<&UserId> {
        self.user.as_ref()
    }

    /// Whether it has credentials, readable or not.
    #[must_use]
    pub const fn has_credentials(&self) -> bool {
        self.credentials.is_some()
    }

    /// A string among the credentials.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.value(name)?.as_str()
    }

    /// A value among the credentials.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&serde_json::Value> {
        self.credentials.as_ref()?.get(name)
    }

    /// All credentials by their names; `None` where there are none.
    pub fn credentials(&self) -> Option<impl Iterator<Item = (&str, &serde_json::Value)>> {
        let all = self.credentials.as_ref()?.iter();
        Some(all.map(|(name, value)| (name.as_str(), value)))
    }

    /// The address of the client, where it is known.
    #[must_use]
    pub const fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// Whether it names nobody else than `user`.
    #[must_use]
    pub fn may_be(&self, user: &UserId) -> bool {
        self.user.as_ref().is_none_or(|claimed| claimed == user)
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim")
            .field("user", &self.user.as_ref().map(UserId::as_str))
            .field("has_credentials", &self.has_credentials())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_never_written() {
        let credentials = Payload::from_json(r#"{"token":"geheim","n":1}"#);
        let claim = Claim::new(UserId::parse("1:2").ok(), Some(&credentials), None);
        assert_eq!(claim.text("token"), Some("geheim"));
        assert_eq!(claim.text("n"), None);
        assert!(!format!("{claim:?}").contains("geheim"));
    }

    #[test]
    fn claim_without_user_may_be_anyone() {
        let user = UserId::parse("1:2").unwrap();
        assert!(Claim::default().may_be(&user));
        let claim = Claim::new(UserId::parse("1:3").ok(), None, None);
        assert!(!claim.may_be(&user));
    }
}
