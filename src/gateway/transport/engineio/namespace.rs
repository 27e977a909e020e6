//! Namespaces of Socket.IO: connections without a socket, each with a session.
//!
//! ```text
//! CONNECT -> (idme or resume in its auth) -> answered with CONNECT -> idyou -> ...
//!                                         -> or CONNECT_ERROR, and gone
//! ```

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::value::RawValue;

use super::{charge, input, packet};
use crate::gateway::accept::Resume;
use crate::gateway::connection::Connection;
use crate::gateway::delivery::encoding::{Encoding, Reader};
use crate::gateway::delivery::frame::Frame;
use crate::gateway::session::memory::ResumeFrom;
use crate::gateway::transport::begin::Insertion;
use crate::gateway::transport::context::Cx;
use crate::gateway::transport::notice::Notice;
use crate::gateway::transport::{Attachment, Hooks, Transport};
use crate::gateway::work::Effect;
use turntable_core::id::{MessageId, SessionId};
use turntable_core::key::ConnKey;
use turntable_core::packet::{ClientMessage, ErrorBody, ServerPacket};
use turntable_core::reason::{CloseReason, ErrorCode};
use turntable_wire::socketio::{self, Auth};

/// How long a client whose last namespace was closed may take to go, in ms.
const PARTING_MS: u64 = 3_000;

/// The state of a namespace.
#[derive(Debug)]
pub(crate) struct Namespace {
    name: SessionId,
    carrier: ConnKey,
    number: u8,
    /// What marks the acknowledgements that were requested on it.
    mark: u32,
    /// Whether CONNECT was answered.
    is_open: bool,
    /// Up to which number its session's messages were made for other
    /// connections.
    replayed: u64,
}

impl Namespace {
    pub(in crate::gateway::transport) fn connection(
        name: SessionId,
        carrier: ConnKey,
        number: u8,
    ) -> Connection {
        static MARKS: AtomicU32 = AtomicU32::new(1);
        let namespace = Self {
            name,
            carrier,
            number,
            mark: MARKS.fetch_add(1, Ordering::Relaxed),
            is_open: false,
            replayed: 0,
        };
        let transport = Transport::Namespace(Box::new(namespace));
        let mut connection = Connection::new(None, None, transport);
        connection.encoding = Encoding::SocketIo(number);
        connection
    }

    /// Begins a namespace that its client requested.
    pub(crate) fn begin(connection: &mut Connection, auth: Option<Auth>, cx: &mut Cx<'_>) {
        let Some(namespace) = Self::of(connection) else {
            return;
        };
        let opened = Notice::NamespaceOpened {
            number: namespace.number,
            connection: cx.key,
            mark: namespace.mark,
        };
        cx.push_effect(Effect::Notice(namespace.carrier, opened));
        if let Some(auth) = auth {
            identify(connection, auth, cx);
        }
    }

    /// Has another carrier: both came from another worker.
    pub(crate) const fn set_carrier(&mut self, carrier: ConnKey) {
        self.carrier = carrier;
    }

    /// The name of the session that it carries or will.
    pub(crate) const fn name(&self) -> SessionId {
        self.name
    }

    /// The session of Engine.IO that carries it.
    pub(crate) const fn carrier(&self) -> ConnKey {
        self.carrier
    }

    /// What marks the acknowledgements that were requested on it.
    pub(crate) const fn mark(&self) -> u32 {
        self.mark
    }

    fn of(connection: &mut Connection) -> Option<&mut Self> {
        match &mut connection.transport {
            Transport::Namespace(namespace) => Some(namespace),
            _ => None,
        }
    }
}

impl Hooks for Namespace {
    fn on_readable(_: &mut Connection, _: &mut [u8], _: &mut Cx<'_>) {}

    fn on_paused(connection: &mut Connection, cx: &mut Cx<'_>) {
        if let Some(namespace) = Self::of(connection) {
            cx.push_effect(Effect::Notice(namespace.carrier, Notice::Paused(cx.key)));
        }
    }

    fn on_unpaused(connection: &mut Connection, cx: &mut Cx<'_>) {
        if let Some(namespace) = Self::of(connection) {
            cx.push_effect(Effect::Notice(namespace.carrier, Notice::Unpaused(cx.key)));
        }
    }

    fn on_attached(connection: &mut Connection, _: Attachment, cx: &mut Cx<'_>) {
        let has_offsets = cx.encodings.has_offsets;
        let mut replayed = 0;
        if let Some(entry) = cx.entry() {
            replayed = entry.session.outbox.numbered();
            // Its stock client waits up to 5 s before it comes back.
            entry.session.hear();
            entry.is_read_alone = false;
            match has_offsets {
                true => drop(entry.remember_unnumbered()),
                false => entry.forget_unnumbered(),
            }
        }
        if let Some(namespace) = Self::of(connection) {
            namespace.replayed = replayed;
        }
        open(connection, cx);
    }

    fn on_notice(connection: &mut Connection, notice: Notice, cx: &mut Cx<'_>) {
        match notice {
            Notice::Room => {
                let was_blocked = connection.queue.set_blocked(false);
                if was_blocked {
                    cx.unblock();
                }
            }
            Notice::HandDown => hand_down(connection, cx),
            Notice::IdentifyBy(auth) => identify(connection, *auth, cx),
            _ => {}
        }
    }

    fn flush(connection: &mut Connection, cx: &mut Cx<'_>) {
        hand_down(connection, cx);
        hand_down_messages(connection, cx);
    }

    fn refuse(connection: &mut Connection, error: &ErrorBody, cx: &mut Cx<'_>) -> bool {
        let Some(namespace) = Self::of(connection) else {
            return false;
        };
        if namespace.is_open {
            return false;
        }
        let (number, carrier) = (namespace.number, namespace.carrier);
        if let Some(name) = cx.encodings.namespace(number) {
            push_down(packet::encoded(&socketio::connect_refused(name, error)), cx);
        }
        cx.push_effect(Effect::Lose(cx.key));
        cx.push_effect(Effect::Notice(
            carrier,
            Notice::Charge(Box::new(error.clone())),
        ));
        true
    }

    /// Alone where the client is not to come back by itself, else with the whole
    /// session of Engine.IO, which makes clients connect again.
    fn close(connection: &mut Connection, reason: CloseReason, cx: &mut Cx<'_>) {
        let Some(namespace) = Self::of(connection) else {
            return;
        };
        let (number, carrier) = (namespace.number, namespace.carrier);
        if cx.carrier.is_none() {
            return cx.push_effect(Effect::Lose(cx.key));
        }
        if reason.row().reconnect {
            return cx.push_effect(Effect::Close(carrier, reason));
        }
        hand_down(connection, cx);
        if let Some(name) = cx.encodings.namespace(number) {
            push_down(packet::encoded(&socketio::disconnect(name)), cx);
        }
        let closes_carrier = cx.carrier.as_ref().is_some_and(|(_, carrier)| {
            let is_last = match &carrier.transport {
                Transport::Engine(engine) => engine.namespaces.len() == 1,
                _ => false,
            };
            is_last && carrier.io.is_some()
        });
        cx.push_effect(Effect::Lose(cx.key));
        if closes_carrier {
            return cx.push_effect(Effect::Close(carrier, reason));
        }
        cx.metrics.close(reason);
        // A client that finds a close packet in the same payload never looks at
        // the one that has the reason; it closes by itself.
        cx.push_effect(Effect::Notice(carrier, Notice::ExpectEnd(PARTING_MS)));
    }

    fn released(connection: &mut Connection, cx: &mut Cx<'_>) {
        let Some(namespace) = Self::of(connection) else {
            return;
        };
        let carrier = namespace.carrier;
        cx.push_effect(Effect::Notice(carrier, Notice::NamespaceGone(cx.key)));
        cx.push_effect(Effect::Notice(carrier, Notice::Unpaused(cx.key)));
    }
}

/// A client connects to a namespace.
pub(super) fn connect(
    connection: &mut Connection,
    number: u8,
    data: Option<&RawValue>,
    cx: &mut Cx<'_>,
) {
    let auth =
        charge::connect(connection, cx).and_then(|()| Auth::read(data, &input::decode_limits(cx)));
    match (auth, SessionId::random()) {
        (Ok(auth), Some(name)) => {
            let namespace = Namespace::connection(name, cx.key, number);
            let begin = Insertion::Namespace(Some(Box::new(auth)));
            cx.push_effect(Effect::Insert(Box::new(namespace), begin));
        }
        (Ok(_), None) => cx.close(CloseReason::Internal),
        (Err(error), _) => {
            if let Some(name) = cx.encodings.namespace(number) {
                let refused = packet::encoded(&socketio::connect_refused(name, &error));
                cx.push_direct(connection, refused);
            }
            charge::error(connection, error, cx);
        }
    }
}

/// Carries out a CONNECT of the client.
fn identify(connection: &mut Connection, auth: Auth, cx: &mut Cx<'_>) {
    match auth {
        Auth::Recover {
            pid,
            offset,
            otherwise,
        } => {
            let offset = offset.filter(|_| cx.encodings.has_offsets);
            match offset.and_then(|offset| MessageId::from_string(&offset).ok()) {
                Some(id) => cx.push_effect(Effect::Recover {
                    connection: cx.key,
                    session: pid,
                    from: ResumeFrom::Message(id),
                    otherwise: Notice::IdentifyBy(otherwise),
                }),
                None => identify(connection, *otherwise, cx),
            }
        }
        Auth::Resume {
            session,
            received,
            attempt,
        } => {
            cx.send_direct(connection, &ServerPacket::IdYou, None);
            let resume = Resume {
                session,
                from: ResumeFrom::Count(received),
                attempt,
                id: None,
            };
            cx.push_effect(Effect::Resume(cx.key, resume));
        }
        Auth::None => {
            open(connection, cx);
            cx.send_direct(connection, &ServerPacket::IdYou, None);
        }
        Auth::IdMe(packet) => {
            cx.send_direct(connection, &ServerPacket::IdYou, None);
            let message = ClientMessage { id: None, packet };
            cx.push_effect(Effect::Command(cx.key, Ok(message), 0));
        }
    }
}

/// The client may come in: its CONNECT is answered.
fn open(connection: &mut Connection, cx: &mut Cx<'_>) {
    let Some(namespace) = Namespace::of(connection) else {
        return;
    };
    cx.lists.dirty.push(cx.key);
    if std::mem::replace(&mut namespace.is_open, true) {
        return;
    }
    let (name, number) = (namespace.name, namespace.number);
    let pid = cx.entry().map_or(name, |entry| entry.session.id);
    let pid = cx.encodings.has_offsets.then(|| pid.secret());
    // A label for people: nothing is found by it.
    let sid = SessionId::random()
        .map(|id| id.secret())
        .unwrap_or_default();
    if let Some(name) = cx.encodings.namespace(number) {
        let packet = socketio::connect(name, &sid, pid.as_deref());
        push_down(packet::encoded(&packet), cx);
    }
}

/// Queues a frame on the session of Engine.IO.
fn push_down(frame: Frame, cx: &mut Cx<'_>) {
    let Some((key, carrier)) = &mut cx.carrier else {
        return;
    };
    if carrier.is_closing() {
        return;
    }
    let waiting = carrier.queue.bytes();
    carrier.queue.push(frame);
    if !carrier.queue.is_blocked() {
        cx.lists.dirty.push(*key);
    }
    if waiting > cx.settings.session.outbox_bytes_max {
        cx.effects.push(Effect::Close(*key, CloseReason::TooSlow));
    }
}

/// Hands the frames of the namespace itself down, not those of its session.
fn hand_down(connection: &mut Connection, cx: &mut Cx<'_>) {
    let reader = connection.reader(cx.encodings, None, cx.now_ms);
    let Some(namespace) = Namespace::of(connection) else {
        return;
    };
    let number = namespace.number;
    if !namespace.is_open {
        return;
    }
    for frame in connection.queue.take_direct() {
        push_down(carried(frame, number, &reader), cx);
    }
}

/// Hands the messages of the session down, as far as there is room.
fn hand_down_messages(connection: &mut Connection, cx: &mut Cx<'_>) {
    let max = cx.settings.transport.socketio.queue_bytes_max;
    let settings = &cx.settings.session;
    let reader = connection.reader(cx.encodings, None, cx.now_ms);
    let Some(namespace) = Namespace::of(connection) else {
        return;
    };
    let (number, replayed) = (namespace.number, namespace.replayed);
    let (Some((_, entry)), Some((key, carrier))) = (&mut cx.session, &mut cx.carrier) else {
        return;
    };
    if !namespace.is_open || carrier.is_closing() {
        return;
    }
    let outbox = &mut entry.session.outbox;
    let sent = outbox.sent();
    let mut count = 0;
    for frame in outbox.waiting() {
        if carrier.queue.bytes() >= max {
            break;
        }
        count += 1;
        let frame = match frame.as_message() {
            // Written anew: what was requested on another connection is no
            // acknowledgement here, and may have been written as one.
            Some(message) if sent + count as u64 <= replayed => Frame::raw(&reader.write(message)),
            _ => carried(frame.clone(), number, &reader),
        };
        carrier.queue.push(frame);
    }
    if count > 0 && !carrier.queue.is_blocked() {
        cx.lists.dirty.push(*key);
    }
    outbox.written(count, settings.replay_bytes_max);
    let is_blocked = !outbox.is_drained();
    entry.is_dirty = false;
    entry.is_blocked = is_blocked;
    if !is_blocked {
        entry.limit_waiting(settings.outbox_bytes_max);
    } else if let Transport::Engine(engine) = &mut carrier.transport {
        engine.has_blocked = true;
    }
    connection.queue.set_blocked(is_blocked);
}

/// A frame of a namespace as it waits on the session of Engine.IO: shared where
/// many read the same.
fn carried(frame: Frame, number: u8, reader: &Reader<'_>) -> Frame {
    match frame {
        Frame::Message(message) => {
            // Written here, where the mark of the connection is known.
            let _ = message.bytes(reader);
            Frame::Packet(number, message)
        }
        frame => match frame.as_message() {
            Some(message) => Frame::raw(&reader.write(message)),
            None => frame,
        },
    }
}

/// Answers CONNECT to a name that is no namespace.
pub(super) fn refuse_name(connection: &mut Connection, name: &str, cx: &mut Cx<'_>) {
    let packet = socketio::connect_error(name, "Invalid namespace", None);
    cx.push_direct(connection, packet::encoded(&packet));
    let error = ErrorBody::new(ErrorCode::NotFound, "there is no such namespace");
    charge::error(connection, error, cx);
}
