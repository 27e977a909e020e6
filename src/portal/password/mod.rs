//! `password`: users with a password, which `turntable user`, the management listener or
//! the clients make and change.

pub(crate) mod hash;
mod operator;
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
use crate::portal::operator_call::OperatorCall;
use crate::portal::settings::PasswordSettings;
use hash::{Hasher, PASSWORD_BYTES_MAX};
use table::{NotMade, Passwords, Setter, Whose};
use turntable_core::id::UserId;
use turntable_core::key::SessionKey;
use turntable_core::limit::Limit;
use turntable_core::packet::{ErrorBody, Reason};
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
        let done = match (claim.value("sign_up"), claim.value("new_password")) {
            (Some(serde_json::Value::Bool(true)), None) => {
                self.sign_up(user, password, claim).await
            }
            (Some(serde_json::Value::Bool(true)), Some(_)) => Err(NotRight::Denied(wrong(
                "sign_up and new_password exclude each other",
            ))),
            (_, Some(new)) => self.change(user, password, new, claim.session()).await,
            (_, None) => self.verify(user, password).await.map(|_| ()),
        };
        match done {
            Ok(()) => Verdict::Accept(Identity::new(user.clone())),
            Err(NotRight::Invalid) => Verdict::invalid(),
            Err(NotRight::Denied(error)) => Verdict::Deny(error),
            Err(NotRight::Unknown(why)) => Verdict::Fail(why),
        }
    }

    /// Whether this is the user's password. Returns its hash.
    async fn verify(&self, user: &UserId, password: &str) -> Result<Box<str>, NotRight> {
        if password.len() > PASSWORD_BYTES_MAX {
            return Err(NotRight::Invalid);
        }
        let hash = self.users.passwords.hash(user);
        let is_right = self.hasher.verify(password, hash.clone()).await;
        let is_right = is_right.map_err(NotRight::Unknown)?;
        hash.filter(|_| is_right).ok_or(NotRight::Invalid)
    }

    /// A client of the user changes its password, in a session that goes on.
    async fn change(
        &self,
        user: &UserId,
        old: &str,
        new: &serde_json::Value,
        session: Option<SessionKey>,
    ) -> Result<(), NotRight> {
        let Some(new) = new.as_str() else {
            return Err(NotRight::Denied(wrong("new_password must be a string")));
        };
        if session.is_none() {
            let message = "a password is changed with authenticate, not when a session begins";
            return Err(NotRight::Denied(wrong(message)));
        }
        self.accept_new(new).map_err(NotRight::Denied)?;
        let before = self.verify(user, old).await?;
        let setter = Setter::Client(session);
        let put = self.put(user, new, Whose::With(&before), setter).await;
        put.map_err(NotRight::Denied)
    }

    /// The operator sets a user's password. With `old` that has to be the one before.
    ///
    /// # Errors
    /// `refused` for a password that is not accepted, `unauthorized` where `old` is wrong,
    /// `conflict`, `too_many`, `unavailable`.
    pub(super) async fn set(
        &self,
        user: &UserId,
        password: &str,
        old: Option<&str>,
        call: Arc<OperatorCall>,
    ) -> Result<(), ErrorBody> {
        self.accept_new(password)?;
        let setter = Setter::Operator(call);
        let Some(old) = old else {
            return self.put(user, password, Whose::Any, setter).await;
        };
        let before = self.verify(user, old).await.map_err(|why| match why {
            NotRight::Unknown(_) => unavailable(),
            NotRight::Denied(error) => error,
            NotRight::Invalid => {
                let message = "the user has no password or another one than oldPassword";
                ErrorBody::new(ErrorCode::Unauthorized, message).because(Reason::Invalid)
            }
        })?;
        self.put(user, password, Whose::With(&before), setter).await
    }

    fn accept_new(&self, password: &str) -> Result<(), ErrorBody> {
        match hash::fault(&self.settings, password) {
            Some(fault) => Err(ErrorBody::new(ErrorCode::Refused, fault)),
            None => Ok(()),
        }
    }

    async fn put(
        &self,
        user: &UserId,
        password: &str,
        whose: Whose<'_>,
        setter: Setter,
    ) -> Result<(), ErrorBody> {
        let hash = self.hasher.hash(password).await;
        let hash = hash.map_err(|_| unavailable())?;
        let (passwords, max) = (&self.users.passwords, self.settings.users_max);
        let put = passwords.put(user, hash, whose, max, setter);
        put.await.map_err(|why| match (why, whose) {
            (NotMade::Known, Whose::New) => known(),
            (NotMade::Known | NotMade::Changing, _) => {
                let message = "the password was changed by another request; try again";
                ErrorBody::new(ErrorCode::Conflict, message)
            }
            (NotMade::Full, _) => ErrorBody::new(
                ErrorCode::TooMany,
                "there are as many users as may be (portal.password.users_max)",
            )
            .by(Limit::PasswordUsers),
            (NotMade::Unavailable, _) => unavailable(),
        })
    }

    /// Makes a user, unless there is one.
    async fn sign_up(&self, user: &UserId, password: &str, claim: &Claim) -> Result<(), NotRight> {
        self.may_sign_up(user, password, claim.address())
            .map_err(NotRight::Denied)?;
        let setter = Setter::Client(claim.session());
        let put = self.put(user, password, Whose::New, setter);
        put.await.map_err(NotRight::Denied)
    }

    fn may_sign_up(
        &self,
        user: &UserId,
        password: &str,
        address: Option<IpAddr>,
    ) -> Result<(), ErrorBody> {
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
        self.accept_new(password)?;
        self.charge(address)?;
        match self.users.auth.has(user) {
            true => Err(known()),
            false => Ok(()),
        }
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

/// Why a claim with a password is not accepted.
#[derive(Debug)]
enum NotRight {
    /// The password is wrong.
    Invalid,
    /// For another reason.
    Denied(ErrorBody),
    /// It cannot be found out; a sentence for the log.
    Unknown(String),
}

fn wrong(message: &str) -> ErrorBody {
    ErrorBody::new(ErrorCode::BadMessage, message)
}

fn unavailable() -> ErrorBody {
    let message = "the password cannot be stored now; try again";
    ErrorBody::new(ErrorCode::Unavailable, message)
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
