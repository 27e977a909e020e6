//! The actor of one game room.
//!
//! Owns the room's order, members, seats and tick. Gateways call it through
//! the directory. If it dies, its members are told `not_found` at their next
//! command and join again.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorContext, AsyncContext, Context, Handler, Message, SpawnHandle};

use crate::actor::avatar::AvatarCall;
use crate::actor::directory::{Stop, Unused};
use crate::actor::{Shared, no_room};
use crate::clock;
use crate::cluster::bus::{Delivery, Topic};
use turntable_core::id::{ChannelId, UserId};
use turntable_core::model::audience::Audience;
use turntable_core::model::room::{Effect, Room as Model};
use turntable_core::model::session_ref::SessionRef;
use turntable_core::packet::{Action, ErrorBody, JoinGame, ReplyData, RequestId, ServerPacket};

/// What a room is asked.
#[derive(Debug, Message)]
#[rtype(result = "()")]
#[allow(
    missing_docs,
    reason = "the fields are the session and the command's own"
)]
pub enum RoomCall {
    /// `joingame`.
    Join {
        session: SessionRef,
        user: UserId,
        join: JoinGame,
        id: Option<RequestId>,
    },
    /// `leavegame`.
    Leave {
        session: SessionRef,
        user: UserId,
        id: Option<RequestId>,
    },
    /// `game`.
    Act {
        session: SessionRef,
        user: UserId,
        actions: Vec<Action>,
        offset_ms: Option<f64>,
        id: Option<RequestId>,
    },
    /// `declineinvite`.
    Decline {
        session: SessionRef,
        user: UserId,
        id: Option<RequestId>,
    },
    /// A member's session lost its connection.
    Detach { session: SessionRef, user: UserId },
    /// A member's session has a connection again.
    Resume { session: SessionRef, user: UserId },
    /// A member's session ended.
    Remove { session: SessionRef, user: UserId },
}

impl RoomCall {
    /// The command behind a call, its session and the id its answer carries.
    pub(crate) fn into_command(self) -> Option<(&'static str, SessionRef, Option<RequestId>)> {
        match self {
            Self::Join { session, id, .. } => Some(("joingame", session, id)),
            Self::Leave { session, id, .. } => Some(("leavegame", session, id)),
            Self::Act { session, id, .. } => Some(("game", session, id)),
            Self::Decline { session, id, .. } => Some(("declineinvite", session, id)),
            Self::Detach { .. } | Self::Resume { .. } | Self::Remove { .. } => None,
        }
    }
}

/// The actor.
pub struct Room {
    shared: Shared,
    channel: ChannelId,
    /// `None` before the first join, which names the game, and after the end.
    model: Option<Model>,
    /// Who is on the room's topic.
    audience: Audience,
    seen: u64,
    timer: Option<(SpawnHandle, u64)>,
}

impl Room {
    /// The actor of a room that nobody has joined.
    #[must_use]
    pub fn new(shared: Shared, channel: ChannelId) -> Self {
        Self {
            shared,
            channel,
            model: None,
            audience: Audience::default(),
            seen: 0,
            timer: None,
        }
    }

    fn topic(&self) -> Topic {
        Topic::Room(self.channel.clone())
    }

    fn join(
        &mut self,
        session: SessionRef,
        user: &UserId,
        join: &JoinGame,
        id: Option<RequestId>,
        now_ms: u64,
    ) {
        let settings = &self.shared.settings;
        let model = self.model.get_or_insert_with(|| {
            let game = settings.games.find(join.game.as_deref()).clone();
            Model::new(self.channel.clone(), game, settings.room.clone(), now_ms)
        });
        match model.join(session, user, join, id.clone(), now_ms) {
            Ok(effects) => {
                let is_told = effects.contains(&Effect::Attach(session));
                self.apply(effects);
                if !is_told {
                    // It was on the topic; its gateway counts the answers.
                    let topic = self.topic();
                    self.shared
                        .outlets
                        .send(session.worker, Delivery::Enter { session, topic });
                }
                let answered = AvatarCall::InviteAnswered {
                    channel: self.channel.clone(),
                };
                self.shared.directories.avatar(user, answered);
            }
            Err(error) => self.refuse(session, error, id, true),
        }
    }

    fn decline(&mut self, session: SessionRef, user: &UserId, id: Option<RequestId>, now_ms: u64) {
        let Some(model) = &mut self.model else {
            return self.refuse(session, no_room("declineinvite"), id, false);
        };
        match model.decline(user, now_ms) {
            Ok(effects) => {
                self.apply(effects);
                self.shared.reply(session, ReplyData::Done, id);
                let answered = AvatarCall::InviteAnswered {
                    channel: self.channel.clone(),
                };
                self.shared.directories.avatar(user, answered);
            }
            Err(error) => self.refuse(session, error, id, false),
        }
    }

    fn refuse(&self, to: SessionRef, error: ErrorBody, id: Option<RequestId>, joining: bool) {
        self.shared.outlets.send(
            to.worker,
            Delivery::Refuse {
                to,
                error: Box::new(error),
                id,
                room: joining.then(|| self.channel.clone()),
            },
        );
    }

    fn broadcast(&self, packet: ServerPacket) {
        let packet = Arc::new(packet);
        for worker in self.audience.workers() {
            let (topic, packet) = (self.topic(), packet.clone());
            self.shared
                .outlets
                .send(worker, Delivery::Publish { topic, packet });
        }
    }

    fn apply(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Attach(session) => {
                    self.audience.add(session.worker);
                    let topic = self.topic();
                    self.shared
                        .outlets
                        .send(session.worker, Delivery::Enter { session, topic });
                }
                Effect::Detach(session) => {
                    self.audience.remove(session.worker);
                    let topic = self.topic();
                    self.shared
                        .outlets
                        .send(session.worker, Delivery::Exit { session, topic });
                }
                Effect::Broadcast(packet) => self.broadcast(packet),
                Effect::Send {
                    session,
                    id,
                    packet,
                } => self.shared.send(session, packet, id),
                Effect::SendUser { user, packet } => self
                    .shared
                    .directories
                    .avatar(&user, AvatarCall::Tell(packet)),
                Effect::Invite { user, from } => {
                    let until_ms = clock::now_ms() + self.shared.settings.room.invite_ttl_ms;
                    let invite = AvatarCall::Invite {
                        channel: self.channel.clone(),
                        from,
                        until_ms,
                    };
                    self.shared.directories.avatar(&user, invite);
                }
                Effect::EnteredGame(user) => self.playing(&user, true),
                Effect::LeftGame(user) => self.playing(&user, false),
                Effect::Ended(_) => self.model = None,
            }
        }
    }

    fn playing(&self, user: &UserId, playing: bool) {
        let call = AvatarCall::Playing {
            channel: self.channel.clone(),
            playing,
        };
        self.shared.directories.avatar(user, call);
    }

    /// After every step: sets the timer, and says so where the room ended.
    fn settle(&mut self, ctx: &mut Context<Self>) {
        let Some(model) = &self.model else {
            if let Some(directory) = self.shared.directories.of(self.channel.as_str()) {
                directory.do_send(Unused::Room {
                    channel: self.channel.clone(),
                    seen: self.seen,
                });
            }
            return;
        };
        let Some(deadline_ms) = model.next_deadline() else {
            return;
        };
        if let Some((handle, at_ms)) = self.timer {
            if at_ms <= deadline_ms {
                return;
            }
            ctx.cancel_future(handle);
        }
        let wait = Duration::from_millis(deadline_ms.saturating_sub(clock::now_ms()));
        let handle = ctx.run_later(wait, |room, ctx| {
            room.timer = None;
            if let Some(model) = &mut room.model {
                let effects = model.advance(clock::now_ms());
                room.apply(effects);
            }
            room.settle(ctx);
        });
        self.timer = Some((handle, deadline_ms));
    }
}

impl Actor for Room {
    type Context = Context<Self>;
}

impl Handler<RoomCall> for Room {
    type Result = ();

    fn handle(&mut self, call: RoomCall, ctx: &mut Self::Context) {
        self.seen += 1;
        let now_ms = clock::now_ms();
        let call = match call {
            RoomCall::Join {
                session,
                user,
                join,
                id,
            } => {
                self.join(session, &user, &join, id, now_ms);
                return self.settle(ctx);
            }
            RoomCall::Decline { session, user, id } => {
                self.decline(session, &user, id, now_ms);
                return self.settle(ctx);
            }
            other => other,
        };
        let Some(model) = &mut self.model else {
            if let Some((command, session, id)) = call.into_command() {
                self.refuse(session, no_room(command), id, false);
            }
            return self.settle(ctx);
        };
        let (outcome, answer) = match call {
            RoomCall::Leave { session, user, id } => (
                model.leave(session, &user, id.clone(), now_ms),
                Some((session, id)),
            ),
            RoomCall::Act {
                session,
                user,
                actions,
                offset_ms,
                id,
            } => (
                model.act(session, &user, actions, offset_ms, now_ms),
                Some((session, id)),
            ),
            RoomCall::Detach { session, user } => {
                (Ok(model.session_detached(session, &user, now_ms)), None)
            }
            RoomCall::Resume { session, user } => {
                (Ok(model.session_attached(session, &user)), None)
            }
            RoomCall::Remove { session, user } => {
                (Ok(model.session_ended(session, &user, now_ms)), None)
            }
            RoomCall::Join { .. } | RoomCall::Decline { .. } => return,
        };
        match (outcome, answer) {
            (Ok(effects), _) => self.apply(effects),
            (Err(error), Some((session, id))) => self.refuse(session, error, id, false),
            (Err(_), None) => {}
        }
        self.settle(ctx);
    }
}

impl Handler<Stop> for Room {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Self::Context) {
        ctx.stop();
    }
}
