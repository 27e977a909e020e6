//! The actor of one user.
//!
//! Owns the user's presence, attributes and stored invites. Gateways (sessions,
//! watchers) and rooms (invites, playing) call it through the directory. It exists
//! while its user has a session or something that waits; the watchers of other
//! users are the directory's (`watchers`). If it panics, the gateways announce the
//! user's sessions and watchers to its replacement; invites are lost.

mod admission;
mod attributes;
mod factory;
mod outside;
mod recovery;
mod saving;
mod sight;

use std::num::NonZeroU64;

use actix::{Actor, ActorContext, AsyncContext, Context, Handler, SpawnHandle};
use thin_vec::ThinVec;

use crate::actor::Shared;
use crate::actor::avatar::attributes::{Setter, Waiting, needs_attributes};
use crate::actor::beginning::Begun;
use crate::actor::directory::Unused;
use crate::actor::listing::{OwnerActor, Recovered, Stop};
use crate::actor::owner_call::{Due, QueuedCall, put_behind};
use crate::actor::places::Places;
use crate::clock;
use crate::webhook::settings::Kind;
use turntable_core::backup::Attributes;
use turntable_core::call::AvatarCall;
use turntable_core::delivery::{Answer, Delivery};
use turntable_core::frame::SharedFrame;
use turntable_core::id::{ChannelId, UserId};
use turntable_core::key::{Caller, SessionKey};
use turntable_core::model::avatar::{Avatar as Model, StoredInvite};
use turntable_core::model::mutual::Watching;
use turntable_core::owner::OwnerId;
use turntable_core::packet::{Beginning, ErrorBody, ReplyData, RequestId, ServerPacket};

/// The actor.
pub struct Avatar {
    shared: Shared,
    user: UserId,
    model: Model,
    places: Places,
    seen: u64,
    /// Whether gateways are still announcing what the actor before this one had.
    is_recovering: bool,
    timer: Option<(SpawnHandle, NonZeroU64)>,
    /// Calls that wait for the store; `None` while none has to.
    stored: Option<Box<Waiting>>,
    /// Calls that waited for it and are being carried out, the last first.
    released: ThinVec<AvatarCall>,
    /// Whether the store could not be read.
    is_unloaded: bool,
    /// What the store has of the user's last presence.
    saved_seen_ms: Option<NonZeroU64>,
    /// The profile that it has apart from the attributes.
    saved_apart: Option<Attributes>,
    /// Whom its sessions watch, where that matters to those watched.
    watching: Option<Box<Watching>>,
    /// Whether it hides from others whom it watches.
    is_secret: bool,
    /// Whether a login has confirmed the user.
    is_known: bool,
    /// Whether its factory has run.
    is_made: bool,
    /// Functions that the user may call beside those of its roles.
    added: ThinVec<Box<str>>,
    /// Whether the backend was notified that the user is there.
    is_reported: bool,
    /// Whether it comes from an earlier process, and sessions may still come.
    is_restored: bool,
}

impl OwnerActor for Avatar {
    type Id = UserId;
    type Call = AvatarCall;
    type Place = ();

    fn hold(_: Option<Begun>) {}

    fn make(shared: &Shared, user: UserId, is_replacement: bool) -> Self {
        let mut model = Model::new(shared.last_seen.borrow().get(&user));
        model.watchers = shared.watchers.borrow_mut().take(&user);
        model.put_invites(shared.absent_invites.borrow_mut().take(&user));
        Self {
            shared: shared.clone(),
            user,
            model,
            places: Places::default(),
            seen: 0,
            is_recovering: is_replacement,
            timer: None,
            stored: None,
            released: ThinVec::new(),
            is_unloaded: false,
            saved_seen_ms: None,
            saved_apart: None,
            watching: None,
            is_secret: false,
            is_known: false,
            is_made: false,
            added: ThinVec::new(),
            is_reported: is_replacement,
            is_restored: false,
        }
    }
}

impl Avatar {
    /// Ends a session, which gives way to another one.
    fn end(&mut self, session: SessionKey, is_replaced: bool) {
        self.model.remove(session, clock::now_ms());
        self.watches_nobody(session);
        if let Some(to) = self.places.remove(session) {
            let end = Delivery::End { to, is_replaced };
            self.shared.bus.send(to.gateway, end);
        }
    }

    fn remove(&mut self, session: SessionKey) {
        self.model.remove(session, clock::now_ms());
        self.watches_nobody(session);
        self.places.remove(session);
    }

    fn give_invites(&mut self, session: SessionKey) {
        let Some(place) = self.places.get(session) else {
            return;
        };
        for StoredInvite { channel, from, .. } in self.model.take_invites(clock::now_ms()) {
            self.shared
                .send(place, &ServerPacket::Invite { channel, from }, None);
        }
    }

    fn invite(&mut self, channel: ChannelId, from: UserId, until_ms: u64) {
        if self.model.connected().next().is_some() {
            let packet = ServerPacket::Invite { channel, from };
            let frame = self.shared.frame(&packet, None);
            return self.send_all(self.model.connected(), &frame);
        }
        let invite = StoredInvite {
            channel,
            from,
            until_ms,
        };
        let stored_max = self.shared.settings().presence.invites_stored_max;
        self.model.store_invite(invite, stored_max);
    }

    /// Sends one message to several sessions of the user.
    fn send_all(&self, sessions: impl IntoIterator<Item = SessionKey>, frame: &SharedFrame) {
        for place in sessions.into_iter().filter_map(|key| self.places.get(key)) {
            self.shared.send_frame(place, frame.clone(), None);
        }
    }

    fn presence(&self) -> Delivery {
        Delivery::Presence {
            user: self.user.clone(),
            presence: self.model.shown(),
        }
    }

    fn whole_profile(&self) -> Delivery {
        let profile = self.model.profile().iter();
        Delivery::Profile {
            user: self.user.clone(),
            changes: profile
                .map(|(name, value)| (name.clone(), Some(value.clone())))
                .collect(),
            is_whole: true,
        }
    }

    fn step(&mut self, call: AvatarCall, ctx: &mut Context<Self>) {
        let settings = self.shared.settings();
        match call {
            AvatarCall::Attach {
                caller,
                is_known,
                attributes,
                status,
                id,
                ..
            } => {
                self.is_known |= is_known;
                self.attach(caller, Beginning { attributes, status }, id);
            }
            AvatarCall::Detach { caller } => {
                let grace_ms = settings.presence.grace_ms;
                self.model.detach(caller.key, clock::now_ms(), grace_ms);
            }
            AvatarCall::Resume { caller } => {
                if self.places.rebind(caller) {
                    self.model.resume(caller.key);
                    self.give_invites(caller.key);
                }
            }
            AvatarCall::Remove { caller } => self.remove(caller.key),
            AvatarCall::Status {
                caller,
                status,
                note,
                id,
            } => {
                let set = self
                    .model
                    .set_status(caller.key, status, note, &settings.presence);
                // A refused one, too: its gateway has hidden the session at once.
                self.back_up(self.model.sessions());
                self.answer(caller, set, "status", id);
            }
            AvatarCall::Idle { caller, idle } => self.model.set_idle(caller.key, idle),
            AvatarCall::Watch { gateway } => {
                self.model.watchers.add(gateway);
                // The state completes the snapshot that the profile belongs to.
                if !self.model.profile().is_empty() {
                    self.shared.bus.send(gateway, self.whole_profile());
                }
                self.shared.bus.send(gateway, self.presence());
            }
            AvatarCall::Unwatch { gateway } => self.model.watchers.remove(gateway),
            AvatarCall::Lookup { gateway, ticket } => {
                let found = Delivery::Found {
                    ticket,
                    user: self.user.clone(),
                    entry: self.model.entry(),
                };
                self.shared.bus.send(gateway, found);
            }
            AvatarCall::Invite {
                channel,
                from,
                until_ms,
            } => self.invite(channel, from, until_ms),
            AvatarCall::InviteAnswered { channel } => self.model.drop_invite(&channel),
            AvatarCall::Playing { channel, playing } => self.set_playing(&channel, playing),
            AvatarCall::Set {
                caller,
                changes,
                id,
            } => self.set_and_answer(Setter::Session(caller, id), changes, ctx),
            AvatarCall::Tell(frame) => self.send_all(self.model.sessions(), &frame),
            AvatarCall::Announce {
                gateway,
                is_watching,
                sessions,
                ..
            } => self.announced(gateway, is_watching, sessions),
            AvatarCall::Watching {
                caller,
                users,
                is_watching,
            } => self.watch(caller, users, is_watching),
            AvatarCall::WatchedBy { user, is_watching } => self.watched_by(&user, is_watching),
            AvatarCall::Mutual { with } => {
                self.see(&with, true);
            }
            AvatarCall::Publish { requester, message } => self.publish(requester, message),
            AvatarCall::Attributes { requester } => {
                let attributes = self.model.attributes().to_vec();
                let answer = self.check_loaded();
                let answer = answer.map(|()| Answer::Attributes(attributes));
                self.shared.answer(requester, answer);
            }
            AvatarCall::Erase { requester } => self.erase(requester, ctx),
            AvatarCall::Change { requester, changes } => {
                self.set_and_answer(Setter::Outside(requester), changes, ctx);
            }
        }
    }

    /// Reports to the backend that the user came or went, no matter which users see it.
    fn report_to_backend(&mut self, now_ms: u64) {
        let is_here = self.model.is_here(now_ms);
        if std::mem::replace(&mut self.is_reported, is_here) != is_here {
            let kind = match is_here {
                true => Kind::UserOnline,
                false => Kind::UserOffline,
            };
            let user = self.user.as_str();
            let data = || serde_json::json!({ "user": user });
            self.shared.webhooks.emit(kind, user, user, data);
        }
    }

    fn set_playing(&mut self, room: &ChannelId, playing: bool) {
        self.shared
            .playing
            .borrow_mut()
            .set(room, &self.user, playing);
        if self.model.set_playing(room, playing) {
            self.back_up(self.model.sessions());
        }
    }

    fn answer(
        &self,
        caller: Caller,
        outcome: Result<(), ErrorBody>,
        command: &'static str,
        id: Option<RequestId>,
    ) {
        match outcome {
            Ok(()) => self.shared.reply(caller, ReplyData::Done, id),
            Err(error) => self.shared.refuse(caller, error.of(command), id),
        }
    }

    /// After every step: tells watchers what changed, sets the timer, and says
    /// so where nothing is left to do.
    fn settle(&mut self, ctx: &mut Context<Self>) {
        if self.is_recovering || self.is_loading() {
            return;
        }
        let now_ms = clock::now_ms();
        let shared = self.shared.clone();
        let was_hidden = self.model.is_hidden();
        if self
            .model
            .refresh(now_ms, &shared.settings().presence)
            .is_some()
        {
            for gateway in self.model.watchers.gateways() {
                shared.bus.send(*gateway, self.presence());
            }
        }
        if self.model.is_hidden() != was_hidden {
            // Its sessions are hidden on channels, too.
            self.back_up(self.model.sessions());
        }
        self.note_hidden();
        self.report_to_backend(now_ms);
        let changes = self.model.refresh_profile(&shared.settings().attributes);
        if !changes.is_empty() {
            for gateway in self.model.watchers.gateways() {
                let profile = Delivery::Profile {
                    user: self.user.clone(),
                    changes: changes.clone(),
                    is_whole: false,
                };
                shared.bus.send(*gateway, profile);
            }
        }
        self.save_apart();
        let seen_ms = self.model.last_seen_ms().and_then(NonZeroU64::new);
        if let (true, Some(at_ms)) = (seen_ms > self.saved_seen_ms, seen_ms) {
            self.saved_seen_ms = seen_ms;
            shared.store.seen(&self.user, at_ms.get());
        }
        if self.model.is_unused() && self.stored.is_none() {
            shared.unused(Unused {
                owner: OwnerId::Avatar(self.user.clone()),
                seen: self.seen,
                last_seen_ms: self.model.last_seen_ms(),
                watchers: self.model.watchers.clone(),
            });
        } else if let Some(deadline_ms) = self.model.next_deadline_ms(now_ms) {
            self.wake_at(deadline_ms, now_ms, ctx);
        }
    }

    fn wake_at(&mut self, deadline_ms: u64, now_ms: u64, ctx: &mut Context<Self>) {
        if let Some((handle, at_ms)) = self.timer {
            if at_ms.get() <= deadline_ms {
                return;
            }
            ctx.cancel_future(handle);
        }
        let wait = std::time::Duration::from_millis(deadline_ms.saturating_sub(now_ms) + 1);
        let handle = ctx.run_later(wait, |avatar, ctx| {
            avatar.timer = None;
            avatar.model.expire_invites(clock::now_ms());
            avatar.settle(ctx);
        });
        self.timer = NonZeroU64::new(deadline_ms).map(|at_ms| (handle, at_ms));
    }
}

impl Actor for Avatar {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.shared.store.avatar_began(&self.user);
        if !self.is_restored {
            self.load(ctx);
        }
    }
}

impl Drop for Avatar {
    fn drop(&mut self) {
        self.shared.store.avatar_ended(&self.user);
        if std::thread::panicking() {
            let unread: Vec<AvatarCall> = self.unread().collect();
            self.shared.lost(OwnerId::Avatar(self.user.clone()));
            put_behind(unread);
        }
    }
}

impl Handler<QueuedCall<AvatarCall>> for Avatar {
    type Result = ();

    fn handle(&mut self, queued: QueuedCall<AvatarCall>, ctx: &mut Self::Context) {
        let Some(call) = queued.open() else {
            return;
        };
        let _due = Due::new(&self.shared, call.pending());
        #[cfg(debug_assertions)]
        self.shared
            .fail_if_requested(&OwnerId::Avatar(self.user.clone()));
        self.seen += 1;
        if self.is_unloaded && needs_attributes(&call) {
            // The store may answer now; the call waits for it.
            self.is_unloaded = false;
            self.load(ctx);
        }
        if let Some(call) = self.hold(call) {
            self.proceed(call, ctx);
        }
        self.settle(ctx);
    }
}

impl Handler<Recovered> for Avatar {
    type Result = ();

    fn handle(&mut self, _: Recovered, ctx: &mut Self::Context) {
        match std::mem::take(&mut self.is_restored) {
            true => self.end_restore(),
            // Another one, which began meanwhile.
            false if !self.is_recovering => return,
            false => self.recovered(),
        }
        self.settle(ctx);
    }
}

impl Handler<Stop> for Avatar {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The runtime adds 104 bytes, and takes memory in pieces of 128.
    #[test]
    fn actor_is_small() {
        let bytes = size_of::<actix::dev::ContextFut<Avatar, Context<Avatar>>>();
        assert!(bytes <= 5 * 128 - 104, "{bytes}");
    }
}
