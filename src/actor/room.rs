//! The actor of one game room.
//!
//! Owns the room's order, members, seats and tick. Gateways call it through
//! the directory. If it panics, the gateways announce the members' sessions to its
//! replacement, which sends them the room as it is then.

mod operator;
mod recent;
mod recovery;
mod saving;
mod state;
mod tick;
mod topic;
mod webhook;

use std::time::Duration;

use actix::{Actor, ActorContext, AsyncContext, Context, Handler, SpawnHandle};

use crate::actor::beginning::Begun;
use crate::actor::directory::Unused;
use crate::actor::listing::{OwnerActor, Recovered, Stop};
use crate::actor::owner_call::{Due, QueuedCall};
use crate::actor::places::Places;
use crate::actor::state_bytes::StateBytes;
use crate::actor::totals::{Counted, Created};
use crate::actor::{Shared, no_room};
use crate::clock;
use recent::Recent;
use turntable_core::address::Address;
use turntable_core::call::{AvatarCall, RoomCall};
use turntable_core::delivery::{Delivery, Topic};
use turntable_core::id::{ChannelId, UserId};
use turntable_core::key::{Caller, Place};
use turntable_core::model::interest::Interest;
use turntable_core::model::pattern::Pattern;
use turntable_core::model::permission;
use turntable_core::model::room::{Effect, Room as Model};
use turntable_core::owner::OwnerId;
use turntable_core::packet::{ErrorBody, JoinGame, ReplyData, RequestId};
use turntable_core::rate::tokens;

/// Bytes of an answer that a `joingame` has for its token of `limits.room`.
const JOIN_BYTES: usize = 1_024;

/// The actor.
pub struct Room {
    shared: Shared,
    channel: ChannelId,
    /// `None` before the first join, which names the game, and after the end.
    model: Option<Model>,
    /// The sessions on the room's topic.
    places: Places,
    /// Their gateways.
    interest: Interest,
    /// Its place among the rooms of its creator.
    created: Option<Created>,
    /// What is counted of its state.
    state_bytes: StateBytes,
    seen: u64,
    /// Whether gateways are still announcing what the actor before this one had.
    is_recovering: bool,
    /// Whether there was an actor before this one, which was lost.
    is_replacement: bool,
    /// Whether it comes from an earlier process, and sessions may still come.
    is_restored: bool,
    /// When it got its first member, Unix ms, if the backend was notified.
    reported_ms: Option<u64>,
    timer: Option<(SpawnHandle, u64)>,
    /// Unix ms when it began.
    since_ms: u64,
    /// Its last actions.
    recent: Recent,
}

impl OwnerActor for Room {
    type Id = ChannelId;
    type Call = RoomCall;
    type Place = Option<Box<Begun>>;

    fn hold(begun: Option<Begun>) -> Self::Place {
        begun.map(Box::new)
    }

    fn make(shared: &Shared, channel: ChannelId, is_replacement: bool) -> Self {
        Self {
            shared: shared.clone(),
            channel,
            model: None,
            places: Places::default(),
            interest: Interest::default(),
            created: None,
            state_bytes: StateBytes::new(&shared.totals.states),
            seen: 0,
            is_recovering: is_replacement,
            is_replacement,
            is_restored: false,
            reported_ms: None,
            timer: None,
            since_ms: clock::now_ms(),
            recent: Recent::new(shared.recent_bytes.clone()),
        }
    }
}

impl Room {
    fn topic(&self) -> Topic {
        Topic::Room(self.channel.clone())
    }

    /// Counts a room that begins with a join of `user`, and the invites that it
    /// sends.
    fn count(
        &mut self,
        (user, address): (&UserId, Option<Address>),
        invites: usize,
        now_ms: u64,
    ) -> Result<Counted, ErrorBody> {
        let settings = self.shared.settings();
        let totals = &self.shared.totals;
        let counted = totals.count_invites((user, address), invites, &settings.room, now_ms)?;
        if self.model.is_none() && self.created.is_none() {
            match totals.create_room(user, &settings.room) {
                Ok(created) => self.created = Some(created),
                Err(error) => {
                    totals.take_back(user, &counted);
                    return Err(error);
                }
            }
        }
        Ok(counted)
    }

    /// Whether a session that may play these games may join the room.
    fn check_game(&self, join: &JoinGame, games: Option<&[Pattern]>) -> Result<(), ErrorBody> {
        let Some(games) = games else {
            return Ok(());
        };
        let settings = self.shared.settings();
        let name = match &self.model {
            Some(model) => model.game().name(),
            None => settings.games.find(join.game.as_deref()).name(),
        };
        permission::check_game(games, name).map_err(|error| error.of("joingame"))
    }

    fn join(
        &mut self,
        caller: Caller,
        user: &UserId,
        mut join: JoinGame,
        (is_connected, address): (bool, Option<Address>),
        id: Option<RequestId>,
        now_ms: u64,
    ) {
        let settings = self.shared.settings();
        let mut counted = match self.count((user, address), join.invite.len(), now_ms) {
            Ok(counted) => counted,
            Err(error) => return self.refuse(caller, error.of("joingame"), id, true),
        };
        if self.model.is_none() {
            self.since_ms = now_ms;
        }
        let model = self.model.get_or_insert_with(|| {
            let game = settings.games.find(join.game.as_deref()).clone();
            Model::new(self.channel.clone(), game, settings.room.clone(), now_ms)
        });
        let totals = &self.shared.totals;
        let mut invitees = model.invitees(user, &join.invite);
        let rate = settings.room.invites_to_user;
        let taken = totals.invited.take(&invitees, address, rate, now_ms);
        let too_often = taken.err();
        if let Some(too_often) = &too_often {
            let is_sent = |invited: &UserId| !too_often.users.contains(invited);
            invitees.retain(is_sent);
            let named = join.invite.len();
            join.invite.retain(is_sent);
            totals.take_back(user, &counted.split(named - join.invite.len()));
        }
        let joined = model.join(caller.key, user, &join, is_connected, id.clone(), now_ms);
        if joined.is_err() {
            totals.invited.give_back(&invitees, address);
            totals.take_back(user, &counted);
        }
        match joined {
            Ok(effects) => {
                let bytes = model.joined_bytes();
                self.charge(caller.place, bytes);
                let is_new = !self.rebind(caller);
                self.apply(effects, Some(caller));
                if is_new {
                    self.back_up(caller.place, user);
                } else {
                    // It was on the topic; its gateway counts the answers.
                    self.enter(caller.place);
                }
                self.answered(user);
                self.report_created(user, now_ms);
                if let Some(too_often) = too_often {
                    // The answer to the join was sent.
                    self.shared.refuse(caller, too_often.error(), None);
                }
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
                joining: joining.then(|| self.topic()),
            },
        );
    }

    /// A session pays for a long answer to its join, which may have the state of the
    /// game; a short one is paid by the command.
    fn charge(&self, to: Place, bytes: usize) {
        if bytes > JOIN_BYTES {
            let bytes = tokens(bytes);
            self.shared
                .bus
                .send(to.gateway, Delivery::Charge { to, bytes });
        }
    }

    fn apply(&mut self, effects: Vec<Effect>, caller: Option<Caller>) {
        for effect in effects {
            match effect {
                Effect::Attach(session) => {
                    if let Some(place) = self.place(session, caller) {
                        self.bind(Caller {
                            key: session,
                            place,
                        });
                        self.enter(place);
                    }
                }
                Effect::Detach(session) => self.exit(session),
                Effect::Broadcast(packet) => self.broadcast(&packet),
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
                    let until_ms = clock::now_ms() + self.shared.settings().room.invite_ttl_ms;
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
                Effect::Report(report) => self.report_results(&report),
                Effect::Ended(_) => {
                    self.report_ended(clock::now_ms());
                    self.model = None;
                    self.recent = Recent::new(self.shared.recent_bytes.clone());
                    drop(self.created.take());
                }
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
        if let RoomCall::Resume { caller, .. } = &call {
            self.rebind(*caller);
        }
        if let RoomCall::Leave { caller, user, id } = &call
            && self.is_replacement
            && !self.is_member(user)
        {
            // It left the room before this one.
            return self.shared.reply(*caller, ReplyData::Done, id.clone());
        }
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
                clock,
                address,
                id,
            } => {
                let from = (caller, address);
                let acted = self.act(from, &user, actions, &clock, now_ms);
                (caller, Some(id), acted)
            }
            RoomCall::Detach { caller, user } => {
                let effects = model.session_detached(caller.key, &user, now_ms);
                (caller, None, Ok(effects))
            }
            RoomCall::Resume { caller, user } => {
                let effects = model.session_attached(caller.key, &user, now_ms);
                (caller, None, Ok(effects))
            }
            RoomCall::Remove {
                caller,
                user,
                is_bye,
            } => {
                let effects = model.session_ended(caller.key, &user, is_bye, now_ms);
                (caller, None, Ok(effects))
            }
            // Handled without a member's session.
            RoomCall::Join { .. }
            | RoomCall::Decline { .. }
            | RoomCall::Confirm { .. }
            | RoomCall::Announce { .. }
            | RoomCall::Inspect { .. }
            | RoomCall::Recent { .. }
            | RoomCall::Kick { .. }
            | RoomCall::End { .. } => return,
        };
        match (outcome, answers) {
            (Ok(effects), _) => self.apply(effects, Some(caller)),
            (Err(error), Some(id)) => self.refuse(caller, error, id, false),
            (Err(_), None) => {}
        }
    }

    /// After every step: sets the timer, and says so where the room ended.
    fn settle(&mut self, ctx: &mut Context<Self>) {
        self.settle_state();
        if self.is_recovering {
            return;
        }
        let Some(model) = &self.model else {
            self.shared.unused(Unused {
                owner: OwnerId::Room(self.channel.clone()),
                seen: self.seen,
                last_seen_ms: None,
                watchers: Interest::default(),
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
            room.advance();
            room.settle(ctx);
        });
        self.timer = Some((handle, deadline_ms));
    }
}

impl Actor for Room {
    type Context = Context<Self>;
}

impl Drop for Room {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.shared.lost(OwnerId::Room(self.channel.clone()));
        }
    }
}

impl Handler<QueuedCall<RoomCall>> for Room {
    type Result = ();

    fn handle(&mut self, queued: QueuedCall<RoomCall>, ctx: &mut Self::Context) {
        let Some(call) = queued.open() else {
            return;
        };
        let _due = Due::new(&self.shared, call.pending(&self.channel));
        #[cfg(debug_assertions)]
        self.shared
            .fail_if_requested(&OwnerId::Room(self.channel.clone()));
        self.seen += 1;
        let now_ms = clock::now_ms();
        match call {
            RoomCall::Join {
                caller,
                user,
                join,
                id,
                is_connected,
                address,
                games,
            } => match self.check_game(&join, games.as_deref()) {
                Ok(()) => self.join(caller, &user, join, (is_connected, address), id, now_ms),
                Err(error) => self.refuse(caller, error, id, true),
            },
            RoomCall::Decline { caller, user, id } => self.decline(caller, &user, id, now_ms),
            RoomCall::Confirm { user } => self.playing(&user, self.is_member(&user)),
            RoomCall::Announce { members, .. } => self.announced(members, now_ms),
            call if call.requester().is_some() => self.operate(call, now_ms),
            call => self.step(call, now_ms),
        }
        self.settle(ctx);
    }
}

impl Handler<Recovered> for Room {
    type Result = ();

    fn handle(&mut self, _: Recovered, ctx: &mut Self::Context) {
        match std::mem::take(&mut self.is_restored) {
            true => self.end_restore(clock::now_ms()),
            // Another one, which began meanwhile.
            false if !self.is_recovering => return,
            false => self.recovered(clock::now_ms()),
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
