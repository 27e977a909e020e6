//! The checkers in force, made of the settings.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use parking_lot::Mutex;

use crate::portal::CHECKERS;
use crate::portal::auth_table::AuthTable;
use crate::portal::checker::CredentialChecker;
use crate::portal::cookie::{self, Cookies};
use crate::portal::course::Checker;
use crate::portal::erased::Erased;
use crate::portal::guest::Guests;
use crate::portal::http::{self, HttpChecker};
use crate::portal::jwt::remote::RemoteKeys;
use crate::portal::jwt::{self, Jwt};
use crate::portal::key::Key;
use crate::portal::password::table::Passwords;
use crate::portal::password::{self, PasswordChecker, SignUps, Users};
use crate::portal::settings::PortalSettings;
use crate::store::Store;
use crate::store::memory::MemoryStore;

/// What checkers use that outlives the settings.
#[derive(Debug)]
pub(super) struct Persistent {
    /// Those of the program that embeds the server.
    pub(super) embedded: Vec<Arc<dyn CredentialChecker>>,
    /// Signs the tokens of guests where no file has a key.
    pub(super) start_key: Key,
    /// The file with such a key, where the store is a file. It is made when the first
    /// settings need it.
    pub(super) key_file: Option<PathBuf>,
    /// The table of `auth.set`.
    pub(super) auth: Arc<AuthTable>,
    /// Guests that were erased.
    pub(super) erased: Arc<Erased>,
    /// Users with a password.
    pub(super) passwords: Arc<Passwords>,
    /// Users that clients made.
    pub(super) sign_ups: SignUps,
    /// The fetched keys of `jwt`.
    pub(super) jwks: Mutex<Option<Arc<RemoteKeys>>>,
}

/// The checkers in force.
#[derive(Debug)]
pub(super) struct Checkers {
    pub(super) list: Vec<Checker>,
    /// The roles of the users that each of them accepts.
    pub(super) roles: Vec<Vec<Box<str>>>,
    /// Where `password` is one of them.
    pub(super) password: Option<Arc<PasswordChecker>>,
    /// Where `cookie` is one of them.
    pub(super) cookies: Option<Cookies>,
    pub(super) guests: Guests,
    pub(super) issues_guests: bool,
    /// Whether guests come back after a restart.
    are_guests_stored: bool,
    pub(super) is_anonymous: bool,
    pub(super) timeout: Duration,
}

impl Checkers {
    /// The checkers that the settings name.
    ///
    /// # Errors
    /// One that does not exist, or what is wrong with its settings.
    pub(super) fn new(settings: &PortalSettings, persistent: &Persistent) -> anyhow::Result<Self> {
        let has = |name: &str| settings.checkers.iter().any(|known| known == name);
        let mut password = None;
        let names = settings.checkers.iter();
        let list = names.map(|name| checker(name, settings, persistent, &mut password));
        Ok(Self {
            list: list.collect::<anyhow::Result<_>>()?,
            password,
            roles: settings
                .checkers
                .iter()
                .map(|name| settings.roles_of(name))
                .collect(),
            cookies: match has(cookie::NAME) {
                true => Some(Cookies::new(&settings.cookie)?),
                false => None,
            },
            guests: Guests::new(settings, &guest_key(settings, persistent)?)?,
            issues_guests: has("guest"),
            are_guests_stored: !settings.guest_key_file.is_empty() || persistent.key_file.is_some(),
            is_anonymous: has("anonymous"),
            timeout: Duration::from_millis(settings.checker_timeout_ms),
        })
    }

    /// What an operator should know.
    pub(super) fn advise(&self) {
        if self.is_anonymous {
            log::warn!(
                "portal.checkers has \"anonymous\": a user id in `idme` is accepted without credentials, so any client can identify as any user, also as a known one; use this for demos only"
            );
        }
        if self.issues_guests && !self.are_guests_stored {
            log::info!(
                "neither portal.guest_key_file nor store.path is set: guests of this start cannot come back after the next"
            );
        }
    }
}

/// The key of guests where the settings name no file with one.
fn guest_key(settings: &PortalSettings, persistent: &Persistent) -> anyhow::Result<Key> {
    let is_needed = settings.guest_key_file.is_empty()
        && settings.checkers.iter().any(|known| known == "guest");
    match persistent.key_file.as_ref().filter(|_| is_needed) {
        Some(path) => Key::read_or_make(path),
        None => Ok(persistent.start_key.clone()),
    }
}

/// The checker of this name. That of passwords is left in `password`, too.
fn checker(
    name: &str,
    settings: &PortalSettings,
    persistent: &Persistent,
    password: &mut Option<Arc<PasswordChecker>>,
) -> anyhow::Result<Checker> {
    let slow: Arc<dyn CredentialChecker> = match name {
        "anonymous" => return Ok(Checker::Anonymous),
        cookie::NAME => return Ok(Checker::Cookie),
        "guest" => return Ok(Checker::Guest),
        "session" => return Ok(Checker::Session),
        jwt::NAME => Arc::new(Jwt::new(settings, &mut persistent.jwks.lock())?),
        http::NAME => Arc::new(HttpChecker::new(&settings.http, &settings.default_realm)?),
        password::NAME => {
            let users = Users {
                auth: persistent.auth.clone(),
                passwords: persistent.passwords.clone(),
                sign_ups: persistent.sign_ups.clone(),
            };
            let checker = Arc::new(PasswordChecker::new(&settings.password, users)?);
            *password = Some(checker.clone());
            checker
        }
        name => {
            let mut embedded = persistent.embedded.iter();
            let known = embedded.find(|checker| checker.name() == name);
            known.cloned().with_context(|| {
                let known = CHECKERS.join(", ");
                format!("portal.checkers: there is no checker {name:?}; known are {known}")
            })?
        }
    };
    Ok(Checker::Slow(slow))
}

/// What is wrong with the settings, a sentence each, for `turntable check`: checkers that
/// do not exist, files that cannot be read, URLs that are none.
///
/// # Errors
/// Where the system gives no random bytes.
pub fn problems(settings: &PortalSettings) -> anyhow::Result<Vec<String>> {
    problems_with(settings, Vec::new())
}

/// The same beside the checkers of a program.
pub(super) fn problems_with(
    settings: &PortalSettings,
    embedded: Vec<Arc<dyn CredentialChecker>>,
) -> anyhow::Result<Vec<String>> {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(0));
    let persistent = Persistent {
        embedded,
        start_key: Key::random()?,
        // It is made by a server, not by a check.
        key_file: None,
        auth: Arc::new(AuthTable::open(store.clone())?),
        erased: Arc::new(Erased::open(store.clone()).map_err(anyhow::Error::msg)?),
        passwords: Arc::new(Passwords::new(store, Arc::default()).map_err(anyhow::Error::msg)?),
        sign_ups: Arc::default(),
        jwks: Mutex::default(),
    };
    let names = settings.checkers.iter();
    let of_checkers =
        names.filter_map(|name| checker(name, settings, &persistent, &mut None).err());
    let has_cookie = settings.checkers.iter().any(|name| name == cookie::NAME);
    let cookies = has_cookie.then(|| Cookies::new(&settings.cookie).err());
    let of_guests = Guests::new(settings, &persistent.start_key).err();
    let all = of_checkers.chain(cookies.flatten()).chain(of_guests);
    Ok(all.map(|error| format!("{error:#}")).collect())
}
