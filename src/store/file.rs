//! A store in a file, an embedded database (redb) that one process has open.
//!
//! Every commit is durable. A file that was not closed is checked when it is opened;
//! a file that cannot be read or written is an error at start.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use redb::{Database, DatabaseError, ReadableDatabase as _, ReadableTable as _, TableDefinition};

use super::channel::backup::{self, Line};
use super::channel::{self, ChannelChange, Life, StoredChannel, Unwritten};
use super::kept::Kept;
use super::settings::StoreSettings;
use super::writer::{self, Job};
use super::{Load, LoadChannel, Saved, Store, Unavailable, record};
use crate::clock;
use crate::log_limit::LogLimit;
use turntable_core::backup::Attributes;
use turntable_core::id::{ChannelId, UserId};

/// A file is opened again after an error.
static UNCLEAN: LogLimit = LogLimit::new();
static PANICKED: LogLimit = LogLimit::new();
/// Records may be damaged one by one.
static DAMAGED: LogLimit = LogLimit::new();
static FORGOTTEN: LogLimit = LogLimit::new();

/// Records by user id.
const USERS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("users");

/// A user and its record.
pub(crate) type Entry = (String, Vec<u8>);

/// The database.
#[derive(Debug)]
pub(crate) struct File {
    path: PathBuf,
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
        let mut file = Self {
            path: path.to_owned(),
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

    /// A server begins to use the file. Channels that nobody has to have any more go, and
    /// so many are kept at most, of so many bytes.
    pub(super) fn begin(&mut self, channels_max: usize, bytes_max: u64) -> Result<(), String> {
        let now_ms = clock::now_ms();
        let database = self.reopen()?;
        let begin = || {
            let life = Life::begin(database)?;
            Ok((life, channel::all(database)?))
        };
        let (life, all) = begin().map_err(|error: redb::Error| error.to_string())?;
        self.life = Some(life);
        self.kept = Kept::new(channels_max, bytes_max);
        for entry in all {
            let at_ms = match now_ms < entry.until_ms {
                true => entry.at_ms,
                // It goes first.
                false => 0,
            };
            self.kept.put(&entry.channel, entry.bytes, at_ms);
        }
        Ok(())
    }

    /// Everything was written.
    pub(super) fn close(&mut self) -> Result<(), String> {
        if self.has_lost.load(Ordering::Relaxed) || self.life.is_none() {
            return Ok(());
        }
        let database = self.reopen()?;
        Life::close(database).map_err(|error| error.to_string())
    }

    /// Changes of channels are not written: none is whole from here on.
    pub(super) fn note_lost(&self) {
        self.has_lost.store(true, Ordering::Relaxed);
    }

    /// A channel; of a damaged one what can be used.
    pub(super) fn read_channel(
        &mut self,
        channel: &ChannelId,
    ) -> Result<Option<StoredChannel>, String> {
        let Some(life) = self.life else {
            return Ok(None);
        };
        let has_lost = self.has_lost.load(Ordering::Relaxed);
        let database = self.reopen()?;
        let read = channel::read(database, channel.as_str(), life);
        if read.is_err() {
            self.database = None;
        }
        let (found, is_damaged) = read.map_err(|error| error.to_string())?;
        if is_damaged && let Some(left_out) = DAMAGED.admit(clock::now_ms()) {
            let effect = "what could not be read is left out";
            log::error!("the history of channel {channel} is damaged; {effect}{left_out}");
        }
        Ok(found.map(|found| StoredChannel {
            is_whole: found.is_whole && !has_lost,
            ..found
        }))
    }

    /// Writes records and channels durably, all or none; an empty record removes the user.
    pub(super) fn write(
        &mut self,
        entries: &[Entry],
        channels: &HashMap<ChannelId, Unwritten>,
    ) -> Result<(), String> {
        let life = self.life;
        self.reopen()?;
        let (Some(database), kept) = (&self.database, &mut self.kept) else {
            return Ok(());
        };
        let written = write(database, entries, channels, life, kept);
        let written = written.map_err(|error| error.to_string());
        if written.is_err() {
            // The database takes nothing more after an error.
            self.database = None;
        }
        written
    }

    /// The record of a user.
    pub(crate) fn read(&mut self, user: &str) -> Result<Option<Vec<u8>>, String> {
        let database = self.reopen()?;
        let found = read(database, user).map_err(|error| error.to_string());
        if found.is_err() {
            self.database = None;
        }
        found
    }

    /// All records.
    pub(crate) fn all(&mut self) -> Result<Vec<Entry>, String> {
        let database = self.reopen()?;
        all(database).map_err(|error| error.to_string())
    }

    /// All channels, as lines of a backup; a damaged state is left out.
    pub(super) fn channels(&mut self) -> Result<Vec<Line>, String> {
        let database = self.reopen()?;
        let export = || -> Result<Vec<Line>, redb::Error> {
            let all = channel::all(database)?.into_iter();
            let lines = all.map(|entry| backup::export(database, &entry.channel));
            lines.filter_map(Result::transpose).collect()
        };
        export().map_err(|error| error.to_string())
    }

    /// Writes channels of a backup.
    pub(super) fn restore_channels(&mut self, lines: &[Line]) -> Result<(), String> {
        let database = self.reopen()?;
        let import = || {
            let transaction = database.begin_write()?;
            for line in lines {
                backup::import(&transaction, line)?;
            }
            transaction.commit()?;
            Ok(())
        };
        import().map_err(|error: redb::Error| error.to_string())
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

fn open(path: &Path) -> Result<Database, String> {
    let is_unclean = Arc::new(AtomicBool::new(false));
    let seen = is_unclean.clone();
    let mut builder = Database::builder();
    builder.set_repair_callback(move |_| seen.store(true, Ordering::Relaxed));
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
    // The table exists from here on, and the file can be written.
    write(&database, &[], &HashMap::new(), None, &mut Kept::default())
        .map_err(|error| error.to_string())?;
    Ok(database)
}

fn write(
    database: &Database,
    entries: &[Entry],
    channels: &HashMap<ChannelId, Unwritten>,
    life: Option<Life>,
    kept: &mut Kept,
) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut users = transaction.open_table(USERS)?;
        for (user, record) in entries {
            if record.is_empty() {
                users.remove(user.as_str())?;
            } else {
                users.insert(user.as_str(), record.as_slice())?;
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

fn read(database: &Database, user: &str) -> Result<Option<Vec<u8>>, redb::Error> {
    let users = database.begin_read()?.open_table(USERS)?;
    Ok(users.get(user)?.map(|record| record.value().to_vec()))
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

/// The store: a thread that has the file, and the way to it.
#[derive(Debug)]
pub struct FileStore {
    jobs: Sender<Job>,
    waiting: Arc<AtomicUsize>,
    queue_max: usize,
    /// Whether changes of channels were refused.
    has_lost: Arc<AtomicBool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl FileStore {
    /// Opens the file of the settings. `failures` counts commits that failed.
    ///
    /// # Errors
    /// Why it cannot be opened.
    pub fn open(settings: &StoreSettings, failures: Counter) -> Result<Self, String> {
        let mut file = File::open(Path::new(&settings.path))?;
        file.begin(settings.channels_max, settings.channels_bytes_max)
            .map_err(|error| format!("the store {} cannot be read: {error}", settings.path))?;
        let (jobs, received) = channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let has_lost = Arc::new(AtomicBool::new(false));
        file.has_lost = has_lost.clone();
        let (counted, write_ms) = (waiting.clone(), settings.write_ms);
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || writer::run(file, &received, &counted, write_ms, &failures))
            .map_err(|error| format!("the thread of the store cannot start: {error}"))?;
        Ok(Self {
            jobs,
            waiting,
            queue_max: settings.queue_max,
            has_lost,
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
            job.fail();
        }
    }
}

impl Store for FileStore {
    fn get(&self, _: &UserId) -> Option<Attributes> {
        None
    }

    fn load(&self, user: &UserId, load: Load) {
        self.send(Job::Load(user.clone(), load));
    }

    fn save(&self, user: &UserId, attributes: Attributes, saved: Option<Saved>) {
        self.send(Job::Save(user.clone(), attributes, saved));
    }

    fn load_channel(&self, channel: &ChannelId, load: LoadChannel) {
        self.send(Job::LoadChannel(channel.clone(), load));
    }

    fn save_channel(&self, channel: &ChannelId, change: ChannelChange) {
        self.send(Job::Channel(channel.clone(), change));
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
            Self::LoadChannel(_, load) => load(Err(Unavailable)),
            Self::Save(_, _, None) | Self::Channel(..) | Self::Stop => {}
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
