//! What outlives an avatar: attributes of users and when they were last seen, in memory or
//! in a file; and histories of channels, in a file.
//!
//! An avatar loads its user's attributes when it is made and saves all of them at
//! each change. Calls return at once; what takes time ends in a callback, on a thread
//! of the store. Saves and loads of one user take effect in the order of the calls.

pub mod channel;
mod commits;
pub(crate) mod fact;
pub mod file;
mod guard;
pub mod health;
pub mod last_seen;
mod loads;
pub mod memory;
pub mod password;
pub mod queue;
mod record;
mod retained;
pub mod settings;
pub mod transfer;
mod writer;

use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use turntable_core::backup::Attributes;
use turntable_core::id::{ChannelId, UserId};
use turntable_core::payload::Payload;

use crate::clock;
use crate::log_limit::LogLimit;
use crate::metric::Metrics;
use channel::{ChannelChange, StoredChannel};
use health::Health;
use loads::Loads;
use settings::StoreSettings;

/// The day of a time: users that were there on more than one are known.
const fn day(at_ms: u64) -> u64 {
    at_ms / 86_400_000
}

/// New users have this part of a store that is full. A user is known when a login
/// confirms it, or when it is there on a second day; any client can make up new ones.
const NEW_SHARE: u64 = 8;

/// Whether a new user goes where something is too much, and not one that is known: so many
/// `new` ones among `all`, or so many of their bytes.
const fn new_ones_go_first(new: u64, all: u64) -> bool {
    new > all / NEW_SHARE
}

/// The key that users in a store reach, for the metric of limits.
const USERS_KEY: &str = "store.users_max";

/// A store has no place for some users.
static FULL: LogLimit = LogLimit::new();

/// Says that users were not stored.
fn note_full(users: usize) {
    if let Some(left_out) = FULL.admit(clock::now_ms()) {
        let keys = "store.users_max, store.memory_bytes_max";
        log::warn!("the store has no place for the attributes of {users} users ({keys}){left_out}");
    }
}

/// The store cannot be read or written now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the store is not available")]
pub struct Unavailable;

/// What an avatar saves of its user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// Its attributes, in the order of their names; empty where there are none.
    pub attributes: Attributes,
    /// What others see of them, where that is not the public ones: the user changed some
    /// while it was invisible.
    pub profile: Option<Attributes>,
    /// Whether a login has confirmed the user: new ones cannot take its place.
    pub is_known: bool,
}

impl Record {
    /// Whether there is nothing to store.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.attributes.is_empty() && self.profile.is_none()
    }

    /// All of its texts, those of the profile too.
    fn fields(&self) -> impl Iterator<Item = &(Box<str>, Payload)> {
        let profile = self.profile.iter().flat_map(|profile| profile.iter());
        self.attributes.iter().chain(profile)
    }

    /// What others see while the user is absent.
    #[must_use]
    pub fn seen(&self) -> &Attributes {
        self.profile.as_ref().unwrap_or(&self.attributes)
    }
}

impl From<Attributes> for Record {
    fn from(attributes: Attributes) -> Self {
        Self {
            attributes,
            profile: None,
            is_known: false,
        }
    }
}

/// What is stored of a user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stored {
    /// What its avatar saved.
    pub record: Record,
    /// When it was last seen, Unix ms, where the store has that.
    pub last_seen_ms: Option<u64>,
}

/// What was loaded.
pub type Loaded = Result<Stored, Unavailable>;

/// Gets what was loaded.
pub type Load = Box<dyn FnOnce(Loaded) + Send>;

/// Gets what was loaded of several users: those of whom there is something.
pub type LoadAll = Box<dyn FnOnce(Vec<(UserId, Stored)>) + Send>;

/// Is called when a save is durable, or has failed.
pub type Saved = Box<dyn FnOnce(Result<(), Unavailable>) + Send>;

/// A channel, where there is one.
pub type LoadedChannel = Result<Option<StoredChannel>, Unavailable>;

/// Gets the channel that was loaded.
pub type LoadChannel = Box<dyn FnOnce(LoadedChannel) + Send>;

/// What is known of a user beside its attributes, and is needed before its avatar is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    /// The hash of its password.
    Password,
    /// Its ban, as JSON.
    Ban,
    /// The users that it blocks, as JSON.
    Blocked,
    /// Its entry of `auth.set`, as JSON.
    Session,
    /// The Unix second at which it was erased, of a guest.
    Erased,
}

impl Fact {
    /// All of them.
    pub(crate) const ALL: [Self; 5] = [
        Self::Password,
        Self::Ban,
        Self::Blocked,
        Self::Session,
        Self::Erased,
    ];
}

/// A store of users' attributes and of channels' histories.
pub trait Store: fmt::Debug + Send + Sync {
    /// What is stored of a user, where that takes no time; `None` where it has to be
    /// loaded.
    fn get(&self, user: &UserId) -> Option<Stored>;

    /// Loads what is stored of a user.
    fn load(&self, user: &UserId, load: Load);

    /// How many loads may wait at once; more are refused.
    fn loads_max(&self) -> usize {
        usize::MAX
    }

    /// Loads what is stored of several users. Those that cannot be read are as if there were
    /// nothing of them.
    fn load_all(&self, users: Vec<UserId>, load: LoadAll) {
        let loads = Loads::new(load);
        for user in users {
            let (loads, of) = (loads.clone(), user.clone());
            self.load(&user, Box::new(move |loaded| loads.add(of, loaded)));
        }
    }

    /// Saves the record of a user; soon, or at once where `saved` waits for it.
    fn save(&self, user: &UserId, record: Record, saved: Option<Saved>);

    /// The user has an avatar from now on.
    fn avatar_began(&self, _: &UserId) {}

    /// A session of the user ends. `from` is its address where no login confirms the
    /// user.
    fn session_ends(&self, _: &UserId, _from: Option<IpAddr>) {}

    /// The user has no avatar any more. A store in memory may forget it.
    fn avatar_ended(&self, _: &UserId) {}

    /// The process uses more memory than it may: a store in memory forgets half of the
    /// users that are absent, or all of them.
    fn relieve(&self, _is_all: bool) {}

    /// Notes when a user was last seen, 0 to forget it; it is written soon.
    fn seen(&self, user: &UserId, at_ms: u64);

    /// Loads a channel. A store in memory has none: histories are in memory anyway.
    fn load_channel(&self, _: &ChannelId, load: LoadChannel) {
        load(Ok(None));
    }

    /// Saves a change of a channel, soon.
    fn save_channel(&self, _: &ChannelId, _: ChannelChange) {}

    /// A fact of all users of whom it is known. At the start; waits for the store.
    ///
    /// # Errors
    /// A sentence, where they cannot be read.
    fn facts(&self, fact: Fact) -> Result<Vec<(UserId, Box<str>)>, String>;

    /// Stores a fact of a user, or removes it. Written at once.
    fn set_fact(&self, fact: Fact, user: &UserId, text: Option<Box<str>>, saved: Saved);

    /// How it is. One in memory is sound.
    fn health(&self) -> Health {
        Health::Sound
    }

    /// The file; `None` where everything is in memory.
    fn path(&self) -> Option<&Path> {
        None
    }

    /// Writes what waits and ends. Later calls fail.
    fn stop(&self);
}

/// A store in memory has this part of `server.memory_bytes_max`, where no number says how
/// much.
const MEMORY_SHARE: u64 = 8;

/// The store of a configuration. It notes of at most `last_seen_max` users when they
/// were last seen. The process may use `memory_bytes_max`, where that is known.
///
/// # Errors
/// A file that cannot be read or written, as a sentence.
pub fn open(
    settings: &StoreSettings,
    last_seen_max: usize,
    memory_bytes_max: Option<u64>,
    metrics: &Arc<Metrics>,
) -> Result<Arc<dyn Store>, String> {
    if settings.path.is_empty() {
        let bytes_max = match (settings.memory_bytes_max, memory_bytes_max) {
            (0, None) => u64::MAX,
            (0, Some(all)) => all / MEMORY_SHARE,
            (max, _) => max,
        };
        let bytes_max = usize::try_from(bytes_max).unwrap_or(usize::MAX);
        let store = memory::MemoryStore::bounded(settings.users_max, bytes_max, metrics.clone());
        return Ok(Arc::new(store));
    }
    let store = queue::FileStore::open(settings, last_seen_max, metrics)?;
    Ok(Arc::new(store))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
