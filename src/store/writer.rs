//! The thread that has the file of a store: it collects saves and commits them
//! together, at once where somebody waits.

mod loading;

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;

use super::channel::{ChannelChange, Unwritten};
use super::commits::Commits;
use super::file::around::Lost;
use super::file::{Batch, Entry, FactEntry, File, Seen, entry};
use super::health::SharedHealth;
use super::queue::Waiting;
use super::{Fact, Load, LoadAll, LoadChannel, Record, Saved, Unavailable, guard};
use crate::clock;
use crate::log_limit::LogLimit;
use turntable_core::id::{ChannelId, UserId};

/// The disk may be full and have room in turns.
static FAILED: LogLimit = LogLimit::new();
static DAMAGED: LogLimit = LogLimit::new();
static CLOSED: LogLimit = LogLimit::new();

/// Users of one commit; when so many are collected, they are written.
const BATCH: usize = 1_000;
/// Users whose saves are tried again after a failure.
const RETRIED: usize = 10_000;
/// Bytes of messages of channels that wait for a commit; when so many are collected,
/// they are written, and after a failed commit no more are stored.
const CHANNEL_BYTES: usize = 16_777_216;
/// Bytes of facts of one commit; when so many are collected, they are written.
const FACT_BYTES: usize = 16_777_216;
/// How long after a failure.
const RETRY: Duration = Duration::from_secs(1);

/// What the thread has to do.
pub(super) enum Job {
    Load(UserId, Load),
    LoadAll(Vec<UserId>, LoadAll),
    Save(UserId, Record, Option<Saved>),
    Seen(UserId, u64),
    LoadChannel(ChannelId, LoadChannel),
    Channel(ChannelId, ChannelChange),
    /// A fact of a user.
    SetFact(FactEntry, Saved),
    /// A fact of all users.
    Facts(Fact, Sender<FactsRead>),
    Stop,
}

/// Who waits for the thread.
#[derive(Default)]
struct Open {
    saves: RefCell<Vec<(UserId, Saved)>>,
    facts: RefCell<Vec<Saved>>,
    load: RefCell<Option<Load>>,
    loads: RefCell<Option<LoadAll>>,
    channel: RefCell<Option<LoadChannel>>,
}

impl Open {
    /// All of them get `Unavailable`.
    fn fail(&self) {
        for (_, saved) in self.saves.take() {
            saved(Err(Unavailable));
        }
        for saved in self.facts.take() {
            saved(Err(Unavailable));
        }
        if let Some(load) = self.load.take() {
            load(Err(Unavailable));
        }
        if let Some(load) = self.loads.take() {
            load(Vec::new());
        }
        if let Some(load) = self.channel.take() {
            load(Err(Unavailable));
        }
    }
}

/// Users and what is known of them.
type FactsRead = Result<Vec<(String, Box<str>)>, String>;

struct Writer<'a> {
    file: File,
    /// What is not written yet.
    unwritten: HashMap<UserId, Record>,
    /// Times of last presence that are not written yet.
    seen: HashMap<UserId, u64>,
    open: Rc<Open>,
    /// Changes of channels that are not written yet.
    channels: HashMap<ChannelId, Unwritten>,
    /// Bytes of their messages.
    channel_bytes: usize,
    /// Facts that are not written yet; each is waited for.
    facts: Vec<FactEntry>,
    /// Bytes of their texts.
    fact_bytes: usize,
    /// When to commit.
    due: Option<Instant>,
    failures: &'a Counter,
    commits: Commits,
    health: &'a SharedHealth,
}

/// Works until it is stopped.
pub(super) fn run(
    file: File,
    jobs: &Arc<Mutex<Receiver<Job>>>,
    waiting: &Arc<Waiting>,
    write_ms: u64,
    (failures, health, commits): (&Counter, &Arc<SharedHealth>, Commits),
    ended: &Sender<()>,
) {
    let open = Rc::new(Open::default());
    refuse_after_a_loss(&open, jobs, waiting, (failures, health), ended);
    let mut writer = Writer {
        file,
        unwritten: HashMap::new(),
        seen: HashMap::new(),
        open,
        channels: HashMap::new(),
        channel_bytes: 0,
        facts: Vec::new(),
        fact_bytes: 0,
        due: None,
        failures,
        commits,
        health,
    };
    // Jobs taken while a commit is due: it does not wait for more than a batch.
    let mut late = 0;
    loop {
        let wake = writer.wake();
        let received = match wake {
            None => jobs
                .lock()
                .recv()
                .map_err(|_| RecvTimeoutError::Disconnected),
            Some(due) if late < BATCH => {
                let left = due.saturating_duration_since(Instant::now());
                jobs.lock().recv_timeout(left)
            }
            Some(_) => Err(RecvTimeoutError::Timeout),
        };
        let is_due = wake.is_some_and(|due| due <= Instant::now());
        late = if is_due { late + 1 } else { 0 };
        match received {
            Ok(Job::Stop) | Err(RecvTimeoutError::Disconnected) => {
                writer.commit();
                writer.close();
                return;
            }
            Ok(job) => {
                waiting.remove(job.bytes());
                writer.take(job, write_ms);
            }
            Err(RecvTimeoutError::Timeout) => {
                writer.look();
                late = 0;
            }
        }
        writer.note_closed();
    }
}

/// Where the thread is lost in the database, it refuses all that comes until it is stopped.
fn refuse_after_a_loss(
    open: &Rc<Open>,
    jobs: &Arc<Mutex<Receiver<Job>>>,
    waiting: &Arc<Waiting>,
    (failures, health): (&Counter, &Arc<SharedHealth>),
    ended: &Sender<()>,
) {
    let (open, jobs, waiting) = (open.clone(), jobs.clone(), waiting.clone());
    let (failures, health, ended) = (failures.clone(), health.clone(), ended.clone());
    guard::on_loss(move |fault| {
        health.is_closed.store(true, Ordering::Relaxed);
        if let Some(left_out) = CLOSED.admit(clock::now_ms()) {
            let effect = "no user can be loaded and nothing is stored until a restart";
            log::error!("the store fails: {}; {effect}{left_out}", fault.text);
        }
        failures.inc();
        open.fail();
        loop {
            let received = jobs.lock().recv();
            match received {
                Ok(Job::Stop) | Err(_) => break,
                Ok(job) => {
                    waiting.remove(job.bytes());
                    failures.inc();
                    job.fail();
                }
            }
        }
        // Who waits for the end may have gone.
        let _ = ended.send(());
    });
}

impl Writer<'_> {
    fn take(&mut self, job: Job, write_ms: u64) {
        match job {
            Job::Load(user, load) => {
                self.open.load.replace(Some(load));
                let loaded = self.load(&user);
                if let Some(load) = self.open.load.take() {
                    load(loaded);
                }
            }
            Job::LoadAll(users, load) => {
                self.open.loads.replace(Some(load));
                let loaded = self.load_all(users);
                if let Some(load) = self.open.loads.take() {
                    load(loaded);
                }
            }
            Job::Save(user, record, saved) => {
                let is_waited_for = saved.is_some();
                let saved = saved.map(|saved| (user.clone(), saved));
                self.open.saves.borrow_mut().extend(saved);
                self.unwritten.insert(user, record);
                self.plan(if is_waited_for { 0 } else { write_ms });
            }
            Job::Seen(user, at_ms) => {
                self.seen.insert(user, at_ms);
                self.plan(write_ms);
            }
            Job::LoadChannel(channel, load) => {
                self.open.channel.replace(Some(load));
                let loaded = self.load_channel(&channel);
                if let Some(load) = self.open.channel.take() {
                    load(loaded);
                }
            }
            Job::Channel(channel, change) => {
                let unwritten = self.channels.entry(channel).or_default();
                self.channel_bytes -= unwritten.bytes;
                unwritten.add(change);
                self.channel_bytes += unwritten.bytes;
                let at = Instant::now() + Duration::from_millis(write_ms);
                self.due.get_or_insert(at);
                let is_much = self.channel_bytes >= CHANNEL_BYTES || self.channels.len() >= BATCH;
                if is_much && !self.health.is_failing.load(Ordering::Relaxed) {
                    self.commit();
                } else if self.channel_bytes >= 2 * CHANNEL_BYTES {
                    self.drop_channels();
                }
            }
            Job::SetFact(entry, saved) => {
                self.fact_bytes += entry.2.as_ref().map_or(0, |text| text.len());
                self.facts.push(entry);
                self.open.facts.borrow_mut().push(saved);
                self.due = Some(Instant::now());
                if self.fact_bytes >= FACT_BYTES {
                    self.commit();
                }
            }
            Job::Facts(fact, answer) => {
                // Who asked may be gone.
                let _ = answer.send(self.file.facts(fact));
            }
            Job::Stop => {}
        }
    }

    /// Plans a commit within `wait_ms`; one that is due earlier stays.
    fn plan(&mut self, wait_ms: u64) {
        let at = Instant::now() + Duration::from_millis(wait_ms);
        self.due = Some(self.due.map_or(at, |due| at.min(due)));
        if self.unwritten.len() + self.seen.len() >= BATCH
            && !self.health.is_failing.load(Ordering::Relaxed)
        {
            self.commit();
        }
    }

    /// Changes of channels are lost: what is stored of them is not whole.
    fn drop_channels(&mut self) {
        self.channels = HashMap::new();
        self.channel_bytes = 0;
        self.file.note_lost();
    }

    /// The file is whole, unless changes were lost.
    fn close(&mut self) {
        if self.channels.is_empty()
            && let Err(error) = self.file.close()
        {
            self.failed(&error);
        }
    }

    fn commit(&mut self) {
        self.due = None;
        let has_nothing = self.unwritten.is_empty() && self.facts.is_empty();
        if has_nothing && self.channels.is_empty() && self.seen.is_empty() {
            return;
        }
        let entries: Vec<Entry> = self
            .unwritten
            .iter()
            .map(|(user, record)| entry(user, record))
            .collect();
        let seen = self.seen.iter();
        let seen: Vec<Seen> = seen
            .map(|(user, at_ms)| (user.as_str().to_owned(), *at_ms))
            .collect();
        let known = self.unwritten.iter().filter(|(_, record)| record.is_known);
        let known: Vec<String> = known.map(|(user, _)| user.as_str().to_owned()).collect();
        let facts = std::mem::take(&mut self.facts);
        self.fact_bytes = 0;
        let channels: Vec<_> = self.channels.iter().collect();
        let batch = Batch {
            entries: &entries,
            facts: &facts,
            seen: &seen,
            channels: &channels,
            known: &known,
        };
        let (since, sizes) = (Instant::now(), (entries.len(), channels.len()));
        let written = match self.file.write_batch(batch) {
            Ok(refused) => Ok(Lost::of(refused)),
            Err(error) if self.file.is_closed() => Err(error),
            Err(error) => {
                let written = self.file.write_around(batch);
                self.damaged(&error);
                written
            }
        };
        self.commits.count(since, sizes);
        let await_facts = self.open.facts.take();
        for ((fact, user, _), saved) in facts.iter().zip(await_facts) {
            saved(match &written {
                Ok(lost) if !lost.has_fact(*fact, user) => Ok(()),
                _ => Err(Unavailable),
            });
        }
        match written {
            Ok(lost) => self.committed(&lost),
            Err(error) => self.retain(&error),
        }
    }

    /// What was collected is written, but for what is `lost` to damaged pages.
    fn committed(&mut self, lost: &Lost) {
        self.unwritten = HashMap::new();
        self.seen = HashMap::new();
        self.channels = HashMap::new();
        self.channel_bytes = 0;
        if lost.has_channel {
            self.file.note_lost();
        }
        if self.health.is_failing.swap(false, Ordering::Relaxed) {
            log::info!("the store can be written again");
        }
        for (user, saved) in self.open.saves.take() {
            saved(match lost.has_user(user.as_str()) {
                true => Err(Unavailable),
                false => Ok(()),
            });
        }
    }

    /// Nothing could be written: saves that nobody waits for are tried again.
    fn retain(&mut self, error: &str) {
        self.failed(error);
        let waiting = self.open.saves.take();
        // Those that wait learn that theirs are not written.
        let refused: HashSet<&UserId> = waiting.iter().map(|(user, _)| user).collect();
        self.unwritten.retain(|user, _| !refused.contains(user));
        drop(refused);
        if self.unwritten.len() > RETRIED {
            self.unwritten = HashMap::new();
        }
        if self.seen.len() > RETRIED {
            self.seen = HashMap::new();
        }
        let has_users = !(self.unwritten.is_empty() && self.seen.is_empty());
        if has_users || !self.channels.is_empty() {
            self.due = Some(Instant::now() + RETRY);
        }
        for (_, saved) in waiting {
            saved(Err(Unavailable));
        }
    }

    /// When there is something to do without a job.
    fn wake(&self) -> Option<Instant> {
        let again = self.file.again();
        [self.due, again].into_iter().flatten().min()
    }

    /// Does what is due.
    fn look(&mut self) {
        let now = Instant::now();
        if self.file.again().is_some_and(|at| at <= now) {
            // The next look is planned where it fails.
            let _ = self.file.reopen();
        }
        if self.due.is_some_and(|due| due <= now) {
            self.commit();
        }
    }

    /// Says when the file can be used no more, and when it can again.
    fn note_closed(&mut self) {
        let error = match self.file.is_closed() {
            true => self.file.reopen().err(),
            false => None,
        };
        let was_closed = self
            .health
            .is_closed
            .swap(error.is_some(), Ordering::Relaxed);
        let path = self.file.path().display();
        match error {
            None if was_closed => log::info!("the store {path} is open again"),
            Some(error) if !was_closed => {
                if let Some(left_out) = CLOSED.admit(clock::now_ms()) {
                    let effect = "users cannot be loaded, and nothing is stored; it is tried again";
                    log::error!("the store {path} cannot be opened: {error}; {effect}{left_out}");
                }
            }
            _ => {}
        }
    }

    /// A user or a channel could not be read.
    fn unread(&mut self, error: &str) {
        match self.file.is_closed() {
            true => self.failed(error),
            false => self.damaged(error),
        }
    }

    /// Counts a failure by a damaged page.
    fn damaged(&mut self, error: &str) {
        self.failures.inc();
        self.health.is_damaged.store(true, Ordering::Relaxed);
        if let Some(left_out) = DAMAGED.admit(clock::now_ms()) {
            let path = self.file.path().display();
            let effect = "what is on such a page cannot be loaded or stored; a backup has it";
            log::error!("the store {path} fails: {error}; {effect}{left_out}");
        }
    }

    /// Counts a failure; the first of several is logged.
    fn failed(&mut self, error: &str) {
        self.failures.inc();
        if !self.health.is_failing.swap(true, Ordering::Relaxed)
            && let Some(left_out) = FAILED.admit(clock::now_ms())
        {
            let effect = "durable attributes are refused, others and histories may be lost";
            log::error!("the store fails: {error}; {effect}{left_out}");
        }
    }
}
