//! What unit tests of the gateway share: a gateway without a worker, and sessions
//! on connections without a socket.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use parking_lot::Mutex;

use crate::clock;
use crate::cluster::mailbox::Mailboxes;
use crate::cluster::owners::Owners;
use crate::gateway::accept::{Beginning, Resume};
use crate::gateway::admission::{ConnectionLimits, IncompleteLimits};
use crate::gateway::delivery::encoding::Encodings;
use crate::gateway::overload::Overload;
use crate::gateway::peers::Peers;
use crate::gateway::session::SessionEntry;
use crate::gateway::session::life::Details;
use crate::gateway::session::memory::ResumeFrom;
use crate::gateway::settings::GatewaySettings;
use crate::gateway::transport::begin::Insertion;
use crate::gateway::transport::testing::{Awaited, carried, carrier, for_answer, without_socket};
use crate::gateway::{Gateway, Shared};
use crate::metric::Metrics;
use crate::portal::Portal;
use crate::portal::ban::Bans;
use crate::portal::blocked::Blocked;
use crate::portal::settings::PortalSettings;
use crate::store::memory::MemoryStore;
use crate::watched::Watched;
use turntable_core::call::Call;
use turntable_core::id::{ChannelId, SessionId, UserId};
use turntable_core::key::{
    ConnKey, GatewayId, Generation, NodeId, SessionKey, SessionSlot, ShardId, WorkerId,
};
use turntable_core::session::Session;
use turntable_core::session::life::Input;

/// Owners that note what they are called for.
#[derive(Debug, Default)]
pub(crate) struct Noted(pub(crate) Mutex<Vec<Call>>);

impl Owners for Noted {
    fn call(&self, call: Call) {
        self.0.lock().push(call);
    }

    fn shards(&self) -> usize {
        1
    }

    fn shard(&self, _: &str) -> Option<ShardId> {
        Some(ShardId(0))
    }

    fn learn(&self, _: ShardId, _: Generation) {}
}

/// What gateways share, with default settings.
pub(crate) fn shared(owners: &Arc<Noted>) -> Arc<Shared> {
    let metrics = Arc::new(Metrics::default());
    Arc::new(Shared {
        settings: Watched::new(GatewaySettings {
            channels: Arc::new(turntable_core::model::namespace::Namespaces::default()),
            permissions: Default::default(),
            namespaces: None,
            below_max: 10,
            has_last_values: false,
            operator_users_max: 10,
            disabled_users_max: 10,
            session: Default::default(),
            limits: Default::default(),
            time: Default::default(),
            presence: Default::default(),
            message_bytes_max: 65_536,
            send_buffer_bytes: 0,
            transport: Default::default(),
            inspection: Default::default(),
            incomplete: IncompleteLimits {
                total: 10_000_000,
                per_address: 1_000_000,
            },
            connections_max: 10,
            connections_per_address_max: 10,
            mailbox_max: 10_000,
            memory_bytes_max: 0,
            drain_spread_ms: 0,
            overload_wait_ms: 0,
            services: Default::default(),
            server_only: Vec::new(),
            public: Vec::new(),

            functions: Default::default(),
            announced: Vec::new(),
        }),
        portal: Arc::new(portal()),
        store: Arc::new(MemoryStore::new(10)),
        bans: Bans::open(Arc::new(MemoryStore::new(0))).unwrap(),
        blocked: Blocked::open(Arc::new(MemoryStore::new(0)), 0).unwrap(),
        mailboxes: Arc::new(Mailboxes::new(2, &metrics)),
        metrics,
        limits: Arc::new(ConnectionLimits::default()),
        incomplete: Arc::default(),
        unidentified: Arc::default(),
        phase: Default::default(),
        gate: Default::default(),
        started_ms: 0,
        restarts: Default::default(),
        peers: Peers::new(2, NodeId(0), 1),
        owners: owners.clone(),
        encodings: Encodings::none(),
        overload: Overload::default(),
        ended: Default::default(),
        by_operator: Default::default(),
        disabled: Default::default(),
        offered: Default::default(),
        reach: Default::default(),
        sockets: Default::default(),
    })
}

/// A gateway that no worker runs, with default settings.
pub(crate) fn gateway(worker: u16, owners: &Arc<Noted>) -> Gateway {
    let id = GatewayId {
        node: NodeId(0),
        boot: 1,
        worker: WorkerId(worker),
    };
    Gateway::new(id, shared(owners)).unwrap()
}

/// What a gateway shares with others.
pub(crate) fn shared_of(gateway: &Gateway) -> &Arc<Shared> {
    &gateway.shared
}

/// A user id.
pub(crate) fn user(text: &str) -> UserId {
    UserId::parse(text).unwrap()
}

/// A channel.
pub(crate) fn path(text: &str) -> ChannelId {
    ChannelId::parse(text).unwrap()
}

/// A connection without a socket.
pub(crate) fn connect(gateway: &mut Gateway) -> ConnKey {
    let permit = gateway.shared.admit([127, 0, 0, 1].into(), None).unwrap();
    let name = SessionId::random().unwrap();
    gateway
        .connections
        .insert(without_socket(name, permit, clock::now_ms()))
}

/// A session that was admitted.
pub(crate) fn begin(gateway: &mut Gateway) -> SessionSlot {
    begin_as(gateway, 7)
}

/// A session with this key that was admitted.
pub(crate) fn begin_as(gateway: &mut Gateway, number: u64) -> SessionSlot {
    let connection = connect(gateway);
    begin_on(gateway, number, connection)
}

/// The same on a connection that another one carries, whose client fetches by requests; and
/// the first answer.
pub(crate) fn begin_by_requests(gateway: &mut Gateway, number: u64) -> (SessionSlot, Awaited) {
    let permit = gateway.shared.admit([127, 0, 0, 1].into(), None).unwrap();
    let name = || SessionId::random().unwrap();
    let (carrier, answer) = carrier(name(), permit);
    let carrier = gateway.insert(carrier, Insertion::Engine).unwrap();
    gateway.run();
    let connection = carried(name(), carrier);
    let opened = gateway
        .insert(connection, Insertion::Namespace(None))
        .unwrap();
    gateway.run();
    (begin_on(gateway, number, opened), answer)
}

/// The same of a client that has a connection for each answer, and waits for one.
pub(crate) fn begin_by_answers(gateway: &mut Gateway, number: u64) -> SessionSlot {
    let permit = gateway.shared.admit([127, 0, 0, 1].into(), None).unwrap();
    let id = SessionId::from_bits([number as u8; 16]);
    let (connection, insertion) = for_answer(id, permit, None);
    let connection = gateway.insert(connection, insertion).unwrap();
    begin_on(gateway, number, connection)
}

/// The answer that such a client waits for has ended.
pub(crate) fn end_answer(gateway: &mut Gateway, session: SessionSlot) {
    let connection = entry(gateway, session).session.connection().unwrap();
    gateway.end_socket(connection);
}

/// Such a client comes back for its next answer.
pub(crate) fn come_back(gateway: &mut Gateway, session: SessionSlot) {
    let permit = gateway.shared.admit([127, 0, 0, 1].into(), None).unwrap();
    let id = entry(gateway, session).session.id;
    let from = ResumeFrom::Unwritten;
    let (connection, insertion) = for_answer(id, permit, Some(from));
    gateway.begin(Beginning {
        resume: Some(Resume {
            session: id,
            from,
            attempt: None,
            id: None,
        }),
        ..Beginning::new(connection, insertion)
    });
}

fn begin_on(gateway: &mut Gateway, number: u64, connection: ConnKey) -> SessionSlot {
    let id = SessionId::from_bits([number as u8; 16]);
    let key = SessionKey::from_number(number);
    let session = Session::new(key, id, user("1:1"), connection, clock::now_ms());
    let slot = gateway
        .sessions
        .insert(SessionEntry::new(session, 1_000_000));
    gateway.step(slot, Input::Admitted, Details::default());
    gateway.run();
    slot
}

/// So many sessions that were admitted.
pub(crate) fn crowd(gateway: &mut Gateway, count: u64) -> Vec<SessionSlot> {
    let mut settings = (*gateway.settings).clone();
    let max = count as usize + 1;
    settings.connections_max = max;
    settings.connections_per_address_max = max;
    settings.session.unidentified_per_address_max = max;
    gateway.shared.settings.set(settings.clone());
    gateway.settings = Arc::new(settings);
    (1..=count)
        .map(|number| begin_as(gateway, number))
        .collect()
}

/// A session of the gateway.
pub(crate) fn entry(gateway: &mut Gateway, slot: SessionSlot) -> &mut SessionEntry {
    gateway.sessions.get_mut(slot).unwrap()
}

fn portal() -> Portal {
    let store = Arc::new(MemoryStore::new(0));
    Portal::new(PortalSettings::default(), Vec::new(), store).unwrap()
}
