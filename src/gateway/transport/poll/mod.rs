//! Polls (seed 000): what waits for a client goes out with the answers to its own
//! calls.
//!
//! A poll's connection has no socket. A request brings calls and is answered when
//! all of them are, with everything that waits then. One request is carried out
//! at a time, so its answer has the answers to its own calls, whatever else its
//! client sent meanwhile. A numbered request that comes again gets the same
//! answer again: a lost answer costs nothing. That answer is retained until the
//! next one, so it has a bound.

pub mod accept;
mod answer;
mod request;
pub mod settings;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use crate::gateway::admission::Permit;
use crate::gateway::connection::Connection;
use crate::gateway::delivery::encoding::Encoding;
use crate::gateway::delivery::frame::Frame;
use crate::gateway::session::memory::{Answered, ResumeFrom};
use crate::gateway::settings::GatewaySettings;
use crate::gateway::submit::Taken;
use crate::gateway::transport::backlog::Backlog;
use crate::gateway::transport::context::Cx;
use crate::gateway::transport::{Attachment, Hooks, Request, Transport, TransportTimer};
use crate::gateway::work::{Command, Effect};
use turntable_core::id::SessionId;
use turntable_core::packet::{ClientPacket, ErrorBody, RequestId, ServerPacket};
use turntable_core::reason::{CloseReason, ErrorCode};
use turntable_wire::json_v1;
use turntable_wire::remote_call;

pub(crate) use request::PollRequest;
pub use request::Refused;
use request::close_entry;

/// Requests of one session that may wait for the one before them.
const WAITING_MAX: usize = 8;

/// The timers of a poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PollTimer {
    /// Its client may have gone.
    Gone,
    /// A request has waited for its answers.
    Answer,
}

const GONE: TransportTimer = TransportTimer::Poll(PollTimer::Gone);
const ANSWER: TransportTimer = TransportTimer::Poll(PollTimer::Answer);

/// The state of a poll.
#[derive(Debug)]
pub(crate) struct Poll {
    name: SessionId,
    /// The request that is carried out.
    current: Option<PollRequest>,
    /// Calls of it that were not answered.
    missing: Vec<RequestId>,
    /// Unix ms when it is answered without them. A later request does not move it.
    answer_at_ms: u64,
    waiting: VecDeque<PollRequest>,
    answered: Option<Answered>,
    backlog: Backlog,
    /// Unix ms of the last request.
    heard_ms: u64,
    leaving: Leaving,
    resume: ResumeStage,
}

/// Whether its client is sent away, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leaving {
    No,
    /// With the next answer behind which nothing waits.
    WithAnswer,
    /// Without a `goaway`, once the commands of its request are carried out: its client takes
    /// them as taken.
    BehindCommands,
}

/// What became of the session that a connection began for.
#[derive(Debug)]
enum ResumeStage {
    /// The connection began without one, or has it.
    None,
    /// The connection does not have it yet.
    Awaited,
    /// The connection does not get it, for this reason. Requests that name the session are
    /// never handed to this connection, which ends with the request that it began with.
    Refused(Box<ErrorBody>),
}

impl Poll {
    /// The connection of a client that polls.
    pub(crate) fn connection(name: SessionId, permit: Permit, now_ms: u64) -> Connection {
        let poll = Self {
            name,
            current: None,
            missing: Vec::new(),
            answer_at_ms: 0,
            waiting: VecDeque::new(),
            answered: None,
            backlog: Backlog::default(),
            heard_ms: now_ms,
            leaving: Leaving::No,
            resume: ResumeStage::None,
        };
        let transport = Transport::Poll(Box::new(poll));
        let mut connection = Connection::new(None, Some(permit), transport);
        connection.encoding = Encoding::Entries;
        connection
    }

    /// Begins a connection. A new client gets a welcome before all else, with the
    /// session that it may identify for; one that resumes has it.
    pub(crate) fn begin(connection: &mut Connection, is_new: bool, cx: &mut Cx<'_>) {
        cx.arm(GONE, cx.now_ms + gone_ms(!is_new, cx.settings));
        let Some(poll) = Self::of(connection) else {
            return;
        };
        if is_new {
            let first = connected(poll.name, cx);
            cx.push_direct(connection, Frame::raw(&first));
        } else {
            poll.resume = ResumeStage::Awaited;
        }
    }

    /// The name by which requests find it.
    pub(crate) const fn name(&self) -> SessionId {
        self.name
    }

    /// Unix ms of the last request.
    pub(crate) const fn heard_ms(&self) -> u64 {
        self.heard_ms
    }

    /// Its client is sent away with the next answer behind which nothing waits.
    pub(crate) const fn leave_with_answer(&mut self) {
        self.leaving = Leaving::WithAnswer;
    }

    /// Its client is sent away once the commands of its request are carried out. Returns whether
    /// it has a request under way.
    pub(crate) const fn leave_behind_commands(&mut self) -> bool {
        self.leaving = Leaving::BehindCommands;
        self.current.is_some()
    }

    /// It is not sent away any more.
    pub(crate) const fn stay(&mut self) {
        self.leaving = Leaving::No;
    }

    /// The last numbered request and its answer.
    pub(crate) const fn answered(&self) -> Option<&Answered> {
        self.answered.as_ref()
    }

    /// Drops the answer to the last numbered request.
    pub(crate) fn forget_answer(&mut self) {
        if let Some(answered) = &mut self.answered {
            answered.forget();
        }
    }

    fn of(connection: &mut Connection) -> Option<&mut Self> {
        match &mut connection.transport {
            Transport::Poll(poll) => Some(poll),
            _ => None,
        }
    }
}

impl Hooks for Poll {
    fn on_readable(_: &mut Connection, _: &mut [u8], _: &mut Cx<'_>) {}

    fn on_unpaused(connection: &mut Connection, cx: &mut Cx<'_>) {
        if let Some(poll) = Self::of(connection) {
            poll.backlog.leave_next(cx);
        }
        cx.mark_dirty();
    }

    fn on_request(connection: &mut Connection, request: Request, cx: &mut Cx<'_>) {
        let Some(poll) = Self::of(connection) else {
            return;
        };
        if let ResumeStage::Refused(error) = &poll.resume {
            request.refuse((**error).clone());
            return cx.push_effect(Effect::Lose(cx.key));
        }
        match request {
            Request::Poll(request) if poll.waiting.len() >= WAITING_MAX => {
                poll.heard_ms = cx.now_ms;
                request.refuse(ErrorBody::new(
                    ErrorCode::TooMany,
                    format!("at most {WAITING_MAX} requests of a session may wait"),
                ));
            }
            Request::Poll(mut request) => {
                poll.heard_ms = cx.now_ms;
                let resume_id = request.resume_id.take();
                poll.waiting.push_back(*request);
                next(connection, cx);
                // A resume is answered before anything else.
                if let Some(id) = resume_id {
                    Self::on_answered(connection, &id, cx);
                }
            }
            Request::Commands { commands, taken } => {
                let is_taken = poll.backlog.add(commands);
                taken.answer(if is_taken { Taken::Yes } else { Taken::Full });
                cx.push_effect(Effect::Continue(cx.key));
            }
            Request::Tunnel(_) | Request::Engine(_) => {}
        }
    }

    fn refuse(connection: &mut Connection, error: &ErrorBody, cx: &mut Cx<'_>) -> bool {
        let Some(poll) = Self::of(connection) else {
            return false;
        };
        let is_awaited = matches!(poll.resume, ResumeStage::Awaited);
        if is_awaited {
            cx.metrics.error(error.code, error.limit);
            // The request comes next: nothing of it is carried out.
            poll.resume = ResumeStage::Refused(Box::new(error.clone()));
        }
        is_awaited
    }

    fn on_attached(connection: &mut Connection, attachment: Attachment, cx: &mut Cx<'_>) {
        if let Some(poll) = Self::of(connection) {
            poll.resume = ResumeStage::None;
        }
        let Some(entry) = cx.entry() else {
            return;
        };
        entry.session.hear();
        entry.forget_unnumbered();
        let memory = entry.memory.as_mut();
        let answered = memory.and_then(|memory| memory.answered.take());
        // Else it is another client, which numbers its requests anew.
        if attachment == Attachment::Resumed(ResumeFrom::Unwritten)
            && let Some(poll) = Self::of(connection)
        {
            poll.answered = answered;
        }
    }

    fn on_detached(connection: &mut Connection, cx: &mut Cx<'_>) {
        let answered = Self::of(connection).and_then(|poll| poll.answered.take());
        if let (Some(answered), Some(entry)) = (answered, cx.entry()) {
            entry.memory.get_or_insert_default().answered = Some(answered);
        }
    }

    fn on_answered(connection: &mut Connection, id: &RequestId, cx: &mut Cx<'_>) {
        if let Some(poll) = Self::of(connection)
            && let Some(at) = poll.missing.iter().position(|missing| missing == id)
        {
            poll.missing.swap_remove(at);
            cx.mark_dirty();
        }
    }

    fn on_timer(connection: &mut Connection, timer: TransportTimer, cx: &mut Cx<'_>) {
        let is_identified = connection.session().is_some();
        let Some(poll) = Self::of(connection) else {
            return;
        };
        match timer {
            // The timer of an earlier request comes before that time.
            ANSWER if poll.answer_at_ms <= cx.now_ms => {
                // What was not answered comes with a later answer.
                poll.missing.clear();
                cx.mark_dirty();
            }
            GONE => {
                let at_ms = poll.heard_ms + gone_ms(is_identified, cx.settings);
                if at_ms <= cx.now_ms && poll.current.is_none() {
                    log::debug!("a poll is lost: its client sent no request");
                    return cx.push_effect(Effect::Lose(cx.key));
                }
                cx.arm(GONE, at_ms.max(cx.now_ms + 1));
            }
            _ => {}
        }
    }

    fn takes_presence(connection: &Connection) -> bool {
        is_whole(connection)
    }

    fn flush(connection: &mut Connection, cx: &mut Cx<'_>) {
        let is_whole = is_whole(connection) && !cx.is_paused(connection);
        let has_room = is_whole && answer::has_room(connection, cx);
        let Some(poll) = Self::of(connection) else {
            return;
        };
        let has_request = poll.current.is_some();
        if let Some(entry) = cx.entry() {
            entry.is_dirty = false;
            // Between requests changes of presence merge.
            entry.is_blocked = !has_request;
        }
        if poll.leaving == Leaving::BehindCommands && poll.backlog.is_empty() {
            cx.close(CloseReason::GoingAway);
        } else if has_room && poll.leaving == Leaving::WithAnswer {
            poll.leaving = Leaving::No;
            cx.push_effect(Effect::Leave(cx.key));
        } else if is_whole {
            answer(connection, cx);
            next(connection, cx);
        }
    }

    fn close(connection: &mut Connection, reason: CloseReason, cx: &mut Cx<'_>) {
        connection
            .queue
            .push(Frame::raw(close_entry(reason).as_bytes()));
        cx.metrics.close(reason);
        // What waits for the session stays with it.
        cx.session = None;
        answer(connection, cx);
        let waiting = Self::of(connection).map(|poll| std::mem::take(&mut poll.waiting));
        for request in waiting.into_iter().flatten() {
            request.close(reason);
        }
        cx.push_effect(Effect::Lose(cx.key));
    }
}

/// The entry with the welcome of a client that has not identified.
fn connected(name: SessionId, cx: &Cx<'_>) -> Vec<u8> {
    let welcome = cx.settings.welcome(name, cx.now_ms);
    let mut text = Vec::new();
    json_v1::encode(&ServerPacket::Welcome(Box::new(welcome)), None, &mut text);
    let mut entry = Vec::new();
    let parts = std::str::from_utf8(&text).ok().and_then(json_v1::split);
    remote_call::connected(parts.map_or("{}", |parts| parts.data.get()), &mut entry);
    entry
}

/// After what time without a request a client counts as gone, in ms.
fn gone_ms(is_identified: bool, settings: &GatewaySettings) -> u64 {
    let gone_ms = settings.transport.poll.gone_ms;
    if is_identified {
        gone_ms
    } else {
        gone_ms.min(settings.session.identify_timeout_ms)
    }
}

/// Whether the request that is carried out can be answered.
fn is_whole(connection: &Connection) -> bool {
    let Transport::Poll(poll) = &connection.transport else {
        return false;
    };
    poll.current.is_some()
        && poll.missing.is_empty()
        && poll.backlog.is_empty()
        && !connection.is_paused()
}

/// Carries out the next request, where none is under way.
fn next(connection: &mut Connection, cx: &mut Cx<'_>) {
    while let Some(poll) = Poll::of(connection)
        && poll.current.is_none()
        && let Some(mut request) = poll.waiting.pop_front()
    {
        match (request.batch, &poll.answered) {
            (Some(batch), Some(known)) if batch == known.batch => {
                match known.body.clone() {
                    Some(answer) => {
                        if let Some(permit) = &connection.permit {
                            let limit = cx.settings.limits.address_bytes;
                            permit.pay_bytes(answer.body.len(), limit, cx.now_ms);
                        }
                        let _ = request.respond.send(Ok(answer));
                    }
                    None => request.refuse(dropped()),
                }
                continue;
            }
            (Some(batch), Some(known)) if batch < known.batch => {
                let _ = request.respond.send(Err(Refused::Stale));
                continue;
            }
            _ => {}
        }
        let commands = std::mem::take(&mut request.commands);
        poll.missing = commands.iter().filter_map(awaited).collect();
        let is_waiting = !poll.missing.is_empty();
        poll.current = Some(request);
        poll.backlog.extend(commands);
        if let Some(entry) = cx.entry() {
            entry.is_blocked = false;
        }
        if is_waiting {
            let at_ms = cx.now_ms + cx.settings.transport.poll.answer_ms;
            poll.answer_at_ms = at_ms;
            cx.arm(ANSWER, at_ms);
        }
        cx.push_effect(Effect::Continue(cx.key));
        cx.mark_dirty();
    }
}

fn answer(connection: &mut Connection, cx: &mut Cx<'_>) {
    let Some(request) = Poll::of(connection).and_then(|poll| poll.current.take()) else {
        return;
    };
    if request.respond.is_closed() && request.batch.is_none() {
        // The client has gone; what waits goes out with the next answer.
        return;
    }
    let answer = answer::compose(connection, request.batch.is_some(), cx);
    cx.counters.sent_bytes += answer.body.len() as u64;
    cx.counters.writes += 1;
    let Some(poll) = Poll::of(connection) else {
        return;
    };
    if let Some(batch) = request.batch {
        poll.answered = Some(Answered {
            batch,
            received: request.received,
            body: Some(answer.clone()),
        });
    }
    let _ = request.respond.send(Ok(answer));
    let is_waiting = !poll.waiting.is_empty();
    if let Some(entry) = cx.entry() {
        entry.is_blocked = !is_waiting;
    }
}

/// A request that was carried out comes again, and its answer is not there.
fn dropped() -> ErrorBody {
    ErrorBody::new(
        ErrorCode::SessionExpired,
        "this batch was carried out, but its answer was dropped as the server is short of memory; \
         begin a new session, or go on with the next number without it",
    )
}

/// The `id` of a command that is answered in any case.
fn awaited(command: &Command) -> Option<RequestId> {
    match command {
        Ok(message)
            if matches!(
                message.packet,
                ClientPacket::Reply { .. } | ClientPacket::Game { .. }
            ) =>
        {
            None
        }
        Ok(message) => message.id.clone(),
        Err(error) => error.id.clone(),
    }
}
