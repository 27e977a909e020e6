//! The actors: one per user, channel path, game room and service, and one directory per
//! worker that finds them.
//!
//! Each is a shell around a pure model: a handler translates a call, steps the
//! model and applies its effects. Calls come in through the directories;
//! answers and events go out over the [`Bus`], one message per gateway.

mod absent_invites;
pub mod avatar;
pub mod beginning;
pub mod channel;
pub mod directory;
mod history_bytes;
pub mod invited;
mod listing;
mod owner_call;
mod places;
pub mod playing;
pub mod prefixes;
mod recovery;
pub mod room;
pub mod saving;
pub mod service;
mod state_bytes;
pub mod totals;
pub mod validator;
mod watchers;

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use actix::Addr;

use crate::clock::MessageIds;
use crate::cluster::bus::Bus;
use crate::cluster::mailbox::Mailboxes;
use crate::cluster::owners::Owners;
use crate::metric::{Latency, Metrics, Worker};
use crate::portal::factory::Factory;
use crate::portal::settings::SessionPolicy;
use crate::service::LocalServices;
use crate::service::offered::{self, NoRoom};
use crate::store::Store;
use crate::store::last_seen::LastSeen;
use crate::watched::Watched;
use crate::webhook::Webhooks;
use turntable_core::call::Requester;
use turntable_core::delivery::{Answer, Delivery, Meta, Topic};
use turntable_core::frame::SharedFrame;
use turntable_core::id::MessageId;
use turntable_core::key::{Caller, GatewayId, Place, WorkerId};
use turntable_core::model::attribute_rule::AttributeRules;
use turntable_core::model::game::Games;
use turntable_core::model::namespace::Namespaces;
use turntable_core::model::room::RoomSettings;
use turntable_core::model::service::ServiceSettings;
use turntable_core::model::service::function::FunctionSettings;
use turntable_core::model::settings::{AttributeSettings, ChannelSettings, PresenceSettings};
use turntable_core::owner::OwnerId;
use turntable_core::packet::{ErrorBody, ReplyData, RequestId, ServerPacket};
use turntable_core::pending::Pending;
use turntable_core::reason::ErrorCode;
use turntable_wire::frame;

use absent_invites::AbsentInvites;
use directory::{Directory, Lost, Unused};
use playing::Playing;
use prefixes::Prefixes;
use totals::Totals;
use validator::Validators;
use watchers::Watchers;

/// The services by name.
pub type Services = Arc<BTreeMap<String, ServiceSettings>>;

/// What actors need to know of the configuration.
#[derive(Debug, Clone)]
pub struct ActorSettings {
    /// The section `[presence]`.
    pub presence: PresenceSettings,
    /// The section `[attributes]`.
    pub attributes: AttributeSettings,
    /// What attributes may be.
    pub attribute_rules: Arc<AttributeRules>,
    /// Who may refuse a change of attributes beside them.
    pub validators: Validators,
    /// The section `[room]`.
    pub room: Arc<RoomSettings>,
    /// The section `[channel]`.
    pub channel: ChannelSettings,
    /// The sections `[channels."PATTERN"]`.
    pub channels: Namespaces,
    /// The sections `[games.NAME]`.
    pub games: Games,
    /// The sections `[services.NAME]`.
    pub services: Services,
    /// The section `[functions]`.
    pub functions: FunctionSettings,
    /// The services that are implemented in the server.
    pub local_services: LocalServices,
    /// Sessions of one user at one time.
    pub sessions_per_user_max: usize,
    /// Whether a new one ends others.
    pub sessions: SessionPolicy,
}

/// The collaborators of every actor of one worker.
#[derive(Debug)]
pub struct Surroundings {
    /// The worker.
    pub worker: WorkerId,
    /// The way to the gateways.
    pub bus: Arc<dyn Bus>,
    /// The way to other owners.
    pub owners: Arc<dyn Owners>,
    /// The directory that the worker's actors belong to.
    pub directory: OnceCell<Addr<Directory>>,
    settings: Arc<Watched<ActorSettings>>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// What waits at the workers.
    mailboxes: Arc<Mailboxes>,
    /// How late the ticks of rooms are.
    tick_late: Latency,
    /// What users of all workers have.
    totals: Arc<Totals>,
    /// What outlives avatars.
    store: Arc<dyn Store>,
    /// What avatars begin with.
    factory: Arc<Factory>,
    /// Events for a backend.
    webhooks: Arc<Webhooks>,
    /// Who wants everything below a path.
    pub prefixes: RefCell<Prefixes>,
    /// Who plays in which room.
    pub playing: RefCell<Playing>,
    /// When users without an avatar were last there.
    pub last_seen: RefCell<LastSeen>,
    /// Who watches users without an avatar.
    watchers: RefCell<Watchers>,
    /// Invites of users without an avatar.
    absent_invites: RefCell<AbsentInvites>,
    /// Bytes of the last actions that rooms of this worker retain.
    recent_bytes: Rc<Cell<usize>>,
    /// Services that are switched off, which a lost one's replacement has to know.
    services_off: RefCell<BTreeSet<Box<str>>>,
    message_ids: RefCell<MessageIds>,
    /// Owners that panic at their next call, for tests.
    #[cfg(debug_assertions)]
    faults: RefCell<Vec<OwnerId>>,
}

/// Shared by the actors of one worker.
pub type Shared = Rc<Surroundings>;

impl Surroundings {
    /// The collaborators on `worker`.
    #[must_use]
    #[allow(clippy::too_many_arguments, reason = "each is a collaborator")]
    pub fn new(
        worker: WorkerId,
        bus: Arc<dyn Bus>,
        owners: Arc<dyn Owners>,
        settings: Arc<Watched<ActorSettings>>,
        metrics: Arc<Metrics>,
        mailboxes: Arc<Mailboxes>,
        totals: Arc<Totals>,
        store: Arc<dyn Store>,
        factory: Arc<Factory>,
        webhooks: Arc<Webhooks>,
    ) -> Self {
        let last_seen_max = settings.get().presence.last_seen_max;
        let last_seen = LastSeen::new(last_seen_max.div_ceil(owners.shards().max(1)));
        let watchers = Watchers::new(metrics.absent_watched.clone());
        Self {
            worker,
            bus,
            owners,
            directory: OnceCell::new(),
            settings,
            tick_late: metrics.tick_late.of(&Worker { worker: worker.0 }),
            metrics,
            mailboxes,
            totals,
            store,
            factory,
            webhooks,
            prefixes: RefCell::default(),
            playing: RefCell::default(),
            last_seen: RefCell::new(last_seen),
            watchers: RefCell::new(watchers),
            absent_invites: RefCell::default(),
            recent_bytes: Rc::default(),
            services_off: RefCell::default(),
            message_ids: RefCell::default(),
            #[cfg(debug_assertions)]
            faults: RefCell::default(),
        }
    }

    /// The settings in force.
    pub fn settings(&self) -> Arc<ActorSettings> {
        self.settings.get()
    }

    /// The next message id: unique, and behind all that this worker gave out.
    pub fn message_id(&self) -> MessageId {
        self.message_ids.borrow_mut().next_id()
    }

    /// An actor has nothing left to do.
    fn unused(&self, unused: Unused) {
        if let Some(directory) = self.directory.get() {
            directory.do_send(unused);
        }
    }

    /// The actor of an owner panics; from its `Drop`.
    fn lost(&self, owner: OwnerId) {
        owner_call::report(owner);
        if let Some(directory) = self.directory.get() {
            directory.do_send(Lost);
        }
    }

    /// Panics where a test has requested it of this owner.
    #[cfg(debug_assertions)]
    #[allow(clippy::panic, reason = "that is what it is for")]
    fn fail_if_requested(&self, owner: &OwnerId) {
        let mut faults = self.faults.borrow_mut();
        let at = faults.iter().position(|known| known == owner);
        if let Some(at) = at {
            faults.swap_remove(at);
            drop(faults);
            panic!("a fault for a test");
        }
    }

    /// A call was not carried out, or it is not known whether it was.
    fn not_done(&self, pending: Option<Pending>) {
        if let Some(pending) = pending {
            let (to, refusal) = pending.refusal();
            self.bus.send(to, refusal);
        }
    }

    /// A call is refused because there are as many owners of its kind as the limit
    /// of this key allows.
    fn full(&self, pending: Option<Pending>, key: &'static str, max: usize) {
        let error = full(&self.metrics, key, max);
        if let Some(pending) = pending {
            let (to, refusal) = pending.refused(error);
            self.bus.send(to, refusal);
        }
    }

    /// A message as its receivers share it.
    fn frame(&self, packet: &ServerPacket, answers: Option<&RequestId>) -> SharedFrame {
        let id = match packet {
            ServerPacket::Message(message) => message.id,
            _ => self.message_id(),
        };
        frame::encode(packet, answers, id)
    }

    /// Sends to every session on a topic, by the gateways that have any. Returns what it sent.
    pub fn publish(
        &self,
        gateways: &[GatewayId],
        topic: &Topic,
        packet: &ServerPacket,
        meta: Meta,
    ) -> Option<SharedFrame> {
        if gateways.is_empty() {
            return None;
        }
        let frame = self.frame(packet, None);
        self.bus.publish(gateways, topic, &frame, meta);
        Some(frame)
    }

    /// Sends to one session.
    pub fn send(&self, to: Place, packet: &ServerPacket, id: Option<RequestId>) {
        let frame = self.frame(packet, id.as_ref());
        self.send_frame(to, frame, id);
    }

    /// Sends to one session what was encoded for several.
    fn send_frame(&self, to: Place, frame: SharedFrame, id: Option<RequestId>) {
        let gateway = to.gateway;
        self.bus.send(gateway, Delivery::Send { to, frame, id });
    }

    /// Answers a command that has an `id`.
    pub fn reply(&self, to: Caller, data: ReplyData, id: Option<RequestId>) {
        if id.is_some() {
            self.send(to.place, &ServerPacket::Reply(data), id);
        }
    }

    /// Answers a question.
    pub fn answer(&self, to: Requester, answer: Result<Answer, ErrorBody>) {
        let answered = Delivery::Answered {
            ticket: to.ticket,
            answer: answer.map_err(Box::new),
        };
        self.bus.send(to.gateway, answered);
    }

    /// Refuses a command.
    pub fn refuse(&self, to: Caller, error: ErrorBody, id: Option<RequestId>) {
        self.bus.send(
            to.place.gateway,
            Delivery::Refuse {
                to: to.place,
                error: Box::new(error),
                id,
                joining: None,
            },
        );
    }
}

/// The error where there are as many of a kind as the limit of this key allows, which is counted
/// as reached.
pub(crate) fn full(metrics: &Metrics, key: &'static str, max: usize) -> ErrorBody {
    metrics.reach(key);
    let message = format!("the server has as many as it may have ({key}); try again later");
    ErrorBody::new(ErrorCode::Unavailable, message).with("max", max as u64)
}

/// The error where there are nearly as many of a kind as may be, and clients of the address
/// have more than an even share of them.
pub(crate) fn beyond_share(metrics: &Metrics, what: &str, key: &'static str) -> ErrorBody {
    metrics.reach(key);
    let message = format!(
        "the server has nearly as many {what} as it may ({key}), and clients of your address \
         have more than an even share of them"
    );
    ErrorBody::new(ErrorCode::TooMany, message)
}

/// The error for an offer of services that have no room.
pub(crate) fn not_offered(why: NoRoom, metrics: &Metrics, max: usize) -> ErrorBody {
    match why {
        NoRoom::Full => full(metrics, offered::KEY, max),
        NoRoom::Share => beyond_share(metrics, "services of users", offered::KEY),
    }
}

/// The error for an operator where there is no room.
fn no_room_of_id() -> ErrorBody {
    ErrorBody::new(ErrorCode::NotFound, "there is no room of this id")
}

/// The error for a room that is not there.
fn no_room(command: &'static str) -> ErrorBody {
    ErrorBody::new(
        ErrorCode::NotFound,
        "the room does not exist; joingame creates one",
    )
    .of(command)
}
