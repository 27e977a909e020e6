//! Who a client claims to be at each identification: as the program said, as the guest
//! that the server made of it, or with credentials that it was given later.

use tokio::sync::mpsc;

use turntable_core::id::UserId;
use turntable_core::payload::Payload;

use crate::options::Credentials;
use crate::session::{Claim, Online};

/// A guest that the server issued, and what it comes back with.
struct Guest {
    user: UserId,
    credentials: Payload,
    /// Whether the client has claimed to be it.
    is_claimed: bool,
}

/// The claim and the credentials.
pub(crate) struct Identity {
    claim: Claim,
    credentials: Credentials,
    guest: Option<Guest>,
}

impl Identity {
    pub(crate) const fn new(claim: Claim, credentials: Credentials) -> Self {
        Self {
            claim,
            credentials,
            guest: None,
        }
    }

    /// Asks for credentials, while the session goes on.
    pub(crate) fn renew(&self, renewed: mpsc::UnboundedSender<Option<Payload>>) {
        let ask = self.credentials.clone();
        tokio::spawn(async move {
            // The driver may have ended.
            let _ = renewed.send(ask.get().await.ok().flatten());
        });
    }

    /// The claim now, with its credentials.
    pub(crate) async fn claim(&mut self) -> Result<(Claim, Option<Payload>), String> {
        let claim = self.claim.clone();
        if self.credentials.is_guest()
            && let Some(guest) = &mut self.guest
        {
            guest.is_claimed = true;
            let user = Some(guest.user.clone());
            return Ok((Claim { user, ..claim }, Some(guest.credentials.clone())));
        }
        Ok((claim, self.credentials.get().await?))
    }

    /// The server has accepted the client.
    pub(crate) fn welcomed(&mut self, online: &Online) {
        self.credentials.accepted();
        if let (Some(user), Some(token)) = (&online.user, &online.token) {
            self.guest = Some(Guest {
                user: user.clone(),
                credentials: serde_json::json!({ "token": token }).into(),
                is_claimed: false,
            });
        }
    }

    /// The server has accepted these credentials, and the session is this user's.
    pub(crate) fn authenticated(&mut self, user: Option<UserId>, credentials: &Payload) {
        self.claim.user = user;
        self.guest = None;
        self.credentials.replace(credentials);
    }

    /// A claim was refused. Without its token a guest is a new one: returns whether it was
    /// a guest's.
    pub(crate) fn forget_guest(&mut self) -> bool {
        self.guest.take_if(|guest| guest.is_claimed).is_some()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::*;

    fn identity(credentials: Credentials) -> Identity {
        let claim = Claim {
            user: None,
            attributes: Vec::new(),
        };
        Identity::new(claim, credentials)
    }

    fn online(user: &str, token: Option<&str>) -> Online {
        Online {
            user: UserId::parse(user).ok(),
            resumed: false,
            services: BTreeMap::new(),
            token: token.map(str::to_owned),
            reconnect_ms: 0,
        }
    }

    async fn claimed(identity: &mut Identity) -> (Option<String>, Option<Value>) {
        let (claim, credentials) = identity.claim().await.unwrap();
        let credentials = credentials.map(|c| serde_json::from_str(c.as_json()).unwrap());
        (claim.user.map(|user| user.to_string()), credentials)
    }

    #[tokio::test]
    async fn guest_comes_back_with_its_token_until_that_is_refused() {
        let mut identity = identity(Credentials::Guest);
        let new = Some(json!({"guest": true}));
        assert!(!identity.forget_guest());
        assert_eq!(claimed(&mut identity).await, (None, new.clone()));
        identity.welcomed(&online("guest:a", Some("t")));
        assert!(!identity.forget_guest());
        let guest = (Some("guest:a".to_owned()), Some(json!({"token": "t"})));
        assert_eq!(claimed(&mut identity).await, guest);
        assert!(identity.forget_guest());
        assert_eq!(claimed(&mut identity).await, (None, new.clone()));
    }

    #[tokio::test]
    async fn credentials_that_were_accepted_later_are_those_of_the_next_claim() {
        let mut identity = identity(Credentials::Guest);
        identity.welcomed(&online("guest:a", Some("t")));
        let changed = json!({"password": "old", "new_password": "new"});
        identity.authenticated(UserId::parse("1:1").ok(), &changed.into());
        let next = (Some("1:1".to_owned()), Some(json!({"password": "new"})));
        assert_eq!(claimed(&mut identity).await, next);
    }

    #[tokio::test]
    async fn user_that_was_made_is_not_made_again() {
        let made = json!({"password": "p", "sign_up": true});
        let known = Some(json!({"password": "p"}));
        let mut later = identity(Credentials::None);
        later.authenticated(UserId::parse("1:jo").ok(), &made.clone().into());
        let jo = Some("1:jo".to_owned());
        assert_eq!(claimed(&mut later).await, (jo, known.clone()));
        // And where it was made when the session began.
        let mut first = identity(Credentials::Fixed(made.clone()));
        assert_eq!(claimed(&mut first).await.1, Some(made));
        first.welcomed(&online("1:jo", None));
        assert_eq!(claimed(&mut first).await.1, known);
    }
}
