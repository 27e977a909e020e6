//! `password`: users with a password, which `turntable user` or the clients make.

pub(crate) mod hash;
pub(super) mod table;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::clock;
use crate::portal::attempts;
use crate::portal::auth_table::AuthTable;
use crate::portal::checker::{Checking, CredentialChecker, Identity, Verdict};
use crate::portal::claim::Claim;
use crate::portal::settings::PasswordSettings;
use hash::{Hasher, PASSWORD_BYTES_MAX};
use table::{NotMade, Passwords};
use turntable_core::id::UserId;
use turntable_core::limit::Limit;
use turntable_core::packet::ErrorBody;
use turntable_core::rate::Bucket;
use turntable_core::reason::ErrorCode;

/// The name of the checker.
pub(super) const NAME: &str = "password";

/// What clients of each address have made; outlives the settings.
pub(super) type SignUps = Arc<Mutex<HashMap<IpAddr, Bucket>>>;

/// The users that are known, and those that clients made.
#[derive(Debug)]
pub(super) struct Users {
    /// Those of your backend: nobody signs up as one of them.
    pub(super) auth: Arc<AuthTable>,
    /// Those with a password.
    pub(super) passwords: Arc<Passwords>,
    /// What clients of each address have made.
    pub(super) sign_ups: SignUps,
}

/// The checker.
#[derive(Debug)]
pub(super) struct PasswordChecker {
    settings: PasswordSettings,
    hasher: Hasher,
    users: Users,
}

impl PasswordChecker {
    /// With these users.
    ///
    /// # Errors
    /// Where the system gives no random bytes.
    pub(super) fn new(settings: &PasswordSettings, users: Users) -> anyhow::Result<Self> {
        Ok(Self {
            settings: settings.clone(),
            hasher: Hasher::new(settings)?,
            users,
        })
    }

    async fn verdict(&self, claim: &Claim) -> Verdict {
        let Some(password) = claim.value("password") else {
            return Verdict::Pass;
        };
        let (Some(password), Some(user)) = (password.as_str(), claim.user()) else {
            return Verdict::invalid();
        };
        if claim.value("sign_up") == Some(&true.into()) {
            return match self.sign_up(user, password, claim.address()).await {
                Ok(identity) => Verdict::Accept(identity),
                Err(error) => Verdict::Deny(error),
            };
        }
        if password.len() > PASSWORD_BYTES_MAX {
            return Verdict::invalid();
        }
        let hash = self.users.passwords.hash(user);
        match self.hasher.verify(password, hash).await {
            Ok(true) => Verdict::Accept(Identity::new(user.clone())),
            Ok(false) => Verdict::invalid(),
            Err(why) => Verdict::Fail(why),
        }
    }

    /// Makes a user, unless there is one.
    async fn sign_up(
        &self,
        user: &UserId,
        password: &str,
        address: Option<IpAddr>,
    ) -> Result<Identity, ErrorBody> {
        if !self.settings.sign_up {
            return Err(ErrorBody::new(
                ErrorCode::Forbidden,
                "clients make no users here (portal.password.sign_up)",
            ));
        }
        let realm = &self.settings.sign_up_realm;
        if user.realm() != realm {
            let message = format!("clients make users of the realm {realm} alone");
            return Err(ErrorBody::new(ErrorCode::Forbidden, message));
        }
        if let Some(fault) = hash::fault(&self.settings, password) {
            return Err(ErrorBody::new(ErrorCode::Refused, fault));
        }
        self.charge(address)?;
        if self.users.auth.has(user) {
            return Err(known());
        }
        let unavailable = || {
            let message = "the user cannot be stored now; try again";
            ErrorBody::new(ErrorCode::Unavailable, message)
        };
        let hash = self.hasher.hash(password).await;
        let hash = hash.map_err(|_| unavailable())?;
        let passwords = &self.users.passwords;
        let made = passwords.make(user, hash, self.settings.users_max);
        made.await.map_err(|why| match why {
            NotMade::Known => known(),
            NotMade::Full => ErrorBody::new(
                ErrorCode::TooMany,
                "there are as many users as may be (portal.password.users_max)",
            )
            .by(Limit::PasswordUsers),
            NotMade::Unavailable => unavailable(),
        })?;
        Ok(Identity::new(user.clone()))
    }

    fn charge(&self, address: Option<IpAddr>) -> Result<(), ErrorBody> {
        let Some(address) = address else {
            return Ok(());
        };
        let (limit, now_ms) = (self.settings.sign_ups, clock::now_ms());
        let table = &mut *self.users.sign_ups.lock();
        let before = table.get(&address);
        attempts::look(before, limit, now_ms).map_err(|retry_ms| {
            let message = "too many users were made from this address; wait retry_ms";
            ErrorBody::new(ErrorCode::RateLimited, message)
                .with("retry_ms", retry_ms)
                .by(Limit::SignUps)
        })?;
        attempts::note(table, address, limit, now_ms);
        Ok(())
    }
}

fn known() -> ErrorBody {
    let message = "there is a user of this name; choose another one";
    ErrorBody::new(ErrorCode::Conflict, message)
}

impl CredentialChecker for PasswordChecker {
    fn name(&self) -> &'static str {
        NAME
    }

    fn check<'c>(&'c self, claim: &'c Claim) -> Checking<'c> {
        Box::pin(self.verdict(claim))
    }
}
