//! A store in a file, an embedded database (redb) that one process has open.
//!
//! Every commit is durable. A file that was not closed is checked when it is opened;
//! a file that cannot be read or written is an error at start.

mod channels;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use redb::{
    Database, DatabaseError, ReadableDatabase as _, ReadableTable as _, ReadableTableMetadata as _,
    TableDefinition,
};

use super::channel::{self, ChannelChange, Life, Unwritten};
use super::kept::Kept;
use super::settings::StoreSettings;
use super::writer::{self, Job};
use super::{Fact, Load, LoadChannel, Saved, Store, Stored, Unavailable, record};
use crate::clock;
use crate::log_limit::LogLimit;
use turntable_core::backup::Attributes;
use turntable_core::id::{ChannelId, UserId};

/// A file is opened again after an error.
static UNCLEAN: LogLimit = LogLimit::new();
static PANICKED: LogLimit = LogLimit::new();
static FORGOTTEN: LogLimit = LogLimit::new();
/// As many jobs wait as may.
static FULL: LogLimit = LogLimit::new();

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
    })
}

/// A user and its record.
pub(crate) type Entry = (String, Vec<u8>);

/// A user and when it was last seen; 0 where that is forgotten.
pub(crate) type Seen = (String, u64);

/// A fact of a user; without a text it is removed.
pub(crate) type FactEntry = (Fact, String, Option<Box<str>>);

/// The database.
#[derive(Debug)]
pub(crate) struct File {
    path: PathBuf,
    /// Users of whom the last presence is stored.
    seen_max: u64,
    /// `None` after an error, until it could be opened again.
    database: Option<Database>,
    /// The life of a server in it; a tool begins none.
    life: Option<Life>,
    /// The channels in it.
    kept: Kept,
    /// Whether changes of channels were lost.
    has_lost: Arc<AtomicBool>,
}

impl File {
    /// Opens a file, which is made where there is none.
    pub(crate) fn open(path: &Path) -> Result<Self, String> {
        Self::open_bounded(path, usize::MAX)
    }

    /// The same; it has the last presence of at most `seen_max` users.
    pub(crate) fn open_bounded(path: &Path, seen_max: usize) -> Result<Self, String> {
        let mut file = Self {
            path: path.to_owned(),
            seen_max: seen_max as u64,
            database: None,
            life: None,
            kept: Kept::default(),
            has_lost: Arc::default(),
        };
        file.reopen()
            .map_err(|error| format!("the store {} cannot be opened: {error}", path.display()))?;
        Ok(file)
    }

    fn reopen(&mut self) -> Result<&Database, String> {
        if self.database.is_none() {
            self.database = Some(open(&self.path)?);
        }
        self.database.as_ref().ok_or_else(String::new)
    }

    /// Writes records, facts and channels durably, all or none; an empty record is
    /// removed.
    pub(super) fn write(
        &mut self,
        entries: &[Entry],
        facts: &[FactEntry],
        channels: &HashMap<ChannelId, Unwritten>,
    ) -> Result<(), String> {
        self.write_all(entries, facts, channels, &[])
    }

    /// The same, and times of last presence.
    pub(super) fn write_all(
        &mut self,
        entries: &[Entry],
        facts: &[FactEntry],
        channels: &HashMap<ChannelId, Unwritten>,
        seen: &[Seen],
    ) -> Result<(), String> {
        let (life, seen_max) = (self.life, self.seen_max);
        self.reopen()?;
        let (Some(database), kept) = (&self.database, &mut self.kept) else {
            return Ok(());
        };
        let users = (entries, facts);
        let written = write(database, users, (seen, seen_max), channels, life, kept);
        let written = written.map_err(|error| error.to_string());
        if written.is_err() {
            // The database takes nothing more after an error.
            self.database = None;
        }
        written
    }

    /// The record of a user, and when it was last seen.
    pub(crate) fn read(&mut self, user: &str) -> Result<(Option<Vec<u8>>, Option<u64>), String> {
        let database = self.reopen()?;
        let found = read(database, user).map_err(|error| error.to_string());
        if found.is_err() {
            self.database = None;
        }
        found
    }

    /// When users were last seen.
    pub(crate) fn all_seen(&mut self) -> Result<Vec<Seen>, String> {
        let database = self.reopen()?;
        all_seen(database).map_err(|error| error.to_string())
    }

    /// All records.
    pub(crate) fn all(&mut self) -> Result<Vec<Entry>, String> {
        let database = self.reopen()?;
        all(database).map_err(|error| error.to_string())
    }

    /// A fact of all users.
    pub(crate) fn facts(&mut self, fact: Fact) -> Result<Vec<(String, Box<str>)>, String> {
        let database = self.reopen()?;
        facts(database, fact).map_err(|error| error.to_string())
    }

    /// Looks through the whole file. Returns whether it was sound.
    pub(crate) fn check(&mut self) -> Result<bool, String> {
        self.reopen()?;
        match &mut self.database {
            Some(database) => database
                .check_integrity()
                .map_err(|error| error.to_string()),
            None => Ok(false),
        }
    }
}

/// Makes a file that its owner alone may read, where there is none: it has hashes of
/// passwords.
fn own(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = std::fs::OpenOptions::new();
    match options.write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

fn open(path: &Path) -> Result<Database, String> {
    let is_unclean = Arc::new(AtomicBool::new(false));
    let seen = is_unclean.clone();
    let mut builder = Database::builder();
    builder.set_repair_callback(move |_| seen.store(true, Ordering::Relaxed));
    own(path).map_err(|error| error.to_string())?;
    let mut database = builder.create(path).map_err(|error| match error {
        DatabaseError::DatabaseAlreadyOpen => "another process has it open".to_owned(),
        error => error.to_string(),
    })?;
    if is_unclean.load(Ordering::Relaxed) {
        if let Some(left_out) = UNCLEAN.admit(clock::now_ms()) {
            let path = path.display();
            log::warn!("the store {path} was not closed; it is checked{left_out}");
        }
        database
            .check_integrity()
            .map_err(|error| error.to_string())?;
    }
    // The tables exist from here on, also in the file of an earlier version, and the file
    // can be written.
    let mut kept = Kept::default();
    let nothing = HashMap::new();
    write(
        &database,
        (&[], &[]),
        (&[], u64::MAX),
        &nothing,
        None,
        &mut kept,
    )
    .map_err(|error| error.to_string())?;
    Ok(database)
}

fn write(
    database: &Database,
    (entries, facts): (&[Entry], &[FactEntry]),
    (seen, seen_max): (&[Seen], u64),
    channels: &HashMap<ChannelId, Unwritten>,
    life: Option<Life>,
    kept: &mut Kept,
) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut times = transaction.open_table(SEEN)?;
        let mut order = transaction.open_table(SEEN_ORDER)?;
        for (user, at_ms) in seen {
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
        while order.len()? > seen_max {
            let Some(first) = order.pop_first()? else {
                break;
            };
            times.remove(first.0.value().1)?;
        }
        let mut users = transaction.open_table(USERS)?;
        for (user, record) in entries {
            if record.is_empty() {
                users.remove(user.as_str())?;
            } else {
                users.insert(user.as_str(), record.as_slice())?;
            }
        }
        for of in Fact::ALL {
            let mut table = transaction.open_table(table(of))?;
            for (_, user, text) in facts.iter().filter(|(fact, ..)| *fact == of) {
                match text {
                    Some(text) => table.insert(user.as_str(), &**text)?,
                    None => table.remove(user.as_str())?,
                };
            }
        }
    }
    let mut forgotten = 0;
    if let Some(life) = life {
        for (channel, unwritten) in channels {
            let bytes = channel::write(&transaction, channel.as_str(), unwritten, life)?;
            kept.put(channel.as_str(), bytes, clock::now_ms());
        }
        while let Some(channel) = kept.take_oldest_over() {
            channel::remove(&transaction, &channel)?;
            forgotten += 1;
        }
    }
    transaction.commit()?;
    if forgotten > 0
        && let Some(left_out) = FORGOTTEN.admit(clock::now_ms())
    {
        log::warn!(
            "{forgotten} stored histories went: more than store.channels_max or \
             store.channels_bytes_max{left_out}"
        );
    }
    Ok(())
}

fn read(database: &Database, user: &str) -> Result<(Option<Vec<u8>>, Option<u64>), redb::Error> {
    let transaction = database.begin_read()?;
    let (users, seen) = (
        transaction.open_table(USERS)?,
        transaction.open_table(SEEN)?,
    );
    let record = users.get(user)?.map(|record| record.value().to_vec());
    Ok((record, seen.get(user)?.map(|at_ms| at_ms.value())))
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

/// The store: a thread that has the file, and the way to it.
#[derive(Debug)]
pub struct FileStore {
    jobs: Sender<Job>,
    waiting: Arc<AtomicUsize>,
    queue_max: usize,
    /// Whether changes of channels were refused.
    has_lost: Arc<AtomicBool>,
    failures: Counter,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl FileStore {
    /// Opens the file of the settings. `failures` counts commits that failed.
    ///
    /// # Errors
    /// Why it cannot be opened.
    pub fn open(
        settings: &StoreSettings,
        last_seen_max: usize,
        failures: Counter,
    ) -> Result<Self, String> {
        let mut file = File::open_bounded(Path::new(&settings.path), last_seen_max)?;
        file.begin(settings.channels_max, settings.channels_bytes_max)
            .map_err(|error| format!("the store {} cannot be read: {error}", settings.path))?;
        let (jobs, received) = channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let has_lost = Arc::new(AtomicBool::new(false));
        file.has_lost = has_lost.clone();
        let (counted, write_ms) = (waiting.clone(), settings.write_ms);
        let failed = failures.clone();
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || writer::run(file, &received, &counted, write_ms, &failed))
            .map_err(|error| format!("the thread of the store cannot start: {error}"))?;
        Ok(Self {
            jobs,
            waiting,
            queue_max: settings.queue_max,
            has_lost,
            failures,
            thread: Mutex::new(Some(thread)),
        })
    }

    fn send(&self, job: Job) {
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let refused = match before < self.queue_max {
            true => self.jobs.send(job).err().map(|error| error.0),
            false => Some(job),
        };
        if let Some(job) = refused {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            if matches!(job, Job::Channel(..)) {
                self.has_lost.store(true, Ordering::Relaxed);
            }
            self.failures.inc();
            if let Some(left_out) = FULL.admit(clock::now_ms()) {
                let effect = "durable attributes are refused, others may be lost";
                log::warn!("too much waits for the store (store.queue_max): {effect}{left_out}");
            }
            job.fail();
        }
    }
}

impl Store for FileStore {
    fn get(&self, _: &UserId) -> Option<Stored> {
        None
    }

    fn load(&self, user: &UserId, load: Load) {
        self.send(Job::Load(user.clone(), load));
    }

    fn save(&self, user: &UserId, attributes: Attributes, saved: Option<Saved>) {
        self.send(Job::Save(user.clone(), attributes, saved));
    }

    fn seen(&self, user: &UserId, at_ms: u64) {
        self.send(Job::Seen(user.clone(), at_ms));
    }

    fn load_channel(&self, channel: &ChannelId, load: LoadChannel) {
        self.send(Job::LoadChannel(channel.clone(), load));
    }

    fn save_channel(&self, channel: &ChannelId, change: ChannelChange) {
        self.send(Job::Channel(channel.clone(), change));
    }

    fn facts(&self, fact: Fact) -> Result<Vec<(UserId, Box<str>)>, String> {
        let (answer, answered) = channel();
        self.send(Job::Facts(fact, answer));
        let found = answered.recv();
        let found = found.map_err(|_| "the store is not available".to_owned())??;
        let parsed = found.into_iter().map(|(user, text)| {
            let known = UserId::parse(&user).map_err(|_| format!("{user:?} is no user id"));
            known.map(|user| (user, text))
        });
        parsed.collect()
    }

    fn set_fact(&self, fact: Fact, user: &UserId, text: Option<Box<str>>, saved: Saved) {
        let entry = (fact, user.as_str().to_owned(), text);
        self.send(Job::SetFact(entry, saved));
    }

    fn stop(&self) {
        // The thread may have ended.
        let _ = self.jobs.send(Job::Stop);
        if let Some(thread) = self.thread.lock().take()
            && thread.join().is_err()
            && let Some(left_out) = PANICKED.admit(clock::now_ms())
        {
            log::error!("the thread of the store panicked{left_out}");
        }
    }
}

impl Job {
    fn fail(self) {
        match self {
            Self::Load(_, load) => load(Err(Unavailable)),
            Self::Save(_, _, Some(saved)) => saved(Err(Unavailable)),
            Self::SetFact(_, saved) => saved(Err(Unavailable)),
            Self::LoadChannel(_, load) => load(Err(Unavailable)),
            Self::Facts(..)
            | Self::Save(_, _, None)
            | Self::Seen(..)
            | Self::Channel(..)
            | Self::Stop => {}
        }
    }
}

/// The record of attributes, empty where there are none.
pub(super) fn entry(user: &UserId, attributes: &Attributes) -> Entry {
    let record = match attributes.is_empty() {
        true => Vec::new(),
        false => record::write(attributes),
    };
    (user.as_str().to_owned(), record)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
