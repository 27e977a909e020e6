//! Commands of sessions on their way to the owners.

use crate::clock;
use crate::gateway::Gateway;
use crate::gateway::session::permission::may_set;
use crate::gateway::session::share::Charged;
use crate::gateway::subscription::listed::Listed;
use crate::gateway::transport::{Dispatch, Hooks};
use turntable_core::call::{AvatarCall, RoomCall};
use turntable_core::id::ChannelId;
use turntable_core::key::SessionSlot;
use turntable_core::model::permission::Who;
use turntable_core::model::timestamp::SenderClock;
use turntable_core::packet::{
    Action, ClientPacket, ErrorBody, ReplyData, RequestId, ServerPacket, Status,
};
use turntable_core::payload::Payload;
use turntable_core::reason::ErrorCode;
use turntable_core::session::clock::ROUND_TRIP_MAX_MS;

impl Gateway {
    /// Passes an admitted command, which has taken this, to its owner, or answers it.
    pub(crate) fn dispatch(
        &mut self,
        session: SessionSlot,
        packet: ClientPacket,
        id: Option<RequestId>,
        taken: Charged,
    ) {
        let Some(caller) = self.sessions.caller(session) else {
            return;
        };
        let Some(entry) = self.sessions.get(session) else {
            return;
        };
        let (user, connection) = (entry.session.user.clone(), entry.session.connection());
        let permissions = entry.session.permissions.clone();
        let owners = self.shared.owners.clone();
        self.await_owner(session, &packet, id.as_ref(), taken);
        match packet {
            ClientPacket::IdMe { .. } => self.attach(session, Vec::new(), None, id),
            ClientPacket::Bye => self.bye(session),
            ClientPacket::Subscribe(users) => self.subscribe(session, users, id),
            ClientPacket::Unsubscribe(users) => {
                self.take_part(session, Listed::unsubscribe(users, id));
            }
            ClientPacket::Status { state, note } => {
                if state == Status::Invisible {
                    self.hide_member(session);
                }
                let call = AvatarCall::Status {
                    caller,
                    status: state,
                    note,
                    id,
                };
                owners.avatar(&user, call);
            }
            ClientPacket::Set(changes) => {
                let names = changes.iter().map(|(name, _)| &**name);
                if let Err(error) = may_set(Who::new(&user, &permissions), names) {
                    return self.refuse_unowned(session, error.of("set"), id);
                }
                let call = AvatarCall::Set {
                    caller,
                    changes,
                    id,
                };
                owners.avatar(&user, call);
            }
            ClientPacket::JoinGame(mut join) => {
                // A user that blocks this one is not invited by it.
                let blocked = &self.shared.blocked;
                join.invite
                    .retain(|invited| !blocked.blocks(invited, &user));
                let games = Who::new(&user, &permissions).games();
                let channel = join.channel.clone();
                let call = RoomCall::Join {
                    caller,
                    address: self.address(session),
                    user,
                    join,
                    id,
                    is_connected: connection.is_some(),
                    games,
                };
                owners.room(&channel, call);
                if let Some(connection) = connection {
                    self.with(connection, Dispatch::on_room);
                }
            }
            ClientPacket::LeaveGame(channel) => {
                owners.room(&channel, RoomCall::Leave { caller, user, id });
            }
            ClientPacket::Game { channel, actions } => self.act(session, &channel, actions, id),
            ClientPacket::DeclineInvite(channel) => {
                owners.room(&channel, RoomCall::Decline { caller, user, id });
            }
            ClientPacket::JoinChannel(join) => self.join_channel(session, join, id),
            ClientPacket::LeaveChannel(channel) => {
                self.leave_channel(session, &channel);
                self.reply(session, ReplyData::Done, id);
            }
            ClientPacket::Publish { channel, data } => {
                self.publish_on_channel(session, channel, data, id);
            }
            ClientPacket::Time {
                t0,
                t0_ms,
                received,
            } => self.tell_time(session, t0, t0_ms, received, id),
            ClientPacket::Lookup(users) => self.lookup(session, users, id),
            #[cfg(debug_assertions)]
            ClientPacket::Call {
                f,
                args,
                user: None,
            } if let Some(call) = super::fault::requested(&f, args.as_ref()) => {
                owners.call(call);
                self.reply(session, ReplyData::Done, id);
            }
            ClientPacket::Call {
                f,
                args,
                user: whose,
            } => self.call_service(session, &f, args, whose, id),
            ClientPacket::Reply { result } => self.service_reply(session, result, id),
            ClientPacket::Provide(services) => self.provide(session, services, id),
            ClientPacket::Authenticate { user, credentials } => {
                self.authenticate(session, user, &credentials, id);
            }
            ClientPacket::Block { add, remove } => self.block(session, add, remove, id),
            ClientPacket::Resume { .. } => {}
        }
    }

    /// `game`: the actions go with what is known of the client's clock.
    fn act(
        &mut self,
        session: SessionSlot,
        channel: &ChannelId,
        actions: Vec<Action>,
        id: Option<RequestId>,
    ) {
        let (caller, address) = (self.sessions.caller(session), self.address(session));
        let (Some(caller), Some(entry)) = (caller, self.sessions.get_mut(session)) else {
            return;
        };
        let now_ms = clock::now_exact_ms();
        let (connection, was_acting) = (
            entry.session.connection(),
            entry.session.clock().is_acting(now_ms),
        );
        let newest_ms = actions
            .iter()
            .map(|action| action.timestamp_ms)
            .fold(f64::NEG_INFINITY, f64::max);
        entry.session.clock().action_sample(newest_ms, now_ms);
        self.measure_path(session, now_ms);
        let Some(entry) = self.sessions.get_mut(session) else {
            return;
        };
        let clock = entry.session.clock();
        let clock = SenderClock {
            offset_ms: clock
                .offset(now_ms, ROUND_TRIP_MAX_MS)
                .map(|estimate| estimate.offset_ms),
            lag: clock.lag(now_ms, self.settings.time.allowance_ms),
            received_ms: now_ms as u64,
        };
        let call = RoomCall::Act {
            caller,
            user: entry.session.user.clone(),
            actions,
            clock,
            address,
            id,
        };
        self.shared.owners.room(channel, call);
        if let Some(connection) = connection.filter(|_| !was_acting) {
            // It is measured more often now.
            self.with(connection, Dispatch::on_room);
        }
    }

    /// `time`, with which a client acknowledges messages too.
    fn tell_time(
        &mut self,
        session: SessionSlot,
        t0: Payload,
        t0_ms: f64,
        received: Option<u64>,
        id: Option<RequestId>,
    ) {
        let now_ms = clock::now_exact_ms();
        let Some(entry) = self.sessions.get_mut(session) else {
            return;
        };
        entry.session.clock().time_exchange(t0_ms, now_ms);
        if let Some(received) = received {
            entry.note_received(received);
        }
        if received.is_some_and(|received| !entry.session.outbox.acknowledge(received)) {
            let error = ErrorBody::new(
                ErrorCode::BadMessage,
                "received counts more messages than were sent to this session",
            );
            return self.refuse(session, error.of("time"), id);
        }
        let packet = ServerPacket::Time {
            t0,
            t1_ms: now_ms as u64,
            t2_ms: now_ms as u64,
        };
        self.send(session, &packet, id.as_ref());
    }
}
