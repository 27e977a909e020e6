//! From the outboxes of namespaces to the queue of the line that carries them,
//! and from there to a WebSocket or to the request that waits.

use super::written;
use crate::gateway::Gateway;
use crate::gateway::dialect::Reader;
use crate::gateway::door::DoorKind;
use crate::gateway::frame::Frame;

/// How many packets one answer to a poll has. python-engineio closes the
/// connection at the seventeenth; the rest goes with the next answer.
const POLLED_PACKETS_MAX: usize = 16;

impl Gateway {
    /// Writes what an Engine.IO line has.
    pub(in crate::gateway) fn flush_engine(&mut self, slot: u32) {
        let has_stream = self
            .connections
            .at(slot)
            .is_some_and(|line| line.stream.is_some());
        if has_stream {
            self.flush_socket(slot);
        } else {
            self.answer_poll(slot);
        }
        self.wake_namespaces(slot);
    }

    /// Gives the request that waits what there is.
    fn answer_poll(&mut self, slot: u32) {
        let Some(line) = self.connections.at_mut(slot) else {
            return;
        };
        if !line.has_direct() {
            return;
        }
        let is_closing = line.is_closing();
        let Some(respond) = self.engine(slot).and_then(|engine| engine.parked.take()) else {
            return;
        };
        let mut payload = String::new();
        if let Some(line) = self.connections.at_mut(slot) {
            let mut frames = line.take_direct();
            let reader = Reader::of(&self.context.dialects, line, None);
            let mut room = match is_closing {
                // There is no next answer.
                true => usize::MAX,
                false => POLLED_PACKETS_MAX,
            };
            while room > 0
                && let Some(frame) = frames.pop_front()
            {
                let left = written::append_frames(frame.bytes(&reader), &mut room, &mut payload);
                if !left.is_empty() {
                    line.push(Frame::raw(left));
                }
            }
            for frame in frames {
                line.push(frame);
            }
        }
        self.tally.sent_bytes += payload.len() as u64;
        self.tally.writes += 1;
        let is_taken = respond.send(Ok(payload)).is_ok();
        if is_closing || !is_taken {
            self.lose(slot);
        }
    }

    /// Lets namespaces go on that waited for room in the queue below.
    fn wake_namespaces(&mut self, slot: u32) {
        let max = self.settings().socketio.queue_bytes_max;
        let has_room = self
            .connections
            .at(slot)
            .is_some_and(|line| line.direct_bytes() < max);
        if !has_room {
            return;
        }
        for namespace in self.namespaces(slot) {
            let Some(line) = self.connections.at_mut(namespace) else {
                continue;
            };
            if !std::mem::replace(&mut line.is_blocked, false) {
                continue;
            }
            self.dirty.push(namespace);
            let session = line.session();
            if let Some(held) = session.and_then(|session| self.sessions.at_mut(session)) {
                held.is_blocked = false;
                if !held.changed.is_empty() {
                    self.changed.extend(session);
                }
            }
        }
    }

    /// Hands the frames of a namespace itself down, not those of its session.
    pub(in crate::gateway) fn carry_direct(&mut self, slot: u32) {
        let Some(line) = self.connections.at_mut(slot) else {
            return;
        };
        let (carrier, number) = match line.door.as_ref().map(|door| &door.kind) {
            Some(DoorKind::Namespace(namespace)) if namespace.is_open() => {
                (namespace.carrier(), namespace.number())
            }
            _ => return,
        };
        let frames = line.take_direct();
        let reader = Reader::of(&self.context.dialects, line, None);
        if !self.connections.holds(carrier) {
            return;
        }
        if let Some(below) = self.connections.at_mut(carrier.slot)
            && !below.is_closing()
        {
            for frame in frames {
                below.push(carried(frame, number, &reader));
            }
            if !below.is_blocked {
                self.dirty.push(carrier.slot);
            }
        }
    }

    /// Hands down what a namespace has, as far as there is room below.
    pub(in crate::gateway) fn flush_namespace(&mut self, slot: u32) {
        self.carry_direct(slot);
        let max = self.settings().socketio.queue_bytes_max;
        let settings = &self.context.settings.session;
        let (kept_max, waiting_max) = (settings.replay_bytes_max, settings.outbox_bytes_max);
        let Some(line) = self.connections.at_mut(slot) else {
            return;
        };
        let (carrier, number, replayed) = match line.door.as_ref().map(|door| &door.kind) {
            Some(DoorKind::Namespace(namespace)) if namespace.is_open() => (
                namespace.carrier(),
                namespace.number(),
                namespace.replayed(),
            ),
            _ => return,
        };
        let reader = Reader::of(&self.context.dialects, line, None);
        let session = line.session();
        let Some(held) = session.and_then(|session| self.sessions.at_mut(session)) else {
            return;
        };
        if !self.connections.holds(carrier) {
            return;
        }
        let Some(below) = self.connections.at_mut(carrier.slot) else {
            return;
        };
        let sent = held.outbox.sent();
        let mut count = 0;
        for frame in held.outbox.waiting() {
            if below.direct_bytes() >= max {
                break;
            }
            count += 1;
            let frame = match frame.as_message() {
                // Written anew: what was asked for on another line is no
                // acknowledgement here, and may have been written as one.
                Some(message) if sent + count as u64 <= replayed => {
                    Frame::raw(&reader.write(message))
                }
                _ => carried(frame.clone(), number, &reader),
            };
            below.push(frame);
        }
        if count > 0 && !below.is_blocked {
            self.dirty.push(carrier.slot);
        }
        held.outbox.written(count, kept_max);
        held.is_dirty = false;
        held.is_blocked = !held.outbox.is_drained();
        if !held.is_blocked {
            held.waiting_bytes_max = u32::try_from(waiting_max).unwrap_or(u32::MAX);
        }
        let is_blocked = held.is_blocked;
        if let Some(line) = self.connections.at_mut(slot) {
            line.is_blocked = is_blocked;
        }
    }
}

/// A frame of a namespace as it waits on the line below: shared where many
/// read the same.
fn carried(frame: Frame, number: u8, reader: &Reader<'_>) -> Frame {
    match frame {
        Frame::Message(message) => {
            // Written here, where it is known who asked for what.
            let _ = message.bytes(reader);
            Frame::Packet(number, message)
        }
        frame => match frame.as_message() {
            Some(message) => Frame::raw(&reader.write(message)),
            None => frame,
        },
    }
}
