//! A store in a file, an embedded database (redb) that one process has open.
//!
//! Every commit is durable. A file that was not closed is checked when it is opened;
//! a file that cannot be read or written is an error at start. Later, a damaged page costs
//! what is on it: the database goes on where it can, and is opened again where it cannot.

pub(super) mod around;
mod channels;
mod opening;
pub(super) mod reading;
mod users;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use redb::{
    Database, ReadableDatabase as _, ReadableTable as _, ReadableTableMetadata as _,
    TableDefinition, WriteTransaction,
};

use super::channel::{self, Life, Unwritten};
use super::guard::{Fault, guard};
use super::retained::RetainedChannels;
use super::{Fact, Record, note_full, record};
use crate::clock;
use crate::log_limit::LogLimit;
use turntable_core::id::{ChannelId, UserId};

static FORGOTTEN: LogLimit = LogLimit::new();
static GONE: LogLimit = LogLimit::new();

/// The least and the longest time between two attempts to open a file again.
const AGAIN_LEAST: Duration = Duration::from_secs(1);
const AGAIN_MOST: Duration = Duration::from_secs(30);
/// Longer than a process lives.
const AGAIN_NEVER: Duration = Duration::from_secs(100 * 365 * 86_400);

/// Records by user id.
const USERS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("users");

/// When users were last seen, Unix ms, by user id.
const SEEN: TableDefinition<'_, &str, u64> = TableDefinition::new("last_seen");

/// The same users by that time: the first ones go when there are too many.
const SEEN_ORDER: TableDefinition<'_, (u64, &str), ()> = TableDefinition::new("last_seen_order");

/// The table of a fact: texts by user id.
const fn table(fact: Fact) -> TableDefinition<'static, &'static str, &'static str> {
    TableDefinition::new(match fact {
        Fact::Password => "passwords",
        Fact::Ban => "bans",
        Fact::Blocked => "blocked",
        Fact::Session => "sessions",
        Fact::Erased => "erased",
    })
}

/// A user and its record.
pub(crate) type Entry = (String, Vec<u8>);

/// A user and when it was last seen; 0 where that is forgotten.
pub(crate) type Seen = (String, u64);

/// A fact of a user; without a text it is removed.
pub(crate) type FactEntry = (Fact, String, Option<Box<str>>);

/// What is written in one commit.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Batch<'a> {
    /// Records; an empty one is removed.
    pub(super) entries: &'a [Entry],
    pub(super) facts: &'a [FactEntry],
    pub(super) seen: &'a [Seen],
    pub(super) channels: &'a [(&'a ChannelId, &'a Unwritten)],
    /// Users among those of `entries` that have shown who they are.
    pub(super) known: &'a [String],
}

impl Batch<'_> {
    /// How many changes it has.
    pub(super) const fn len(&self) -> usize {
        self.entries.len() + self.facts.len() + self.seen.len() + self.channels.len()
    }
}

/// When a file is opened again that could not be.
#[derive(Debug)]
struct Again {
    at: Instant,
    /// How long it waits until then.
    wait: Duration,
    why: String,
}

/// What a file may have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Users with attributes and without a password.
    pub(crate) users_max: u64,
    /// Users of whom the last presence is stored.
    pub(crate) seen_max: u64,
    /// A file of at most so many bytes is looked through whenever it is opened.
    pub(crate) check_bytes_max: u64,
}

impl Bounds {
    /// None, as for a tool.
    pub(crate) const NONE: Self = Self {
        users_max: u64::MAX,
        seen_max: u64::MAX,
        check_bytes_max: 0,
    };
}

/// The database.
#[derive(Debug)]
pub(crate) struct File {
    path: PathBuf,
    bounds: Bounds,
    /// `None` after an error, until it could be opened again.
    database: Option<Database>,
    /// Whether it was opened before: then it is not made.
    is_known: bool,
    /// The last attempt to open it failed.
    again: Option<Again>,
    /// The life of a server in it; a tool begins none.
    life: Option<Life>,
    /// The channels in it.
    retained: RetainedChannels,
    /// Whether changes of channels were lost.
    pub(super) has_lost: Arc<AtomicBool>,
    /// Users that have an avatar: their attributes stay.
    pub(super) present: Present,
    /// Counts users whose attributes went.
    pub(super) gone: Counter,
}

/// Users that have an avatar.
pub(super) type Present = Arc<Mutex<HashSet<UserId>>>;

impl File {
    /// Opens a file, which is made where there is none.
    pub(crate) fn open(path: &Path) -> Result<Self, String> {
        Self::open_bounded(path, Bounds::NONE)
    }

    /// The same, within bounds.
    pub(crate) fn open_bounded(path: &Path, bounds: Bounds) -> Result<Self, String> {
        let mut file = Self {
            path: path.to_owned(),
            bounds,
            database: None,
            is_known: false,
            again: None,
            life: None,
            retained: RetainedChannels::default(),
            has_lost: Arc::default(),
            present: Present::default(),
            gone: Counter::default(),
        };
        file.reopen()
            .map_err(|error| format!("the store {} cannot be opened: {error}", path.display()))?;
        Ok(file)
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether nothing can be read and written.
    pub(super) const fn is_closed(&self) -> bool {
        self.database.is_none()
    }

    /// When it may be opened again, where it could not be.
    pub(super) fn again(&self) -> Option<Instant> {
        self.again.as_ref().map(|again| again.at)
    }

    /// Opens it, where it is not open and an attempt is due.
    pub(super) fn reopen(&mut self) -> Result<(), String> {
        if self.database.is_some() {
            return Ok(());
        }
        let wait = match &self.again {
            Some(again) if Instant::now() < again.at => return Err(again.why.clone()),
            Some(again) => (again.wait.min(AGAIN_MOST) * 2).min(AGAIN_MOST),
            None => AGAIN_LEAST,
        };
        let opened = opening::open(&self.path, self.is_known, self.bounds.check_bytes_max);
        let opened = opened.and_then(|database| match self.life {
            Some(life) => begin_again(&database, life).map(|life| (database, Some(life))),
            None => Ok((database, None)),
        });
        match opened {
            Ok((database, life)) => {
                self.database = Some(database);
                self.life = life;
                (self.is_known, self.again) = (true, None);
                Ok(())
            }
            Err(fault) => {
                // One that is lost stays locked by this process.
                let wait = if fault.is_final { AGAIN_NEVER } else { wait };
                let (at, why) = (Instant::now() + wait, fault.text);
                self.again = Some(Again {
                    at,
                    wait,
                    why: why.clone(),
                });
                Err(why)
            }
        }
    }

    /// Ends the use of the database, which takes nothing more.
    fn drop_database(&mut self) {
        if let Some(database) = self.database.take() {
            let closed = guard(|| {
                drop(database);
                Ok::<_, Fault>(())
            });
            if let Err(fault) = closed {
                log::debug!("the database did not close: {}", fault.text);
            }
        }
    }

    /// Reads. Damage of some pages leaves the others readable.
    pub(super) fn with<T>(
        &mut self,
        work: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, String> {
        self.reopen()?;
        let Some(database) = &self.database else {
            return Err(String::new());
        };
        guard(|| work(database)).map_err(|fault| {
            if !fault.is_damage {
                self.drop_database();
            }
            fault.text
        })
    }

    /// Writes records, facts and channels durably, all or none; an empty record is
    /// removed.
    pub(super) fn write(
        &mut self,
        entries: &[Entry],
        facts: &[FactEntry],
        channels: &[(&ChannelId, &Unwritten)],
    ) -> Result<(), String> {
        let batch = Batch {
            entries,
            facts,
            channels,
            ..Batch::default()
        };
        self.write_batch(batch).map(drop)
    }

    /// Writes all of it, or nothing. Where a page is damaged, the database goes on if it
    /// can be written at all: [`Self::is_closed`] tells. Returns the users that have no place.
    pub(super) fn write_batch(&mut self, batch: Batch<'_>) -> Result<Vec<String>, String> {
        let (life, bounds) = (self.life, self.bounds);
        self.reopen()?;
        let (Some(database), retained) = (&self.database, &mut self.retained) else {
            return Ok(Vec::new());
        };
        let has_avatar = |user: &str| self.present.lock().contains(user);
        let write = |batch, bounds, life, retained: &mut RetainedChannels| {
            write(database, batch, (bounds, &has_avatar), life, retained)
        };
        let fault = match guard(|| write(batch, bounds, life, retained)) {
            Ok(users::Gone { count, refused }) => {
                self.gone.inc_by(count + refused.len() as u64);
                return Ok(refused);
            }
            Err(fault) => fault,
        };
        let none = Batch::default();
        // It takes nothing more after most errors.
        let goes_on =
            fault.is_damage && guard(|| write(none, Bounds::NONE, None, retained)).is_ok();
        if !goes_on {
            self.drop_database();
        }
        Err(fault.text)
    }

    /// When users were last seen.
    pub(crate) fn all_seen(&mut self) -> Result<Vec<Seen>, String> {
        self.with(all_seen)
    }

    /// The users that have shown who they are, or came on more than one day.
    pub(crate) fn known(&mut self) -> Result<Vec<String>, String> {
        self.with(users::known)
    }

    /// All records.
    pub(crate) fn all(&mut self) -> Result<Vec<Entry>, String> {
        self.with(all)
    }

    /// A fact of all users.
    pub(crate) fn facts(&mut self, fact: Fact) -> Result<Vec<(String, Box<str>)>, String> {
        self.with(|database| facts(database, fact))
    }

    /// Looks through the whole file. Returns whether it was sound.
    pub(crate) fn check(&mut self) -> Result<bool, String> {
        self.reopen()?;
        let Some(database) = &mut self.database else {
            return Ok(false);
        };
        guard(|| database.check_integrity()).map_err(|fault| fault.text)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        self.drop_database();
    }
}

/// The life of a server that has a file open again: the same, unless another file was put
/// in its place.
fn begin_again(database: &Database, life: Life) -> Result<Life, Fault> {
    guard(|| match life.is_in(database)? {
        true => Ok(life),
        false => Life::begin(database),
    })
}

/// Opens each table, and closes it. Where that panics for a damaged page no other may be
/// open: closing that one would be a second panic, which ends the process.
fn open_singly(transaction: &WriteTransaction) -> Result<(), redb::Error> {
    transaction.open_table(USERS)?;
    transaction.open_table(SEEN)?;
    transaction.open_table(SEEN_ORDER)?;
    for of in Fact::ALL {
        transaction.open_table(table(of))?;
    }
    users::open_singly(transaction)?;
    channel::open_singly(transaction)
}

fn write(
    database: &Database,
    batch: Batch<'_>,
    (bounds, has_avatar): (Bounds, &dyn Fn(&str) -> bool),
    life: Option<Life>,
    retained: &mut RetainedChannels,
) -> Result<users::Gone, redb::Error> {
    let transaction = database.begin_write()?;
    open_singly(&transaction)?;
    {
        let mut times = transaction.open_table(SEEN)?;
        let mut order = transaction.open_table(SEEN_ORDER)?;
        for (user, at_ms) in batch.seen {
            let before = times
                .insert(user.as_str(), at_ms)?
                .map(|known| known.value());
            if let Some(before) = before {
                order.remove((before, user.as_str()))?;
            }
            match at_ms {
                0 => {
                    times.remove(user.as_str())?;
                }
                at_ms => {
                    order.insert((*at_ms, user.as_str()), ())?;
                }
            }
        }
        while !batch.seen.is_empty() && order.len()? > bounds.seen_max {
            let Some(first) = order.pop_first()? else {
                break;
            };
            times.remove(first.0.value().1)?;
        }
        let mut users = transaction.open_table(USERS)?;
        for (user, record) in batch.entries {
            if record.is_empty() {
                users.remove(user.as_str())?;
            } else {
                users.insert(user.as_str(), record.as_slice())?;
            }
        }
        for of in Fact::ALL {
            let mut table = transaction.open_table(table(of))?;
            for (_, user, text) in batch.facts.iter().filter(|(fact, ..)| *fact == of) {
                match text {
                    Some(text) => table.insert(user.as_str(), &**text)?,
                    None => table.remove(user.as_str())?,
                };
            }
        }
    }
    let (users_max, now_ms) = (bounds.users_max, clock::now_ms());
    let gone = users::touch(&transaction, batch, users_max, has_avatar, now_ms)?;
    let mut forgotten = 0;
    if let Some(life) = life {
        for (channel, unwritten) in batch.channels {
            let bytes = channel::write(&transaction, channel.as_str(), unwritten, life)?;
            retained.put(channel.as_str(), bytes, clock::now_ms());
        }
        while let Some(channel) = retained.take_oldest_over() {
            channel::remove(&transaction, &channel)?;
            forgotten += 1;
        }
    }
    transaction.commit()?;
    let count = gone.count;
    if !gone.refused.is_empty() {
        note_full(gone.refused.len());
    }
    if count > 0
        && let Some(left_out) = GONE.admit(clock::now_ms())
    {
        log::warn!("stored attributes of {count} users went: more than store.users_max{left_out}");
    }
    if forgotten > 0
        && let Some(left_out) = FORGOTTEN.admit(clock::now_ms())
    {
        log::warn!(
            "{forgotten} stored histories went: more than store.channels_max or \
             store.channels_bytes_max{left_out}"
        );
    }
    Ok(gone)
}

fn all_seen(database: &Database) -> Result<Vec<Seen>, redb::Error> {
    let seen = database.begin_read()?.open_table(SEEN)?;
    let mut all = Vec::new();
    for entry in seen.iter()? {
        let (user, at_ms) = entry?;
        all.push((user.value().to_owned(), at_ms.value()));
    }
    Ok(all)
}

fn all(database: &Database) -> Result<Vec<Entry>, redb::Error> {
    let users = database.begin_read()?.open_table(USERS)?;
    let mut entries = Vec::new();
    for entry in users.iter()? {
        let (user, record) = entry?;
        entries.push((user.value().to_owned(), record.value().to_vec()));
    }
    Ok(entries)
}

fn facts(database: &Database, fact: Fact) -> Result<Vec<(String, Box<str>)>, redb::Error> {
    let table = database.begin_read()?.open_table(table(fact))?;
    let mut entries = Vec::new();
    for entry in table.iter()? {
        let (user, text) = entry?;
        entries.push((user.value().to_owned(), text.value().into()));
    }
    Ok(entries)
}

/// The entry of a record, without bytes where there is nothing to store.
pub(super) fn entry(user: &UserId, record: &Record) -> Entry {
    let record = match record.is_empty() {
        true => Vec::new(),
        false => record::write(record),
    };
    (user.as_str().to_owned(), record)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests;
