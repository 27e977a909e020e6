//! What owners say: put into the outboxes of those who listen, and written.
//!
//! The hot path of the project. Per listener there is one push of a shared
//! frame and one entry on the list of sockets to write to; no allocation, no
//! lock, no encoding.

use actix::{Context, Handler};

use crate::cluster::mail::Mail;
use crate::gateway::dialect::Reader;
use crate::gateway::door::DoorKind;
use crate::gateway::frame::Frame;
use crate::gateway::{Gateway, Held};
use turntable_core::delivery::{Delivery, Meta, Topic};
use turntable_core::frame::SharedFrame;
use turntable_core::id::UserId;
use turntable_core::packet::{ErrorBody, Presence, ReplyData, RequestId, ServerPacket};
use turntable_core::reason::CloseReason;

/// How often an operator's gauges are brought up to date, in ms.
const SURVEY_MS: u64 = 5_000;

impl Handler<Mail<Delivery>> for Gateway {
    type Result = ();

    fn handle(&mut self, Mail(delivery): Mail<Delivery>, _: &mut Context<Self>) {
        match delivery {
            Delivery::Publish { topic, frame, meta } => self.publish(&topic, frame, meta),
            Delivery::Send { to, frame, id } => {
                if let Some(session) = self.slot(to) {
                    self.send_shared(session, frame, id.as_ref());
                }
            }
            Delivery::Refuse {
                to,
                error,
                id,
                joining,
            } => {
                let Some(session) = self.slot(to) else {
                    return;
                };
                if let Some(topic) = joining {
                    self.join_refused(session, &topic);
                }
                match self.sessions.at(session).and_then(|held| held.connection) {
                    Some(slot) => self.refuse(slot, *error, id),
                    None => self.send_error(session, *error, id),
                }
            }
            Delivery::Enter { to, topic } => {
                if let Some(slot) = self.slot(to) {
                    self.entered(slot, topic);
                }
            }
            Delivery::Exit { to, topic } => {
                if let Some(slot) = self.slot(to) {
                    self.topics.exit(&topic, slot);
                    if let (Topic::Room(room), Some(held)) = (topic, self.sessions.at_mut(slot)) {
                        held.session.left_room(&room);
                        held.forget_backup(&room);
                    }
                }
            }
            Delivery::Presence { user, presence } => self.presence(&user, presence),
            Delivery::Attached { to, attributes, id } => {
                if let Some(session) = self.slot(to) {
                    self.attached(session, attributes, id);
                }
            }
            Delivery::NotAttached { to, error, id } => {
                if let Some(session) = self.slot(to) {
                    self.not_attached(session, &error, id);
                }
            }
            Delivery::End { to } => {
                if let Some(session) = self.slot(to) {
                    // It may have been resumed meanwhile; its connection must
                    // not be left with a slot that another session gets.
                    let connection = self.sessions.at(session).and_then(|held| held.connection);
                    if let Some(slot) = connection {
                        self.close(slot, CloseReason::SessionExpired);
                    }
                    self.end_session(session);
                }
            }
            Delivery::Found {
                ticket,
                user,
                entry,
            } => self.found(ticket, user, entry),
            Delivery::LookupFailed { ticket } => self.lookup_failed(ticket),
            Delivery::Below { channel } => self.below_is_known(&channel),
            Delivery::Backup { to, backup } => {
                let held = self.slot(to).and_then(|slot| self.sessions.at_mut(slot));
                if let Some(held) = held {
                    held.store_backup(backup);
                }
            }
            Delivery::OwnerLost {
                shard,
                generation,
                owner,
            } => self.owner_lost(shard, generation, owner),
        }
    }
}

impl Held {
    /// Puts a frame into the outbox and the connection on the list of those to
    /// be written to. Returns whether the outbox is over its bound.
    fn deliver(&mut self, frame: Frame, dirty: &mut Vec<u32>) -> bool {
        // A single message may be longer than the bound; a second may not wait
        // behind it.
        let waiting = self.outbox.waiting_bytes();
        self.outbox.push(frame);
        match self.connection {
            Some(slot) => {
                if !self.is_dirty && !self.is_blocked {
                    self.is_dirty = true;
                    dirty.push(slot);
                }
                waiting > self.waiting_bytes_max as usize
            }
            None => self.outbox.waiting_bytes() > self.waiting_bytes_max as usize,
        }
    }

    /// Its connection was lost, or it has another: what waits now, and as much
    /// as is kept for a resume, may wait for the next.
    pub(super) fn allow_backlog(&mut self, outbox_bytes_max: usize, replay_bytes_max: usize) {
        let backlog = self.outbox.waiting_bytes().saturating_add(replay_bytes_max);
        let max = match self.connection {
            Some(_) => backlog.max(outbox_bytes_max),
            None => backlog,
        };
        self.waiting_bytes_max = u32::try_from(max).unwrap_or(u32::MAX);
    }
}

impl Gateway {
    /// Sends a frame to every session on a topic.
    fn publish(&mut self, topic: &Topic, frame: SharedFrame, meta: Meta) {
        let covering = match topic {
            Topic::Channel(path) if !meta.is_exact && !self.topics.all_are_exact() => {
                self.topics.covering(path)
            }
            _ => Vec::new(),
        };
        let listeners = self.topics.listeners(topic);
        if listeners.is_empty() && covering.is_empty() {
            return;
        }
        let frame = Frame::shared(frame);
        self.mark = self.mark.wrapping_add(1);
        let is_covered = !covering.is_empty();
        for slot in listeners.iter().chain(&covering) {
            let Some(held) = self.sessions.at_mut(*slot) else {
                continue;
            };
            if is_covered && std::mem::replace(&mut held.mark, self.mark) == self.mark {
                continue;
            }
            self.tally.deliveries += 1;
            let frame = if held.is_read_alone {
                frame.alone()
            } else {
                frame.clone()
            };
            if held.deliver(frame, &mut self.dirty) {
                self.over.push(*slot);
            }
        }
        self.close_slow();
    }

    /// Sends a packet to one session.
    pub(super) fn send(&mut self, session: u32, packet: &ServerPacket, id: Option<&RequestId>) {
        self.send_answer(session, Frame::message(packet, id), id);
    }

    /// Sends to one session what its owner encoded.
    fn send_shared(&mut self, session: u32, frame: SharedFrame, id: Option<&RequestId>) {
        self.send_answer(session, Frame::sent(frame), id);
    }

    fn send_answer(&mut self, session: u32, frame: Frame, id: Option<&RequestId>) {
        self.send_frame(session, frame);
        if let Some(id) = id
            && let Some(slot) = self.sessions.at(session).and_then(|held| held.connection)
        {
            self.answered(slot, id);
        }
    }

    fn send_frame(&mut self, session: u32, frame: Frame) {
        if let Some(held) = self.sessions.at_mut(session) {
            self.tally.deliveries += 1;
            if held.deliver(frame, &mut self.dirty) {
                self.over.push(session);
                self.close_slow();
            }
        }
    }

    /// Answers a command that asked for an answer.
    pub(super) fn reply(&mut self, session: u32, data: ReplyData, id: Option<RequestId>) {
        if id.is_some() {
            self.send(session, &ServerPacket::Reply(data), id.as_ref());
        }
    }

    /// Sends an error that is not charged.
    pub(super) fn send_error(&mut self, session: u32, error: ErrorBody, id: Option<RequestId>) {
        self.context.metrics.error(error.code);
        self.send(session, &ServerPacket::Error(Box::new(error)), id.as_ref());
    }

    /// Sends a packet that belongs to the connection, not to its session.
    pub(super) fn send_direct(&mut self, slot: u32, packet: &ServerPacket, id: Option<&RequestId>) {
        self.push_direct(slot, Frame::message(packet, id));
        if let Some(id) = id {
            self.answered(slot, id);
        }
    }

    /// Puts a frame of the connection itself; a reader that does not take them
    /// is closed.
    pub(super) fn push_direct(&mut self, slot: u32, frame: Frame) {
        let max = self.settings().session.outbox_bytes_max;
        let Some(connection) = self.connections.at_mut(slot) else {
            return;
        };
        if connection.is_closing() {
            return;
        }
        let waiting = connection.direct_bytes();
        let session = connection.session();
        let begun = u64::from(connection.has_begun());
        if let Some(message) = frame.as_message() {
            match (
                session.and_then(|session| self.sessions.at_mut(session)),
                connection.door.as_mut().map(|door| &mut door.kind),
            ) {
                (Some(held), _) => held.note_datagram(message, begun),
                (None, Some(DoorKind::Tunnel(tunnel))) => tunnel.note_datagram(message),
                _ => {}
            }
        }
        connection.push(frame);
        if !connection.is_blocked {
            self.dirty.push(slot);
        }
        if waiting > max {
            match session {
                Some(session) => {
                    self.over.push(session);
                    self.close_slow();
                }
                None => self.close(slot, CloseReason::TooSlow),
            }
        }
    }

    /// Closes the readers whose outbox passed its bound, and ends the sessions
    /// without a connection that did.
    fn close_slow(&mut self) {
        while let Some(session) = self.over.pop() {
            match self.sessions.at(session).map(|held| held.connection) {
                Some(Some(slot)) => self.close(slot, CloseReason::TooSlow),
                Some(None) => self.end_session(session),
                None => {}
            }
        }
    }

    /// An avatar told what others see of its user.
    fn presence(&mut self, user: &UserId, presence: Presence) {
        let Some((number, is_first)) = self.watches.update(user, presence) else {
            return;
        };
        let Some(watched) = self.watches.at(number) else {
            return;
        };
        for slot in watched.watchers() {
            let Some(held) = self.sessions.at_mut(*slot) else {
                continue;
            };
            if is_first {
                // The snapshot that waits for it names it already.
                held.unknown = held.unknown.saturating_sub(1);
                if held.unknown == 0 {
                    self.snapshots.push(*slot);
                }
                continue;
            }
            if held.changed.is_empty() {
                self.changed.push(*slot);
            }
            held.changed.push(number);
            if held.changed.len() > 2 * held.watching.len().max(8) {
                held.changed.sort_unstable();
                held.changed.dedup();
            }
        }
    }

    /// Writes the snapshots that are complete; they do not wait for others.
    pub(super) fn write_snapshots(&mut self) {
        for session in std::mem::take(&mut self.snapshots) {
            self.write_changes(session, true);
            let Some(held) = self.sessions.at_mut(session) else {
                continue;
            };
            if held.unknown > 0 {
                continue;
            }
            for id in held.subscribed.take().into_iter().flat_map(|ids| *ids) {
                self.reply(session, ReplyData::Done, Some(id));
            }
        }
    }

    /// Writes the changes of presence, one message per session, unless the
    /// last ones were written so shortly before that they should wait. Returns
    /// for how many ms.
    pub(super) fn write_presence(&mut self, now_ms: u64) -> u64 {
        if self.changed.is_empty() {
            return 0;
        }
        let due_ms = self.presence_flushed_ms + self.settings().presence.coalesce_ms;
        if now_ms < due_ms {
            return due_ms - now_ms;
        }
        self.presence_flushed_ms = now_ms;
        for session in std::mem::take(&mut self.changed) {
            self.write_changes(session, false);
        }
        0
    }

    /// Tells a session what changed, unless it cannot take it now: then the
    /// changes go on merging.
    pub(super) fn write_changes(&mut self, session: u32, is_snapshot: bool) {
        let Some(held) = self.sessions.at_mut(session) else {
            return;
        };
        let cannot_take = held.is_blocked || held.connection.is_none();
        if held.changed.is_empty() || held.unknown > 0 || (cannot_take && !is_snapshot) {
            return;
        }
        let mut changed = std::mem::take(&mut held.changed);
        changed.sort_unstable();
        changed.dedup();
        let mut frame = self.watches.frame(&changed);
        if held.datagrams().is_some() {
            // Its client asks for what it missed by the ids of datagrams.
            frame = frame.alone();
        }
        self.send_frame(session, frame);
    }

    /// Turns the wheel.
    pub(super) fn tick(&mut self) {
        let now_ms = crate::clock::now_ms();
        let mut due = Vec::new();
        self.wheel.turn(now_ms, &mut due);
        for timer in due {
            self.due(timer, now_ms);
        }
        if now_ms >= self.surveyed_ms + SURVEY_MS {
            self.surveyed_ms = now_ms;
            self.survey();
        }
    }

    /// Tells the operator what waits. Seldom, as it looks at every session.
    fn survey(&mut self) {
        let waiting: usize = self
            .sessions
            .occupied()
            .filter_map(|slot| self.sessions.at(slot))
            .map(|held| held.outbox.waiting_bytes())
            .sum();
        self.waiting_gauge.set(waiting as i64);
    }

    /// Whether any socket has something to be written.
    pub(super) fn has_output(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// Whether anything was read since the last call.
    pub(super) fn had_input(&mut self) -> bool {
        std::mem::take(&mut self.was_read)
    }

    /// Writes to every socket that has something to be written.
    pub(super) fn flush(&mut self) {
        // Writing may lose a connection, which may make others dirty.
        while !self.dirty.is_empty() {
            let mut dirty = std::mem::take(&mut self.dirty);
            for slot in dirty.drain(..) {
                self.flush_connection(slot);
            }
            if self.dirty.is_empty() {
                self.dirty = dirty;
            }
        }
        let tally = std::mem::take(&mut self.tally);
        let metrics = &self.context.metrics;
        metrics.deliveries.inc_by(tally.deliveries);
        metrics.received_bytes.inc_by(tally.received_bytes);
        metrics.sent_bytes.inc_by(tally.sent_bytes);
        metrics.writes.inc_by(tally.writes);
    }

    /// Writes to one socket.
    pub(super) fn flush_connection(&mut self, slot: u32) {
        let has_door = self.connections.at(slot).is_some_and(|c| c.door.is_some());
        if has_door {
            self.flush_door(slot);
        } else {
            self.flush_socket(slot);
        }
    }

    fn flush_door(&mut self, slot: u32) {
        let door = self
            .connections
            .at(slot)
            .and_then(|line| line.door.as_ref());
        match door.map(|door| &door.kind) {
            Some(DoorKind::Tunnel(_)) => self.flush_tunnel(slot),
            Some(DoorKind::Poll(_)) => self.flush_poll(slot),
            Some(DoorKind::Engine(_)) => self.flush_engine(slot),
            Some(DoorKind::Namespace(_)) => self.flush_namespace(slot),
            Some(DoorKind::Probe(_)) => {
                self.flush_socket(slot);
            }
            None => {}
        }
    }

    /// Writes what a socket takes. Returns whether nothing is left.
    pub(super) fn flush_socket(&mut self, slot: u32) -> bool {
        let settings = &self.context.settings.session;
        let (kept_max, waiting_max) = (settings.replay_bytes_max, settings.outbox_bytes_max);
        let Some(connection) = self.connections.at_mut(slot) else {
            return false;
        };
        if connection.stream.is_none() {
            return false;
        }
        let session = connection.session();
        let mut held = session.and_then(|session| self.sessions.at_mut(session));
        let mut user = None;
        let outbox = held.as_mut().map(|held| {
            held.is_dirty = false;
            user = Some(&held.session.user);
            &mut held.outbox
        });
        let reader = Reader::of(&self.context.dialects, connection, user);
        match connection.flush(outbox, kept_max, &reader) {
            Ok(written) => {
                self.tally.sent_bytes += written.bytes as u64;
                self.tally.writes += u64::from(written.calls);
                if let Some(held) = held {
                    held.is_blocked = !written.is_drained;
                    if written.is_drained {
                        held.waiting_bytes_max = u32::try_from(waiting_max).unwrap_or(u32::MAX);
                    }
                }
                if written.is_drained && connection.is_closing() {
                    // The other end sees the end behind the close frame, and
                    // answers it or not.
                    if let Some(stream) = &connection.stream {
                        let _ = stream.shutdown(std::net::Shutdown::Write);
                    }
                }
                written.is_drained
            }
            Err(_) => {
                self.lose(slot);
                false
            }
        }
    }
}
