//! The actor of one game room.
//!
//! Owns the room's order, members, seats and tick. Gateways call it through
//! the directory. If it dies, its members are told `not_found` at their next
//! command and join again.

use std::time::Duration;

use actix::{Actor, ActorContext, AsyncContext, Context, Handler, SpawnHandle};

use crate::actor::directory::{Stop, Unused};
use crate::actor::places::Places;
use crate::actor::prefixes::Gateways;
use crate::actor::{Shared, no_room};
use crate::clock;
use crate::cluster::mail::Mail;
use turntable_core::call::{AvatarCall, RoomCall};
use turntable_core::delivery::{Delivery, Topic};
use turntable_core::id::{ChannelId, UserId};
use turntable_core::key::{Caller, Place, SessionKey};
use turntable_core::model::audience::Audience;
use turntable_core::model::room::{Effect, Room as Model};
use turntable_core::packet::{ErrorBody, JoinGame, ReplyData, RequestId};

/// The actor.
pub struct Room {
    shared: Shared,
    channel: ChannelId,
    /// `None` before the first join, which names the game, and after the end.
    model: Option<Model>,
    /// The sessions on the room's topic.
    places: Places,
    /// Their gateways.
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
            places: Places::default(),
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
        caller: Caller,
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
        match model.join(caller.key, user, join, id.clone(), now_ms) {
            Ok(effects) => {
                let is_new = !self.places.rebind(caller);
                self.apply(effects, Some(caller));
                if !is_new {
                    // It was on the topic; its gateway counts the answers.
                    self.enter(caller.place);
                }
                self.answered(user);
            }
            Err(error) => self.refuse(caller, error, id, true),
        }
    }

    fn decline(&mut self, caller: Caller, user: &UserId, id: Option<RequestId>, now_ms: u64) {
        let Some(model) = &mut self.model else {
            return self.refuse(caller, no_room("declineinvite"), id, false);
        };
        match model.decline(user, now_ms) {
            Ok(effects) => {
                self.apply(effects, Some(caller));
                self.shared.reply(caller, ReplyData::Done, id);
                self.answered(user);
            }
            Err(error) => self.refuse(caller, error, id, false),
        }
    }

    fn refuse(&self, caller: Caller, error: ErrorBody, id: Option<RequestId>, joining: bool) {
        let to = caller.place;
        self.shared.bus.send(
            to.gateway,
            Delivery::Refuse {
                to,
                error: Box::new(error),
                id,
                room: joining.then(|| self.channel.clone()),
            },
        );
    }

    fn enter(&self, to: Place) {
        let topic = self.topic();
        self.shared
            .bus
            .send(to.gateway, Delivery::Enter { to, topic });
    }

    fn exit(&mut self, session: SessionKey) {
        let Some(to) = self.places.remove(session) else {
            return;
        };
        self.audience.remove(to.gateway);
        let topic = self.topic();
        self.shared
            .bus
            .send(to.gateway, Delivery::Exit { to, topic });
    }

    /// Where a session is: the one that called, or one that the room has.
    fn place(&self, session: SessionKey, caller: Option<Caller>) -> Option<Place> {
        match caller {
            Some(caller) if caller.key == session => Some(caller.place),
            _ => self.places.get(session),
        }
    }

    fn apply(&mut self, effects: Vec<Effect>, caller: Option<Caller>) {
        for effect in effects {
            match effect {
                Effect::Attach(session) => {
                    if let Some(place) = self.place(session, caller) {
                        self.places.bind(Caller {
                            key: session,
                            place,
                        });
                        self.audience.add(place.gateway);
                        self.enter(place);
                    }
                }
                Effect::Detach(session) => self.exit(session),
                Effect::Broadcast(packet) => {
                    let gateways: Gateways = self.audience.gateways().collect();
                    self.shared.publish(&gateways, &self.topic(), &packet);
                }
                Effect::Send {
                    session,
                    id,
                    packet,
                } => {
                    if let Some(place) = self.place(session, caller) {
                        self.shared.send(place, &packet, id);
                    }
                }
                Effect::SendUser { user, packet } => {
                    let frame = self.shared.frame(&packet, None);
                    self.call(&user, AvatarCall::Tell(frame));
                }
                Effect::Invite { user, from } => {
                    let until_ms = clock::now_ms() + self.shared.settings.room.invite_ttl_ms;
                    let channel = self.channel.clone();
                    let invite = AvatarCall::Invite {
                        channel,
                        from,
                        until_ms,
                    };
                    self.call(&user, invite);
                }
                Effect::EnteredGame(user) => self.playing(&user, true),
                Effect::LeftGame(user) => self.playing(&user, false),
                Effect::Ended(_) => self.model = None,
            }
        }
    }

    /// The user's invite to this room needs no answer any more.
    fn answered(&self, user: &UserId) {
        let channel = self.channel.clone();
        self.call(user, AvatarCall::InviteAnswered { channel });
    }

    fn call(&self, user: &UserId, call: AvatarCall) {
        self.shared.owners.avatar(user, call);
    }

    fn playing(&self, user: &UserId, playing: bool) {
        let channel = self.channel.clone();
        self.call(user, AvatarCall::Playing { channel, playing });
    }

    /// Passes a call of a session of a member on to the model.
    fn step(&mut self, call: RoomCall, now_ms: u64) {
        let Some(model) = &mut self.model else {
            if let Some((command, caller, id)) = call.into_command() {
                self.refuse(caller, no_room(command), id, false);
            }
            return;
        };
        let (caller, answers, outcome) = match call {
            RoomCall::Leave { caller, user, id } => {
                let left = model.leave(caller.key, &user, id.clone(), now_ms);
                (caller, Some(id), left)
            }
            RoomCall::Act {
                caller,
                user,
                actions,
                offset_ms,
                id,
            } => {
                let acted = model.act(caller.key, &user, actions, offset_ms, now_ms);
                (caller, Some(id), acted)
            }
            RoomCall::Detach { caller, user } => {
                let effects = model.session_detached(caller.key, &user, now_ms);
                (caller, None, Ok(effects))
            }
            RoomCall::Resume { caller, user } => {
                self.places.rebind(caller);
                let effects = model.session_attached(caller.key, &user);
                (caller, None, Ok(effects))
            }
            RoomCall::Remove { caller, user } => {
                let effects = model.session_ended(caller.key, &user, now_ms);
                (caller, None, Ok(effects))
            }
            RoomCall::Join { .. } | RoomCall::Decline { .. } => return,
        };
        match (outcome, answers) {
            (Ok(effects), _) => self.apply(effects, Some(caller)),
            (Err(error), Some(id)) => self.refuse(caller, error, id, false),
            (Err(_), None) => {}
        }
    }

    /// After every step: sets the timer, and says so where the room ended.
    fn settle(&mut self, ctx: &mut Context<Self>) {
        let Some(model) = &self.model else {
            self.shared.unused(Unused::Room {
                channel: self.channel.clone(),
                seen: self.seen,
            });
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
                room.apply(effects, None);
            }
            room.settle(ctx);
        });
        self.timer = Some((handle, deadline_ms));
    }
}

impl Actor for Room {
    type Context = Context<Self>;
}

impl Handler<Mail<RoomCall>> for Room {
    type Result = ();

    fn handle(&mut self, Mail(call): Mail<RoomCall>, ctx: &mut Self::Context) {
        self.seen += 1;
        let now_ms = clock::now_ms();
        match call {
            RoomCall::Join {
                caller,
                user,
                join,
                id,
            } => self.join(caller, &user, &join, id, now_ms),
            RoomCall::Decline { caller, user, id } => self.decline(caller, &user, id, now_ms),
            call => self.step(call, now_ms),
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
