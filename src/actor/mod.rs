//! The actors: one per user, channel path and game room, and one directory per
//! worker that finds them.
//!
//! Each is a shell around a pure model: a handler translates a call, steps the
//! model and applies its effects. Calls come in through the directories;
//! answers and events go out through [`Outlets`], one message per worker.

pub mod avatar;
pub mod channel;
pub mod directory;
pub mod prefixes;
pub mod room;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use ulid::Generator;

use crate::cluster::bus::{Delivery, Outlets};
use crate::metric::Metrics;
use turntable_core::id::MessageId;
use turntable_core::model::game::Games;
use turntable_core::model::room::RoomSettings;
use turntable_core::model::session_ref::SessionRef;
use turntable_core::model::settings::{ChannelSettings, PresenceSettings};
use turntable_core::packet::{ErrorBody, ReplyData, RequestId, ServerPacket};
use turntable_core::reason::ErrorCode;

use directory::Directories;
use prefixes::Prefixes;

/// What actors need to know of the configuration.
#[derive(Debug, Clone)]
pub struct ActorSettings {
    /// The section `[presence]`.
    pub presence: PresenceSettings,
    /// The section `[room]`.
    pub room: Arc<RoomSettings>,
    /// The section `[channel]`.
    pub channel: ChannelSettings,
    /// The sections `[games.NAME]`.
    pub games: Games,
    /// Sessions of one user at one time.
    pub sessions_per_user_max: usize,
}

/// The collaborators of every actor of one worker.
#[derive(Debug)]
pub struct Surroundings {
    /// The worker.
    pub worker: u16,
    /// The way to the gateways.
    pub outlets: Arc<Outlets>,
    /// The way to other actors.
    pub directories: Arc<Directories>,
    /// The configuration.
    pub settings: Arc<ActorSettings>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Who wants everything below a path.
    pub prefixes: RefCell<Prefixes>,
    message_ids: RefCell<Generator>,
}

/// Shared by the actors of one worker.
pub type Shared = Rc<Surroundings>;

impl Surroundings {
    /// The collaborators on `worker`.
    #[must_use]
    pub fn new(
        worker: u16,
        outlets: Arc<Outlets>,
        directories: Arc<Directories>,
        settings: Arc<ActorSettings>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            worker,
            outlets,
            directories,
            settings,
            metrics,
            prefixes: RefCell::default(),
            message_ids: RefCell::new(Generator::new()),
        }
    }

    /// The next message id: unique, and behind all that this worker gave out.
    pub fn message_id(&self) -> MessageId {
        self.message_ids
            .borrow_mut()
            .generate()
            .unwrap_or_else(|overflow| overflow.commit_overflow_increment())
    }

    /// Sends to one session.
    pub fn send(&self, to: SessionRef, packet: ServerPacket, id: Option<RequestId>) {
        self.outlets
            .send(to.worker, Delivery::Send { to, packet, id });
    }

    /// Answers a command that asked for an answer.
    pub fn reply(&self, to: SessionRef, data: ReplyData, id: Option<RequestId>) {
        if id.is_some() {
            self.send(to, ServerPacket::Reply(data), id);
        }
    }

    /// Refuses a command.
    pub fn refuse(&self, to: SessionRef, error: ErrorBody, id: Option<RequestId>) {
        self.outlets.send(
            to.worker,
            Delivery::Refuse {
                to,
                error: Box::new(error),
                id,
                room: None,
            },
        );
    }
}

/// The error for a room that is not there.
fn no_room(command: &'static str) -> ErrorBody {
    ErrorBody::new(
        ErrorCode::NotFound,
        "there is no such room; joingame makes one",
    )
    .of(command)
}
