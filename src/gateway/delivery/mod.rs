//! Deliveries of owners: put into the outboxes of the subscribers, and written at
//! the end of the turn.
//!
//! `fan_out` puts a publication into the outboxes of its subscribers, the hot path of the
//! project.

pub(crate) mod change_log;
pub mod encoding;
mod fan_out;
mod former;
pub(crate) mod frame;
pub(crate) mod presence;
mod profile;
pub(crate) mod round_frames;
pub(crate) mod sent;

use actix::{Context, Handler};

use crate::cluster::envelope::Envelope;
use crate::gateway::Gateway;
use crate::gateway::session::life::Details;
use crate::gateway::session::share::Charged;
use crate::gateway::subscription::gather::{Found, Joined};
use crate::gateway::transport::{Dispatch, Hooks};
use crate::gateway::work::Effect;
use fan_out::FanOut;
use frame::Frame;
use presence::Occasion;
use sent::Sent;
use turntable_core::delivery::{Delivery, Meta, Topic};
use turntable_core::frame::SharedFrame;
use turntable_core::key::{ConnKey, SessionSlot};
use turntable_core::limit::Limit;
use turntable_core::packet::{ClientPacket, ErrorBody, ReplyData, RequestId, ServerPacket};
use turntable_core::reason::{CloseReason, ErrorCode};
use turntable_core::session::life::Input;

impl Handler<Envelope<Delivery>> for Gateway {
    type Result = ();

    fn handle(&mut self, Envelope(delivery): Envelope<Delivery>, ctx: &mut Context<Self>) {
        if let Some(queues) = self.shared.mailboxes.of(self.id.worker) {
            queues.deliveries.take();
        }
        self.deliver(delivery);
        self.run();
        self.handled(ctx);
    }
}

impl Gateway {
    pub(crate) fn deliver(&mut self, delivery: Delivery) {
        match delivery {
            Delivery::Publish { topic, frame, meta } => self.publish(&topic, frame, meta),
            Delivery::Send { to, frame, id } => {
                let Some(session) = self.sessions.addressee(to) else {
                    return self.answer_former(to, id, Frame::sent(&frame));
                };
                let id = self.pending.first_answer(session, id);
                if let Some(frame) = self.seen_by(session, &frame) {
                    self.send_frame(session, frame, id.as_ref());
                }
            }
            Delivery::Refuse {
                to,
                error,
                id,
                joining,
            } => {
                let Some(session) = self.sessions.addressee(to) else {
                    let error = ServerPacket::Error(error);
                    let frame = Frame::message(&error, id.as_ref());
                    return self.answer_former(to, id, frame);
                };
                if let Some(topic) = joining {
                    self.join_refused(session, &topic);
                }
                if let Some(id) = &id {
                    let command = error.command.as_deref();
                    let taken = match command {
                        Some("call") => {
                            let is_awaited = self.pending.call_answered(session, id);
                            is_awaited.then_some(Charged::NOTHING)
                        }
                        _ => self.pending.refused(session, id, command),
                    };
                    self.give_back(session, taken.unwrap_or_default());
                    if taken.is_none() && command.is_some_and(ClientPacket::is_awaited) {
                        return;
                    }
                }
                if error.code == ErrorCode::RateLimited {
                    self.refuse_rate(session, *error, id);
                } else {
                    self.refuse(session, *error, id);
                }
            }
            Delivery::Enter { to, topic } => {
                if let Some(session) = self.sessions.addressee(to) {
                    self.entered(session, topic);
                }
            }
            Delivery::Joined {
                to,
                topic,
                frame,
                id,
                replay,
            } => {
                let Some(session) = self.sessions.addressee(to) else {
                    return self.answer_former(to, id, Frame::sent(&frame));
                };
                self.entered(session, topic.clone());
                let id = self.pending.first_answer(session, id);
                let joined = Joined { frame, replay, id };
                if let Some(Joined { frame, replay, id }) =
                    self.gather_joined(session, &topic, joined)
                {
                    self.channel_joined(session, &frame, replay, id.as_ref());
                }
                let answered = self.subscriptions.behind.answered(session, &topic);
                self.call_owners(answered);
                self.check_member(session, &topic);
            }
            Delivery::Exit { to, topic } => {
                if let Some(session) = self.sessions.addressee(to) {
                    self.exited(session, &topic);
                }
            }
            Delivery::Presence { user, presence } => self.presence(&user, presence),
            Delivery::Profile {
                user,
                changes,
                is_whole,
            } => self.profile(&user, &changes, is_whole),
            Delivery::Attached {
                to,
                user,
                attributes,
                services,
                id,
            } => {
                if let Some(session) = self.sessions.addressee(to) {
                    let is_changed = self.changed(session);
                    let id = match self.pending.admitted(session) {
                        true => id,
                        false => self.pending.first_answer(session, id),
                    };
                    self.add_functions(session, &services);
                    self.sessions.share_user(session, user);
                    let details = Details {
                        attributes: self.seen_attributes(session, attributes),
                        id,
                        ..Details::default()
                    };
                    self.step(session, Input::Admitted, details);
                    if is_changed {
                        self.join_by_operator(session);
                    }
                }
            }
            Delivery::NotAttached { to, error, id } => {
                if let Some(session) = self.sessions.addressee(to) {
                    let id = match self.pending.admitted(session) {
                        true => id,
                        false => self.pending.first_answer(session, id),
                    };
                    self.not_attached(session, error, id);
                }
            }
            Delivery::End { to, is_replaced } => {
                if let Some(session) = self.sessions.addressee(to) {
                    let reason = match is_replaced {
                        true => CloseReason::Replaced,
                        false => CloseReason::SessionExpired,
                    };
                    if is_replaced {
                        self.note_end(session, reason, None);
                    }
                    self.step(session, Input::End(reason), Details::default());
                }
            }
            Delivery::Found {
                ticket,
                user,
                entry,
            } => self.found(ticket, user, entry),
            Delivery::LookupFailed { ticket } => self.lookup_failed(ticket),
            Delivery::Listed { ticket, count } => self.gather_listed(ticket, count),
            Delivery::Past {
                ticket,
                channel,
                epoch,
                has_value,
                offset,
                messages,
            } => {
                let found = Found {
                    channel,
                    epoch,
                    offset,
                    has_value,
                    messages,
                };
                self.gather_past(ticket, found);
            }
            Delivery::Below { channel } => {
                let calls = self.subscriptions.below_is_known(&channel);
                self.call_owners(calls);
            }
            Delivery::Charge { to, bytes } => {
                // The user that it was before has the same client.
                let session = self
                    .sessions
                    .addressee(to)
                    .or_else(|| self.sessions.at_place(to));
                if let Some(session) = session {
                    self.pay_answer(session, bytes as usize);
                }
            }
            Delivery::Backup { to, backup } => {
                if let Some(session) = self.sessions.addressee(to) {
                    self.store_backup(session, backup);
                }
            }
            Delivery::OwnerLost {
                shard,
                generation,
                owner,
            } => self.owner_lost(shard, generation, owner),
            Delivery::Service { name, state } => self.service_changed(name, state),
            Delivery::HandOut {
                to,
                service,
                number,
                request,
            } => self.hand_out(to, service, number, *request),
            Delivery::Cancel {
                to,
                service,
                number,
            } => self.cancel(to, &service, number),
            Delivery::Answered { ticket, answer } => {
                self.answered(ticket, answer.map_err(|error| *error));
            }
            Delivery::Seeing { to, user, is_seen } => {
                if let Some(session) = self.sessions.addressee(to) {
                    self.seeing(session, &user, is_seen);
                }
            }
            Delivery::Answer { to, frame, id } => {
                let Some(session) = self.sessions.addressee(to) else {
                    return self.answer_former(to, Some(id), Frame::sent(&frame));
                };
                if self.pending.call_answered(session, &id) {
                    self.send_frame(session, Frame::sent(&frame), Some(&id));
                }
            }
        }
    }

    fn not_attached(&mut self, session: SessionSlot, error: Box<ErrorBody>, id: Option<RequestId>) {
        let is_admitted = self
            .sessions
            .get(session)
            .is_some_and(|entry| entry.session.life().is_admitted());
        if is_admitted {
            self.send_error(session, *error, id);
            return self.not_changed(session);
        }
        let details = Details {
            error: Some(error),
            id,
            ..Details::default()
        };
        self.step(session, Input::Refused, details);
    }

    /// Puts a frame into the outbox of every session on a topic.
    fn publish(&mut self, topic: &Topic, frame: SharedFrame, meta: Meta) {
        let (name, before) = (Sent::place(frame.v1()), self.counters.deliveries);
        let fan_out = FanOut {
            sessions: &mut self.sessions,
            subscriptions: &mut self.subscriptions,
            dirty: &mut self.lists.dirty,
            deliveries: &mut self.counters.deliveries,
        };
        let remainder = fan_out.publish(topic, frame, meta);
        let count = self.counters.deliveries.saturating_sub(before);
        self.counters.sent.add(name, count);
        let overflowed = remainder.overflowed.into_iter();
        let overflowed = overflowed.map(|(session, had)| Effect::Overflowed(session, had));
        self.work.extend(overflowed);
        for session in remainder.left_out {
            self.send_error(session, left_out_error(), None);
        }
        self.finish_overfull();
    }

    /// Sends a packet to one session.
    pub(crate) fn send(
        &mut self,
        session: SessionSlot,
        packet: &ServerPacket,
        id: Option<&RequestId>,
    ) {
        self.send_frame(session, Frame::message(packet, id), id);
    }

    /// Puts a frame into the outbox of one session.
    pub(crate) fn send_frame(
        &mut self,
        session: SessionSlot,
        frame: Frame,
        id: Option<&RequestId>,
    ) {
        let Some(entry) = self.sessions.get_mut(session) else {
            return;
        };
        self.counters.deliveries += 1;
        self.counters.sent.add(frame.name_place(), 1);
        let connection = entry.session.connection();
        if entry.deliver(frame, &mut self.lists.dirty) {
            self.work.push(Effect::Overflowed(session, connection));
        }
        if let (Some(id), Some(connection)) = (id, connection) {
            self.with(connection, |connection, cx| {
                Dispatch::on_answered(connection, id, cx);
            });
        }
    }

    /// Answers a command with an `id`.
    pub(crate) fn reply(&mut self, session: SessionSlot, data: ReplyData, id: Option<RequestId>) {
        if id.is_some() {
            self.send(session, &ServerPacket::Reply(data), id.as_ref());
        }
    }

    /// Sends an error that is not charged.
    pub(crate) fn send_error(
        &mut self,
        session: SessionSlot,
        error: ErrorBody,
        id: Option<RequestId>,
    ) {
        self.note_error(session, &error);
        self.send_unnoted(session, error, id);
    }

    /// The same for one that is not remembered as the session's.
    pub(in crate::gateway) fn send_unnoted(
        &mut self,
        session: SessionSlot,
        error: ErrorBody,
        id: Option<RequestId>,
    ) {
        self.shared.metrics.error(error.code, error.limit);
        let packet = ServerPacket::Error(Box::new(error));
        self.send(session, &packet, id.as_ref());
    }

    /// Writes to every connection that has something to be written.
    pub(crate) fn flush(&mut self) {
        self.now_ms = crate::clock::now_ms();
        // Writing may lose a connection, which may make others dirty.
        while !self.lists.dirty.is_empty() {
            let mut dirty = std::mem::take(&mut self.lists.dirty);
            for key in dirty.drain(..) {
                self.flush_at(key, self.now_ms);
                self.run();
            }
            if self.lists.dirty.is_empty() {
                self.lists.dirty = dirty;
            }
        }
        let counters = std::mem::take(&mut self.counters);
        let metrics = &self.shared.metrics;
        if counters.deliveries > 0 {
            metrics.deliveries.inc_by(counters.deliveries);
            metrics.presence_changes.inc_by(counters.presence_changes);
            counters.sent.add_to(&self.sent_counters);
        }
        metrics.received_bytes.inc_by(counters.received_bytes);
        metrics.sent_bytes.inc_by(counters.sent_bytes);
        metrics.writes.inc_by(counters.writes);
    }

    /// Writes to one connection at once.
    pub(crate) fn flush_connection(&mut self, key: ConnKey) {
        self.flush_at(key, crate::clock::now_ms());
    }

    fn flush_at(&mut self, key: ConnKey, now_ms: u64) {
        let Some(connection) = self.connections.get(key) else {
            return;
        };
        if Dispatch::takes_presence(connection)
            && let Some(session) = connection.session()
        {
            if let Some(entry) = self.sessions.get_mut(session) {
                entry.is_blocked = false;
            }
            self.write_changes(session, Occasion::Fetch);
        }
        if self.traces.is_on() {
            return self.flush_traced(key, now_ms);
        }
        self.with_at(key, now_ms, Dispatch::flush);
    }
}

/// The error for a session that did not get a publication on its channels, or below them.
fn left_out_error() -> ErrorBody {
    ErrorBody::new(
        ErrorCode::RateLimited,
        "messages of your channels were left out: more are published than you read; gaps of \
         the offsets show where, and joinchannel with since brings what is retained",
    )
    .of("joinchannel")
    .by(Limit::OutboxBytes)
}
