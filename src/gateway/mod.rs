//! The gateway of a worker: a shell around connections, sessions and
//! subscriptions.
//!
//! One actix actor per worker, and the only thing that writes to its sockets. It
//! owns tables and the loop (`turn`), and no protocol and no rules: bytes are
//! the transports' (`transport`), the life of sessions is pure
//! (`turntable_core::session`), and what follows from either is an effect
//! (`work`). Owners are called through the directories; their deliveries come
//! back as one message per gateway (`delivery`), are put into the outboxes of the
//! subscribers, and every socket with something to write is written once at the
//! end of a turn.
//!
//! If a gateway dies, its worker's sockets are lost with it, so the process ends.

pub mod accept;
pub mod admission;
pub mod connection;
mod cooldown;
pub mod delivery;
pub mod drain;
mod eviction;
mod function;
pub mod gate;
pub mod inspection;
pub(crate) mod intake;
pub(crate) mod moving;
pub mod overload;
pub mod peers;
pub mod phase;
pub mod question;
mod relief;
pub mod restarts;
mod round;
pub mod saving;
mod service;
pub mod session;
pub mod settings;
mod settling;
mod shared_bucket;
mod silence;
pub(crate) mod slots;
pub(crate) mod spare_lists;
mod stalled;
pub mod submit;
pub(crate) mod subscription;
pub(crate) mod survey;
pub(crate) mod table;
#[cfg(test)]
pub(crate) mod testing;
pub mod transport;
pub(crate) mod turn;
pub mod unidentified;
mod unread;
pub(crate) mod wheel;
mod withdrawal;
pub mod work;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use actix::{Actor, AsyncContext, Context};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use rustc_hash::FxHashMap;

use crate::clock;
use crate::cluster::mailbox::Mailboxes;
use crate::cluster::owners::Owners;
use crate::cluster::probe::Schedule;
use crate::gateway::session::ended::EndedSessions;
use crate::gateway::survey::Unblocked;
use crate::gateway::unread::Unread;
use crate::metric::{Label, Latency, Metrics, Worker};
use crate::portal::Portal;
use crate::portal::ban::Bans;
use crate::portal::blocked::Blocked;
use crate::service::disabled::Disabled;
use crate::service::offered::Offered;
use crate::store::Store;
use crate::watched::Watched;
use admission::{ConnectionLimits, Full, Incomplete, Permit, counted};
use connection::table::Connections;
use delivery::encoding::Encodings;
use delivery::sent::SentCounters;
use drain::Draining;
use gate::Gate;
use inspection::past::Past;
use inspection::trace::Traces;
use intake::Intake;
use overload::Overload;
use peers::Peers;
use phase::Phase;
use restarts::Restarts;
use saving::Saving;
use session::pending::Pending;
use session::table::Sessions;
use settings::GatewaySettings;
use subscription::operator::OperatorSubscriptions;
use subscription::reach::Reach;
use subscription::state::Subscriptions;
use turn::{Counters, Timer, Turn, TurnLists, Turns};
use turntable_core::key::GatewayId;
use turntable_core::packet::{ClientPacket, ErrorBody};
use unidentified::{SocketMark, UnidentifiedConnections};
use wheel::Wheel;
use work::{Continued, Effect};

/// What all gateways of a node share.
#[derive(Debug)]
pub struct Shared {
    /// The settings in force.
    pub settings: Watched<GatewaySettings>,
    /// Who may come in.
    pub portal: Arc<Portal>,
    /// What is stored of users.
    pub store: Arc<dyn Store>,
    /// Who may not, whatever the portal says.
    pub bans: Bans,
    /// Who wants nothing of whom.
    pub blocked: Arc<Blocked>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The connections, counted against their limits.
    pub limits: Arc<ConnectionLimits>,
    /// What their clients have sent that is not whole, HTTP connections included.
    pub incomplete: Arc<Incomplete>,
    /// Those among them whose clients have not identified.
    pub unidentified: Arc<UnidentifiedConnections>,
    /// Whether the node takes clients.
    pub phase: Phase,
    /// Unix ms at which the program began.
    pub started_ms: u64,
    /// Requests that the process restarts.
    pub restarts: Restarts,
    /// Connections wait for it: the sessions of the process before come first.
    pub gate: Gate,
    /// The other gateways.
    pub peers: Peers,
    /// Why sessions ended whose clients may not know it.
    pub ended: EndedSessions,
    /// The way to the owners.
    pub owners: Arc<dyn Owners>,
    /// What waits at the workers.
    pub mailboxes: Arc<Mailboxes>,
    /// How messages are written.
    pub encodings: Encodings,
    /// Whether new clients are refused.
    pub overload: Overload,
    /// The channels to which the operator subscribed users.
    pub(crate) by_operator: OperatorSubscriptions,
    /// Services that users are without.
    pub disabled: Disabled,
    /// Services that users offer.
    pub offered: Arc<Offered>,
    /// How many sessions are on each topic.
    pub(crate) reach: Arc<Reach>,
    /// Sockets that the gateways have. A connection that polls has none.
    pub sockets: AtomicU64,
}

impl Shared {
    /// Counts one more connection from `address`, for every transport alike, whose
    /// client has not identified. `socket` marks the HTTP connection that it begins
    /// on, where others may begin on it too.
    ///
    /// # Errors
    /// `unavailable` or `too_many` where a limit is reached.
    pub fn admit(&self, address: IpAddr, socket: Option<SocketMark>) -> Result<Permit, ErrorBody> {
        self.check_takes_clients()?;
        self.admit_back(address, socket)
    }

    /// The same for a client that comes back to a session. While clients are sent away, its
    /// gateway knows whether it may.
    ///
    /// # Errors
    /// `unavailable` or `too_many` where a limit is reached.
    pub fn admit_back(
        &self,
        address: IpAddr,
        socket: Option<SocketMark>,
    ) -> Result<Permit, ErrorBody> {
        let mut permit = self.count(address)?;
        let limits = self.settings.get().unidentified();
        let admitted = self.unidentified.admit(counted(address), socket, &limits);
        let (place, evicted) = admitted.inspect_err(|error| {
            self.metrics.refuse("unidentified_max");
            if let Some(limit) = error.limit {
                self.metrics.limit(limit);
            }
        })?;
        permit.await_identification(place);
        self.evict(evicted);
        Ok(permit)
    }

    /// Counts one more connection from `address`, for a session that exists.
    ///
    /// # Errors
    /// `unavailable` or `too_many` where a limit is reached.
    pub fn admit_known(&self, address: IpAddr) -> Result<Permit, ErrorBody> {
        self.check_takes_clients()?;
        self.count(address)
    }

    /// Counts a connection, which exists, as one of `address` from now on.
    ///
    /// # Errors
    /// `too_many` where the limit of the address is reached.
    pub(crate) fn count_again(&self, address: IpAddr) -> Result<Permit, ErrorBody> {
        let per_address_max = self.settings.get().connections_per_address_max;
        let admitted = self.limits.admit(address, usize::MAX, per_address_max);
        admitted.map_err(|full| self.refuse_full(full))
    }

    fn check_takes_clients(&self) -> Result<(), ErrorBody> {
        let checked = self.phase.check_takes_clients();
        checked.inspect_err(|_| self.metrics.refuse("stopping"))
    }

    fn count(&self, address: IpAddr) -> Result<Permit, ErrorBody> {
        if let Err(error) = self.may_begin() {
            self.metrics.refuse("memory_bytes_max");
            return Err(error);
        }
        let settings = self.settings.get();
        let (max, per_address_max) = (
            settings.connections_max,
            settings.connections_per_address_max,
        );
        let admitted = self.limits.admit(address, max, per_address_max);
        admitted.map_err(|full| self.refuse_full(full))
    }

    fn refuse_full(&self, full: Full) -> ErrorBody {
        self.metrics.refuse(full.name());
        self.metrics.limit(full.limit());
        full.error()
    }
}

/// The gateway of one worker.
pub struct Gateway {
    id: GatewayId,
    shared: Arc<Shared>,
    /// The settings in force at the start of this turn.
    settings: Arc<GatewaySettings>,
    /// Taken by the turn when the actor starts.
    poll: Option<mio::Poll>,
    /// What its turns need, but while one is taken.
    turn: Option<Box<Turn>>,
    registry: mio::Registry,
    connections: Connections,
    sessions: Sessions,
    subscriptions: Subscriptions,
    /// What happened to sessions.
    past: Past,
    /// Sessions that the operator traces.
    traces: Traces,
    pending: Pending,
    /// The last known states of the services.
    services: service::States,
    wheel: Wheel<Timer>,
    /// Timers that are due, the earliest at the front.
    due: VecDeque<Timer>,
    /// Whether sockets are read.
    intake: Intake,
    /// What has to happen next, the last first.
    work: Vec<Effect>,
    /// What goes on once nothing else has to happen.
    continued: VecDeque<Continued>,
    /// What a hook leaves, in order.
    hook_effects: Vec<Effect>,
    /// What is to be written and read this turn.
    lists: TurnLists,
    /// What was counted since the last turn.
    counters: Counters,
    buffer: Box<[u8]>,
    /// Unix ms when this turn began to write.
    now_ms: u64,
    presence_flushed_ms: u64,
    /// How long that and what was sent then took, in ms.
    presence_took_ms: u64,
    surveyed_ms: u64,
    mailboxes_surveyed_ms: u64,
    /// When it measures how long messages wait.
    probes: Schedule,
    /// How long the machine had slept at the last look, in ms.
    suspended_ms: u64,
    /// What the kernel used for what clients had not acknowledged, at the last look.
    send_buffer_bytes: i64,
    unblocked: Unblocked,
    unread: Unread,
    waiting_gauge: Gauge,
    answers_gauge: Gauge,
    /// By name: the counter of a command, and its number.
    commands: FxHashMap<&'static str, (Counter, u8)>,
    /// Clients that are sent away, and those that are to be; `None` while clients may come.
    drain: Option<Draining>,
    /// What of its sessions goes to the next process.
    saving: Saving,
    /// The counters of sent messages, by the places of their names.
    sent_counters: SentCounters,
    delivery_lag: Latency,
}

/// How much is read at once, in bytes; shared by all connections of a worker.
const READ_BYTES: usize = 65_536;

impl Gateway {
    /// The gateway `id`.
    ///
    /// # Errors
    /// Where the kernel gives no poll.
    pub fn new(id: GatewayId, shared: Arc<Shared>) -> std::io::Result<Self> {
        let poll = mio::Poll::new()?;
        let registry = poll.registry().try_clone()?;
        let commands = ClientPacket::COMMANDS
            .iter()
            .map(|(name, number)| {
                let counter = shared.metrics.commands.get_or_create(&Label { name });
                (*name, (counter.clone(), *number))
            })
            .collect();
        let subscriptions = Subscriptions::new(id, shared.owners.shards(), shared.reach.clone());
        let sent_counters = SentCounters::new(&shared.metrics);
        let label = Worker {
            worker: id.worker.0,
        };
        let delivery_lag = shared.metrics.delivery_lag.of(&label);
        let now_ms = clock::now_ms();
        let mut wheel = Wheel::new(now_ms);
        wheel.set(now_ms + service::WATCH_FIRST_MS, Timer::Services);
        Ok(Self {
            id,
            settings: shared.settings.get(),
            waiting_gauge: shared.metrics.waiting(id.worker),
            answers_gauge: shared.metrics.answers(id.worker),
            shared,
            poll: Some(poll),
            turn: None,
            registry,
            connections: Connections::default(),
            sessions: Sessions::new(id),
            subscriptions,
            past: Past::default(),
            traces: Traces::default(),
            pending: Pending::default(),
            services: service::States::default(),
            wheel,
            due: VecDeque::new(),
            intake: Intake::default(),
            work: Vec::new(),
            continued: VecDeque::new(),
            hook_effects: Vec::new(),
            lists: TurnLists::default(),
            counters: Counters::default(),
            buffer: vec![0; READ_BYTES].into(),
            now_ms,
            presence_flushed_ms: 0,
            presence_took_ms: 0,
            surveyed_ms: 0,
            mailboxes_surveyed_ms: 0,
            probes: Schedule::default(),
            suspended_ms: turntable_sys::suspended_ms(),
            send_buffer_bytes: 0,
            unblocked: Unblocked::default(),
            unread: Unread::default(),
            commands,
            drain: None,
            saving: Saving::default(),
            sent_counters,
            delivery_lag,
        })
    }
}

impl Actor for Gateway {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        match self.poll.take().map(Turn::new) {
            Some(Ok(turn)) => {
                self.turn = Some(Box::new(turn));
                ctx.spawn(Turns);
            }
            Some(Err(error)) => {
                log::error!("worker {} has no poll: {error}", self.id.worker);
            }
            None => {}
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // A test that fails drops it, too, and has to say why.
        if std::thread::panicking() && !cfg!(test) {
            let worker = self.id.worker;
            log::error!("worker {worker} panicked; the server ends");
            std::process::abort();
        }
    }
}
