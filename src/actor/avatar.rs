//! The actor of one user.
//!
//! Owns the user's presence, attributes and kept invites. Gateways (sessions,
//! watchers) and rooms (invites, playing) call it through the directory. If it
//! dies, its user's sessions live on; the next call makes a new one, which
//! knows them when they next connect.

use std::num::NonZeroU64;

use actix::{Actor, ActorContext, AsyncContext, Context, Handler, Message, SpawnHandle};

use crate::actor::Shared;
use crate::actor::directory::{Stop, Unused};
use crate::clock;
use crate::cluster::bus::Delivery;
use turntable_core::id::{ChannelId, UserId};
use turntable_core::model::avatar::{AttributeChanges, Avatar as Model, KeptInvite};
use turntable_core::model::session_ref::SessionRef;
use turntable_core::packet::{ErrorBody, ReplyData, RequestId, ServerPacket, Status};
use turntable_core::payload::Payload;

/// What an avatar is asked.
#[derive(Debug, Message)]
#[rtype(result = "()")]
#[allow(
    missing_docs,
    reason = "the fields are the session and the command's own"
)]
pub enum AvatarCall {
    /// A session identified as the user. Answered by `Attached`.
    Attach {
        session: SessionRef,
        attributes: Vec<(Box<str>, Payload)>,
        id: Option<RequestId>,
    },
    /// A session lost its connection.
    Detach { session: SessionRef },
    /// A session has a connection again.
    Resume { session: SessionRef },
    /// A session ended.
    Remove { session: SessionRef },
    /// `status`.
    Status {
        session: SessionRef,
        status: Status,
        note: Option<Payload>,
        id: Option<RequestId>,
    },
    /// A session sent nothing for `presence.idle_after_ms`, or something again.
    Idle { session: SessionRef, idle: bool },
    /// A worker has somebody who watches. Answered by `Presence`.
    Watch { worker: u16 },
    /// A worker has nobody left who watches.
    Unwatch { worker: u16 },
    /// `lookup`. Answered by `Found`.
    Lookup { worker: u16, ticket: u64 },
    /// An invite, kept until `until_ms` where no session is connected.
    Invite {
        channel: ChannelId,
        from: UserId,
        until_ms: u64,
    },
    /// The invite to a room was answered.
    InviteAnswered { channel: ChannelId },
    /// The user entered a room, or left it.
    Playing { channel: ChannelId, playing: bool },
    /// `set`.
    Set {
        session: SessionRef,
        changes: AttributeChanges,
        id: Option<RequestId>,
    },
    /// A message for every session; one that dropped gets it when it is resumed.
    Tell(ServerPacket),
}

/// The actor.
pub struct Avatar {
    shared: Shared,
    user: UserId,
    model: Model,
    seen: u64,
    timer: Option<(SpawnHandle, NonZeroU64)>,
}

impl Avatar {
    /// The avatar of `user`, who was last there at `last_seen_ms`.
    #[must_use]
    pub fn new(shared: Shared, user: UserId, last_seen_ms: Option<u64>) -> Self {
        Self {
            shared,
            user,
            model: Model::new(last_seen_ms),
            seen: 0,
            timer: None,
        }
    }

    fn attach(
        &mut self,
        session: SessionRef,
        attributes: Vec<(Box<str>, Payload)>,
        id: Option<RequestId>,
    ) {
        match self.admit(session, attributes) {
            Ok(()) => {
                self.shared.outlets.send(
                    session.worker,
                    Delivery::Attached {
                        session,
                        attributes: self.model.attributes().to_vec(),
                        id,
                    },
                );
                self.give_invites(session);
            }
            Err(error) => self.shared.outlets.send(
                session.worker,
                Delivery::NotAttached {
                    session,
                    error: Box::new(error.of("idme")),
                    id,
                },
            ),
        }
    }

    fn admit(
        &mut self,
        session: SessionRef,
        attributes: Vec<(Box<str>, Payload)>,
    ) -> Result<(), ErrorBody> {
        let max = self.shared.settings.sessions_per_user_max;
        if self.model.attach(session, max).is_err() {
            // A dropped session that nobody came back for gives its place up.
            let dropped = self.model.oldest_dropped();
            if let Some(dropped) = dropped {
                self.model.remove(dropped, clock::now_ms());
                let end = Delivery::End { session: dropped };
                self.shared.outlets.send(dropped.worker, end);
            }
            self.model.attach(session, max)?;
        }
        if attributes.is_empty() {
            return Ok(());
        }
        let changes = attributes
            .into_iter()
            .map(|(name, value)| (name, Some(value)))
            .collect();
        let set = self.set(session, changes);
        if set.is_err() {
            self.model.remove(session, clock::now_ms());
        }
        set
    }

    /// Sets attributes and tells the user's other sessions.
    fn set(&mut self, session: SessionRef, changes: AttributeChanges) -> Result<(), ErrorBody> {
        let max = self.shared.settings.presence.attributes_bytes_max;
        let changed = self.model.set_attributes(changes, max)?;
        if !changed.is_empty() {
            for other in self.model.sessions().filter(|other| *other != session) {
                let packet = ServerPacket::Attributes(changed.clone());
                self.shared.send(other, packet, None);
            }
        }
        Ok(())
    }

    fn give_invites(&mut self, session: SessionRef) {
        for KeptInvite { channel, from, .. } in self.model.take_invites(clock::now_ms()) {
            self.shared
                .send(session, ServerPacket::Invite { channel, from }, None);
        }
    }

    fn invite(&mut self, channel: ChannelId, from: UserId, until_ms: u64) {
        let packet = ServerPacket::Invite {
            channel: channel.clone(),
            from: from.clone(),
        };
        if !self.tell_connected(&packet) {
            let invite = KeptInvite {
                channel,
                from,
                until_ms,
            };
            let kept_max = self.shared.settings.presence.invites_kept_max;
            self.model.keep_invite(invite, kept_max);
        }
    }

    /// Whether anybody was there to be told.
    fn tell_connected(&self, packet: &ServerPacket) -> bool {
        let mut told = false;
        for session in self.model.connected() {
            self.shared.send(session, packet.clone(), None);
            told = true;
        }
        told
    }

    fn presence(&self) -> Delivery {
        Delivery::Presence {
            user: self.user.clone(),
            presence: self.model.shown(),
        }
    }

    /// After every step: tells watchers what changed, sets the timer, and says
    /// so where nothing is left to do.
    fn settle(&mut self, ctx: &mut Context<Self>) {
        let now_ms = clock::now_ms();
        let shared = self.shared.clone();
        if self
            .model
            .refresh(now_ms, &shared.settings.presence)
            .is_some()
        {
            for worker in self.model.watchers.workers() {
                shared.outlets.send(worker, self.presence());
            }
        }
        if self.model.is_unused() {
            if let Some(directory) = shared.directories.of(self.user.as_str()) {
                directory.do_send(Unused::Avatar {
                    user: self.user.clone(),
                    seen: self.seen,
                    last_seen_ms: self.model.last_seen_ms(),
                });
            }
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
}

impl Handler<AvatarCall> for Avatar {
    type Result = ();

    fn handle(&mut self, call: AvatarCall, ctx: &mut Self::Context) {
        self.seen += 1;
        let settings = self.shared.settings.clone();
        match call {
            AvatarCall::Attach {
                session,
                attributes,
                id,
            } => self.attach(session, attributes, id),
            AvatarCall::Detach { session } => {
                let grace_ms = settings.presence.grace_ms;
                self.model.detach(session, clock::now_ms(), grace_ms);
            }
            AvatarCall::Resume { session } => {
                self.model.resume(session);
                self.give_invites(session);
            }
            AvatarCall::Remove { session } => self.model.remove(session, clock::now_ms()),
            AvatarCall::Status {
                session,
                status,
                note,
                id,
            } => match self
                .model
                .set_status(session, status, note, &settings.presence)
            {
                Ok(()) => self.shared.reply(session, ReplyData::Done, id),
                Err(error) => self.shared.refuse(session, error.of("status"), id),
            },
            AvatarCall::Idle { session, idle } => self.model.set_idle(session, idle),
            AvatarCall::Watch { worker } => {
                self.model.watchers.add(worker);
                self.shared.outlets.send(worker, self.presence());
            }
            AvatarCall::Unwatch { worker } => self.model.watchers.remove(worker),
            AvatarCall::Lookup { worker, ticket } => self.shared.outlets.send(
                worker,
                Delivery::Found {
                    ticket,
                    user: self.user.clone(),
                    entry: self.model.entry(),
                },
            ),
            AvatarCall::Invite {
                channel,
                from,
                until_ms,
            } => self.invite(channel, from, until_ms),
            AvatarCall::InviteAnswered { channel } => self.model.drop_invite(&channel),
            AvatarCall::Playing { channel, playing } => self.model.set_playing(&channel, playing),
            AvatarCall::Set {
                session,
                changes,
                id,
            } => match self.set(session, changes) {
                Ok(()) => self.shared.reply(session, ReplyData::Done, id),
                Err(error) => self.shared.refuse(session, error.of("set"), id),
            },
            AvatarCall::Tell(packet) => {
                for session in self.model.sessions() {
                    self.shared.send(session, packet.clone(), None);
                }
            }
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
