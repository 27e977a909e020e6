//! Commands of sessions: checked, and passed to their owners.

use crate::clock;
use crate::gateway::{Gateway, Lookup};
use turntable_core::call::{AvatarCall, ChannelCall, RoomCall};
use turntable_core::id::UserId;
use turntable_core::key::Caller;
use turntable_core::packet::{
    ClientMessage, ClientPacket, ErrorBody, ReplyData, RequestId, ServerPacket,
};
use turntable_core::payload::Payload;
use turntable_core::reason::ErrorCode;
use turntable_core::session::clock::ROUND_TRIP_MAX_MS;

impl Gateway {
    /// A command of a session: checked, and passed to its owner.
    pub(super) fn serve(&mut self, slot: u32, session: u32, message: ClientMessage, now_ms: u64) {
        let settings = &self.context.settings;
        let ClientMessage { id, packet } = message;
        let Some(held) = self.sessions.at_mut(session) else {
            return;
        };
        let admitted = held
            .session
            .admit(&packet, now_ms, &settings.session, &settings.limits);
        if !matches!(packet, ClientPacket::Time { .. }) {
            held.active_ms = now_ms;
            if std::mem::take(&mut held.is_idle) {
                self.tell_idle(session, false);
            }
        }
        if let Err(refusal) = admitted {
            return self.answer_refusal(slot, refusal, id);
        }
        let Some(caller) = self.caller(session) else {
            return;
        };
        self.dispatch(slot, session, caller, packet, id);
    }

    fn dispatch(
        &mut self,
        slot: u32,
        session: u32,
        caller: Caller,
        packet: ClientPacket,
        id: Option<RequestId>,
    ) {
        let Some(held) = self.sessions.at_mut(session) else {
            return;
        };
        let user = held.session.user.clone();
        let owners = self.context.owners.clone();
        match packet {
            ClientPacket::IdMe { .. } => self.attach(session, Vec::new(), id),
            ClientPacket::Bye => self.bye(slot),
            ClientPacket::Subscribe(users) => self.subscribe(slot, session, users, id),
            ClientPacket::Unsubscribe(users) => {
                self.unsubscribe(session, &users);
                self.reply(session, ReplyData::Done, id);
            }
            ClientPacket::Status { state, note } => {
                let call = AvatarCall::Status {
                    caller,
                    status: state,
                    note,
                    id,
                };
                owners.avatar(&user, call);
            }
            ClientPacket::Set(changes) => {
                let call = AvatarCall::Set {
                    caller,
                    changes,
                    id,
                };
                owners.avatar(&user, call);
            }
            ClientPacket::JoinGame(join) => {
                let channel = join.channel.clone();
                let call = RoomCall::Join {
                    caller,
                    user,
                    join,
                    id,
                };
                owners.room(&channel, call);
                self.measure_clock(slot, session);
            }
            ClientPacket::LeaveGame(channel) => {
                let call = RoomCall::Leave { caller, user, id };
                owners.room(&channel, call);
            }
            ClientPacket::Game { channel, actions } => {
                let now_ms = clock::now_exact_ms();
                let clock = held.session.clock();
                let newest_ms = actions
                    .iter()
                    .map(|action| action.timestamp_ms)
                    .fold(f64::NEG_INFINITY, f64::max);
                clock.action_sample(newest_ms, now_ms);
                let offset_ms = clock
                    .offset(now_ms, ROUND_TRIP_MAX_MS)
                    .map(|estimate| estimate.offset_ms);
                let call = RoomCall::Act {
                    caller,
                    user,
                    actions,
                    offset_ms,
                    id,
                };
                owners.room(&channel, call);
            }
            ClientPacket::DeclineInvite(channel) => {
                let call = RoomCall::Decline { caller, user, id };
                owners.room(&channel, call);
            }
            ClientPacket::JoinChannel(join) => self.join_channel(slot, session, join, id),
            ClientPacket::LeaveChannel(channel) => {
                self.leave_channel(session, &channel);
                self.reply(session, ReplyData::Done, id);
            }
            ClientPacket::Publish { channel, data } => {
                let call = ChannelCall::Publish {
                    caller,
                    user,
                    data,
                    id,
                };
                owners.channel(&channel, call);
            }
            ClientPacket::Time {
                t0,
                t0_ms,
                received,
            } => self.tell_time(slot, session, t0, t0_ms, received, id),
            ClientPacket::Lookup(users) => self.lookup(slot, session, users, id),
            #[cfg(debug_assertions)]
            ClientPacket::Call { f, args }
                if let Some(call) = crate::gateway::fault::requested(&f, args.as_ref()) =>
            {
                owners.call(call);
                self.reply(session, ReplyData::Done, id);
            }
            ClientPacket::Call { f, .. } => {
                let error = ErrorBody::new(
                    ErrorCode::NotFound,
                    format!(
                        "no service offers {}; the welcome message lists those there are",
                        f.chars().take(64).collect::<String>()
                    ),
                );
                self.refuse(slot, error.of("call"), id);
            }
            ClientPacket::Authenticate { .. } => {
                let error = ErrorBody::new(
                    ErrorCode::Unauthorized,
                    "this session has an identity, and no checker accepts these credentials",
                );
                self.refuse(slot, error.of("authenticate"), id);
            }
            // What a client offers is taken note of by calls to it, which this
            // server does not make; an answer to none is no error either.
            ClientPacket::Provide(_) => self.reply(session, ReplyData::Done, id),
            ClientPacket::Reply { .. } | ClientPacket::Resume { .. } => {}
        }
    }

    fn tell_time(
        &mut self,
        slot: u32,
        session: u32,
        t0: Payload,
        t0_ms: f64,
        received: Option<u64>,
        id: Option<RequestId>,
    ) {
        let now_ms = clock::now_exact_ms();
        let Some(held) = self.sessions.at_mut(session) else {
            return;
        };
        held.session.clock().time_exchange(t0_ms, now_ms);
        if let Some(received) = received {
            held.note_received(received);
        }
        if received.is_some_and(|received| !held.outbox.acknowledge(received)) {
            let error = ErrorBody::new(
                ErrorCode::BadMessage,
                "received counts more messages than were sent to this session",
            );
            return self.refuse(slot, error.of("time"), id);
        }
        let packet = ServerPacket::Time {
            t0,
            t1_ms: now_ms as u64,
            t2_ms: now_ms as u64,
        };
        self.send(session, &packet, id.as_ref());
    }

    fn lookup(&mut self, slot: u32, session: u32, users: Vec<UserId>, id: Option<RequestId>) {
        let max = self.settings().presence.lookup_max;
        if users.len() > max {
            let error = ErrorBody::new(
                ErrorCode::TooMany,
                format!("at most {max} users in one lookup"),
            );
            return self.refuse(slot, error.of("lookup").with("max", max as u64), id);
        }
        if users.is_empty() {
            return self.send(
                session,
                &ServerPacket::Reply(ReplyData::Lookup(Vec::new())),
                id.as_ref(),
            );
        }
        let Some(place) = self.place(session) else {
            return;
        };
        self.lookup_ticket += 1;
        let ticket = self.lookup_ticket;
        for user in &users {
            let call = AvatarCall::Lookup {
                gateway: self.id,
                ticket,
            };
            self.context.owners.avatar(user, call);
        }
        self.lookups.insert(
            ticket,
            Lookup {
                session: place,
                id,
                missing: users.len(),
                found: Vec::with_capacity(users.len()),
            },
        );
    }
}
