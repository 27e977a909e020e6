//! The store in a file, as the server has it: a queue to the thread that has the file.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use parking_lot::{Mutex, RwLock};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

use super::channel::ChannelChange;
use super::commits::Commits;
use super::file::{Bounds, File, Present};
use super::health::{Health, SharedHealth};
use super::settings::StoreSettings;
use super::writer::{self, Job};
use super::{
    Fact, Load, LoadAll, LoadChannel, Record, Saved, Store, Stored, USERS_KEY, Unavailable,
};
use crate::clock;
use crate::log_limit::LogLimit;
use crate::metric::{Label, Metrics};
use turntable_core::id::{ChannelId, UserId};
use turntable_core::payload::Payload;
use turntable_core::spare::Spare;

/// As many jobs wait as may.
pub(super) static FULL: LogLimit = LogLimit::new();
static ENDED: LogLimit = LogLimit::new();
static PANICKED: LogLimit = LogLimit::new();

/// What waits for the thread.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    jobs: Gauge,
    bytes: Gauge,
}

impl Waiting {
    /// One more job. Returns how many waited before, in how many bytes.
    fn add(&self, bytes: usize) -> (usize, usize) {
        let (jobs, bytes) = (self.jobs.inc(), self.bytes.inc_by(bytes as i64));
        (jobs.max(0) as usize, bytes.max(0) as usize)
    }

    /// A job waits no more.
    pub(super) fn remove(&self, bytes: usize) {
        self.jobs.dec();
        self.bytes.dec_by(bytes as i64);
    }
}

/// The store: a thread that has the file, and the way to it.
#[derive(Debug)]
pub struct FileStore {
    path: String,
    /// `None` once it is stopped: a job behind that would have no answer.
    jobs: RwLock<Option<Sender<Job>>>,
    waiting: Arc<Waiting>,
    queue_max: usize,
    queue_bytes_max: usize,
    /// Whether changes of channels were refused.
    has_lost: Arc<AtomicBool>,
    failures: Counter,
    /// Users that have an avatar.
    present: Present,
    health: Arc<SharedHealth>,
    /// With what it sends where it cannot end.
    thread: Mutex<Option<(JoinHandle<()>, Receiver<()>)>>,
}

impl FileStore {
    /// Opens the file of the settings.
    ///
    /// # Errors
    /// Why it cannot be opened.
    pub fn open(
        settings: &StoreSettings,
        last_seen_max: usize,
        metrics: &Metrics,
    ) -> Result<Self, String> {
        let path = Path::new(&settings.path);
        let bounds = Bounds {
            users_max: settings.users_max as u64,
            seen_max: last_seen_max as u64,
            check_bytes_max: settings.check_bytes_max,
        };
        let mut file = File::open_bounded(path, bounds)?;
        file.begin(settings.channels_max, settings.channels_bytes_max)
            .map_err(|error| format!("the store {} cannot be read: {error}", settings.path))?;
        let (jobs, received) = channel();
        let received = Arc::new(Mutex::new(received));
        let (end, ended) = channel();
        let waiting = Arc::new(Waiting {
            jobs: metrics.store_waiting.clone(),
            bytes: metrics.store_waiting_bytes.clone(),
        });
        let has_lost = Arc::new(AtomicBool::new(false));
        file.has_lost = has_lost.clone();
        let present = file.present.clone();
        let label = Label { name: USERS_KEY };
        file.gone = metrics.limits.get_or_create(&label).clone();
        let failures = metrics.store_failures.clone();
        let commits = Commits(metrics.store_commit.clone());
        let (counted, write_ms) = (waiting.clone(), settings.write_ms);
        let health = Arc::new(SharedHealth::default());
        let (failed, shown) = (failures.clone(), health.clone());
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || {
                let (failures, health) = (&failed, &shown);
                writer::run(
                    file,
                    &received,
                    &counted,
                    write_ms,
                    (failures, health, commits),
                    &end,
                );
            })
            .map_err(|error| format!("the thread of the store cannot start: {error}"))?;
        Ok(Self {
            path: settings.path.clone(),
            jobs: RwLock::new(Some(jobs)),
            waiting,
            queue_max: settings.queue_max,
            queue_bytes_max: settings.queue_bytes_max,
            has_lost,
            failures,
            present,
            health,
            thread: Mutex::new(Some((thread, ended))),
        })
    }

    fn send(&self, job: Job) {
        let bytes = job.bytes();
        let (count, waiting) = self.waiting.add(bytes);
        // What has no content is taken although the bytes are too many: users are loaded.
        let has_room = count < self.queue_max
            && (bytes == 0 || waiting.saturating_add(bytes) <= self.queue_bytes_max);
        let jobs = self.jobs.read();
        let is_stopped = jobs.is_none();
        let refused = match &*jobs {
            Some(jobs) if has_room => jobs.send(job).err().map(|error| error.0),
            _ => Some(job),
        };
        // A callback may use the store.
        drop(jobs);
        if let Some(job) = refused {
            self.waiting.remove(bytes);
            if matches!(job, Job::Channel(..)) {
                self.has_lost.store(true, Ordering::Relaxed);
            }
            self.failures.inc();
            if is_stopped {
                self.health.is_closed.store(true, Ordering::Relaxed);
            } else if has_room {
                self.note_end();
            } else if let Some(left_out) = FULL.admit(clock::now_ms()) {
                let effect = "durable attributes are refused, others may be lost";
                let keys = "store.queue_max, store.queue_bytes_max";
                log::warn!("too much waits for the store ({keys}): {effect}{left_out}");
            }
            job.fail();
        }
    }

    /// The thread has ended before its time.
    fn note_end(&self) {
        self.health.is_closed.store(true, Ordering::Relaxed);
        if let Some(left_out) = ENDED.admit(clock::now_ms()) {
            let effect = "no user can be loaded and nothing is stored until a restart";
            log::error!("the thread of the store has ended: {effect}{left_out}");
        }
    }
}

impl Store for FileStore {
    fn loads_max(&self) -> usize {
        self.queue_max
    }

    fn get(&self, _: &UserId) -> Option<Stored> {
        None
    }

    fn path(&self) -> Option<&Path> {
        Some(Path::new(&self.path))
    }

    fn load(&self, user: &UserId, load: Load) {
        self.send(Job::Load(user.clone(), load));
    }

    fn load_all(&self, users: Vec<UserId>, load: LoadAll) {
        self.send(Job::LoadAll(users, load));
    }

    fn save(&self, user: &UserId, record: Record, saved: Option<Saved>) {
        self.send(Job::Save(user.clone(), record, saved));
    }

    fn avatar_began(&self, user: &UserId) {
        self.present.lock().insert(user.clone());
    }

    fn avatar_ended(&self, user: &UserId) {
        let mut present = self.present.lock();
        present.remove(user);
        present.give_back();
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
        let found = found.map_err(|_| "the store is not available".to_owned())?;
        let unread = |error| format!("the store {} cannot be read: {error}", self.path);
        let found = found.map_err(unread)?;
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

    fn health(&self) -> Health {
        self.health.get()
    }

    fn stop(&self) {
        if let Some(jobs) = self.jobs.write().take() {
            // The thread may have ended.
            let _ = jobs.send(Job::Stop);
        }
        if let Some((thread, ended)) = self.thread.lock().take()
            // Its end closes this channel.
            && ended.recv().is_err()
            && thread.join().is_err()
            && let Some(left_out) = PANICKED.admit(clock::now_ms())
        {
            log::error!("the thread of the store panicked{left_out}");
        }
    }
}

impl Job {
    /// The size of what it has to write.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Save(_, record, _) => {
                let bytes =
                    |(name, value): &(Box<str>, Payload)| name.len() + value.as_json().len();
                record.fields().map(bytes).sum()
            }
            Self::Channel(_, ChannelChange::Message { frame, .. }) => frame.v1().len(),
            Self::SetFact((_, _, text), _) => text.as_ref().map_or(0, |text| text.len()),
            Self::Channel(..)
            | Self::Load(..)
            | Self::LoadAll(..)
            | Self::Seen(..)
            | Self::LoadChannel(..)
            | Self::Facts(..)
            | Self::Stop => 0,
        }
    }

    pub(super) fn fail(self) {
        match self {
            Self::Load(_, load) => load(Err(Unavailable)),
            Self::LoadAll(_, load) => load(Vec::new()),
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
