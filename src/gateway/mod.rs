//! The gateway of a worker: its sockets, its sessions and its topic table.
//!
//! One actix actor per worker, and the only thing that writes to sockets.
//! Bytes come in through its own poll (`turn`), become commands (`input`) and
//! go to their owners; what the owners say comes back as one delivery per
//! worker (`delivery`), is encoded once and put into the outboxes of those who
//! listen. At the end of each turn of the loop every socket with something to
//! write is written to once.
//!
//! If a gateway dies its worker's sockets are lost with it, so the process
//! ends rather than go on half dead.

pub mod adopt;
mod announce;
pub mod census;
pub mod change_log;
pub mod connection;
mod deadline;
mod delivery;
pub mod dialect;
mod dispatch;
pub mod door;
pub mod engineio;
#[cfg(debug_assertions)]
mod fault;
pub mod frame;
mod input;
mod interest;
pub mod lifecycle;
mod lookup;
pub mod peers;
pub mod poll;
pub mod settings;
pub mod slots;
pub mod submit;
pub mod topic;
pub mod tunnel;
pub mod turn;
pub mod watch;
pub mod wheel;

use std::collections::HashMap;
use std::num::NonZeroU64;
use std::sync::Arc;

use actix::{Actor, AsyncContext, Context};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use rustc_hash::FxHashMap;

use crate::clock;
use crate::cluster::owners::Owners;
use crate::metric::{Label, Metrics};
use crate::portal::Portal;
use turntable_core::backup::Backups;
use turntable_core::id::{ChannelId, SessionId};
use turntable_core::key::{Caller, GatewayId, Place, SessionSlot, SlotKey as _, WorkerId};
use turntable_core::model::settings::PresenceSettings;
use turntable_core::packet::{ClientPacket, LookupEntry, RequestId};
use turntable_core::reason::CloseReason;
use turntable_core::session::Session;
use turntable_core::session::outbox::Outbox;
use turntable_core::session::settings::{LimitSettings, SessionSettings};

use announce::Subscriptions;
use census::Census;
use connection::Connection;
use dialect::Dialects;
use door::DoorMemory;
use engineio::relocate::Errand;
use frame::Frame;
use interest::Below;
use peers::Peers;
use settings::{PollSettings, SocketIoSettings, TunnelSettings};
use slots::{Key, Slots};
use topic::Topics;
use turn::Turn;
use watch::Watches;
use wheel::Wheel;

/// What a gateway needs to know of the configuration.
#[derive(Debug, Clone)]
pub struct GatewaySettings {
    /// The section `[session]`.
    pub session: SessionSettings,
    /// The section `[limits]`.
    pub limits: LimitSettings,
    /// The section `[presence]`.
    pub presence: PresenceSettings,
    /// The longest message of a client, in bytes.
    pub message_bytes_max: usize,
    /// The section `[tunnel]`.
    pub tunnel: TunnelSettings,
    /// The section `[poll]`.
    pub poll: PollSettings,
    /// The section `[socketio]`.
    pub socketio: SocketIoSettings,
    /// How many lines there may be, in all and from one address.
    pub lines: (usize, usize),
    /// What a client may know: name and value.
    pub announced: Vec<(&'static str, u64)>,
}

/// The collaborators of all gateways of a node.
#[derive(Debug)]
pub struct GatewayContext {
    /// The configuration.
    pub settings: GatewaySettings,
    /// Who may come in.
    pub portal: Portal,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// How many connections there are.
    pub census: Census,
    /// The other gateways.
    pub peers: Peers,
    /// The way to the owners.
    pub owners: Arc<dyn Owners>,
    /// How lines write messages.
    pub dialects: Dialects,
}

/// A session and what its gateway keeps with it.
#[derive(Debug)]
struct Held {
    outbox: Outbox<Frame>,
    /// The connection (slot) that carries it now.
    connection: Option<u32>,
    /// Whether its connection is on the list to be written to.
    is_dirty: bool,
    /// Whether its connection takes nothing now.
    is_blocked: bool,
    /// Whether its messages are written for it alone.
    is_read_alone: bool,
    /// Whether it was welcomed.
    is_live: bool,
    /// Whether its user was told to be idle.
    is_idle: bool,
    /// How many bytes may wait in its outbox now: `outbox_bytes_max`, or, since
    /// its connection was lost and until what waited then is written, that and
    /// `replay_bytes_max`.
    waiting_bytes_max: u32,
    /// The publication it got last, so that it gets none twice.
    mark: u32,
    /// Watched users (numbers) whose state it has still to be told.
    changed: Vec<u32>,
    /// Watched users whose state nobody knows yet; a snapshot waits for them.
    unknown: u32,
    /// Users (numbers) it watches.
    watching: Vec<u32>,
    /// Answers that go out behind the next snapshot.
    #[expect(clippy::box_collection, reason = "seldom any, and then a word")]
    subscribed: Option<Box<Vec<RequestId>>>,
    /// Unix ms of the last command.
    active_ms: u64,
    /// Unix ms when its connection was lost.
    dropped_ms: Option<NonZeroU64>,
    /// What doors other than WebSockets have to know of it.
    memory: Option<Box<DoorMemory>>,
    /// What its owners want back, should they be lost.
    backups: Option<Box<Backups>>,
    session: Session,
}

/// What a timer was set for.
#[derive(Debug, Clone, Copy)]
enum Timer {
    /// A connection has to be identified by now.
    Identify(Key),
    /// A connection has to have shown a sign of life.
    Heartbeat(Key),
    /// A connection's clock is measured.
    ClockPing(Key),
    /// A close frame has waited long enough.
    Linger(Key),
    /// A session without a connection ends.
    Expire(Key),
    /// A session may have become idle.
    Idle(Key),
    /// A tunnel has been quiet, or has waited for its batch.
    Tunnel(Key),
    /// A tunnel has waited for its next attachment.
    Gap(Key),
    /// A poll may have gone.
    Poll(Key),
    /// A poll's request has waited for its answers.
    Answer(Key),
    /// An Engine.IO session is to be pinged, or should have answered.
    Engine(Key),
    /// An Engine.IO session has to carry a namespace by now.
    Connect(Key),
}

/// A `lookup` whose answers come in.
#[derive(Debug)]
struct Lookup {
    session: Place,
    id: Option<RequestId>,
    missing: usize,
    found: Vec<(turntable_core::id::UserId, LookupEntry)>,
}

/// What was counted since the last turn.
#[derive(Debug, Default)]
struct Tally {
    deliveries: u64,
    received_bytes: u64,
    sent_bytes: u64,
    writes: u64,
}

/// The gateway of one worker.
pub struct Gateway {
    id: GatewayId,
    worker: WorkerId,
    context: Arc<GatewayContext>,
    /// Taken by the turn when the actor starts.
    poll: Option<mio::Poll>,
    registry: mio::Registry,
    connections: Slots<Connection>,
    sessions: Slots<Held>,
    topics: Topics,
    watches: Watches,
    below: HashMap<ChannelId, Below>,
    subscriptions: Subscriptions,
    lookups: FxHashMap<u64, Lookup>,
    lookup_ticket: u64,
    wheel: Wheel<Timer>,
    /// Connections with something to write.
    dirty: Vec<u32>,
    /// Sessions with changes of presence to be told.
    changed: Vec<u32>,
    /// Sessions whose snapshot is complete.
    snapshots: Vec<u32>,
    /// Sessions whose outbox passed its bound.
    over: Vec<u32>,
    /// Connections with input that was not read.
    unread: Vec<u32>,
    buffer: Box<[u8]>,
    /// Whether anything was read in this turn.
    was_read: bool,
    mark: u32,
    presence_flushed_ms: u64,
    surveyed_ms: u64,
    waiting_gauge: Gauge,
    tally: Tally,
    commands: FxHashMap<&'static str, Counter>,
    is_draining: bool,
    /// A `resume` that is carried out once its connection is whole again.
    resuming: Option<(SessionId, u64, Option<RequestId>)>,
    /// What is to be done with an Engine.IO session once its connection is whole
    /// again.
    errand: Option<Errand>,
}

/// How much is read at once, in bytes; shared by all connections of a worker.
const READ_BYTES: usize = 65_536;

impl Gateway {
    /// The gateway `id`.
    ///
    /// # Errors
    /// Where the kernel gives no poll.
    pub fn new(id: GatewayId, context: Arc<GatewayContext>) -> std::io::Result<Self> {
        let poll = mio::Poll::new()?;
        let registry = poll.registry().try_clone()?;
        let commands = ClientPacket::COMMANDS
            .iter()
            .map(|(name, _)| {
                let counter = context.metrics.commands.get_or_create(&Label { name });
                (*name, counter.clone())
            })
            .collect();
        let waiting_gauge = context.metrics.waiting(id.worker);
        Ok(Self {
            id,
            worker: id.worker,
            context,
            poll: Some(poll),
            registry,
            connections: Slots::default(),
            sessions: Slots::default(),
            topics: Topics::default(),
            watches: Watches::default(),
            below: HashMap::new(),
            subscriptions: Subscriptions::default(),
            lookups: FxHashMap::default(),
            lookup_ticket: 0,
            wheel: Wheel::new(clock::now_ms()),
            dirty: Vec::new(),
            changed: Vec::new(),
            snapshots: Vec::new(),
            over: Vec::new(),
            unread: Vec::new(),
            buffer: vec![0; READ_BYTES].into(),
            was_read: false,
            mark: 0,
            presence_flushed_ms: 0,
            surveyed_ms: 0,
            waiting_gauge,
            tally: Tally::default(),
            commands,
            is_draining: false,
            resuming: None,
            errand: None,
        })
    }

    fn settings(&self) -> &GatewaySettings {
        &self.context.settings
    }

    /// Where owners find a session.
    fn place(&self, slot: u32) -> Option<Place> {
        let key = self.sessions.key(slot)?;
        Some(Place {
            gateway: self.id,
            slot: SessionSlot::new(key.slot, key.generation),
        })
    }

    /// A session as the sender of calls.
    fn caller(&self, slot: u32) -> Option<Caller> {
        Some(Caller {
            key: self.sessions.at(slot)?.session.key,
            place: self.place(slot)?,
        })
    }

    /// The slot of a session that owners know by `place`, if it still lives.
    fn slot(&self, place: Place) -> Option<u32> {
        let key = Key {
            slot: place.slot.index(),
            generation: place.slot.generation(),
        };
        (place.gateway == self.id && self.sessions.holds(key)).then_some(key.slot)
    }
}

impl Actor for Gateway {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        match self.poll.take().map(Turn::new) {
            Some(Ok(turn)) => {
                ctx.spawn(turn);
            }
            Some(Err(error)) => log::error!("worker {} has no poll: {error}", self.worker),
            None => {}
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if std::thread::panicking() {
            log::error!("worker {} is lost to a fault; the server ends", self.worker);
            std::process::abort();
        }
    }
}

/// Asks a gateway to send everybody away, as the server stops.
#[derive(Debug, actix::Message)]
#[rtype(result = "()")]
pub struct Drain;

impl actix::Handler<Drain> for Gateway {
    type Result = ();

    fn handle(&mut self, _: Drain, _: &mut Self::Context) {
        self.is_draining = true;
        let slots: Vec<u32> = self.connections.occupied().collect();
        for slot in slots {
            self.send_away(slot, CloseReason::GoingAway);
        }
    }
}
