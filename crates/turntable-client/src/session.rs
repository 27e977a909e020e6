//! The session of a client: identification, resume, counting, and answers.
//!
//! Pure but for the channels of those who wait: messages and `now` go in, effects come
//! out, and the driver carries them out. On each connection the server sends `idyou`
//! first; the client answers with `resume` if it has a session, else with `idme`. All
//! messages behind the session's first `welcome` are counted, except `idyou`, the first
//! `welcome` of a connection and what comes before it.

mod answer;
mod welcome;

use std::collections::{HashMap, VecDeque};

use serde_json::value::RawValue;
use tokio::sync::oneshot;
use tokio_tungstenite::tungstenite::Message;

use turntable_core::id::{SessionId, UserId};
use turntable_core::packet::{ClientPacket, RequestId};
use turntable_core::payload::Payload;
use turntable_core::reason::ErrorCode;
use turntable_wire::json_v1;

use crate::desired::{Change, Desired};
use crate::error::{Disconnection, Ended, Error, Refusal};
use crate::event::Event;
use crate::exchange::Exchange;
use crate::options::Encoding;
use crate::pace::Pace;
use crate::sent::SentLog;
pub(crate) use welcome::{Claim, Online};

/// Commands without confirmation, and their bytes: beyond them nothing is sent.
const OPEN_MAX: usize = 10_000;
const OPEN_BYTES_MAX: usize = 4 * 1_024 * 1_024;

/// The answer to a command, as JSON.
pub(crate) type Answer = Result<Box<RawValue>, Error>;

/// Who waits for an answer.
pub(crate) type Done = oneshot::Sender<Answer>;

/// A command, and who waits for its answer.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) packet: ClientPacket,
    /// The id of the call that a `reply` answers.
    pub(crate) answers: Option<u64>,
    /// `None`: a refusal is an event.
    pub(crate) done: Option<Done>,
}

/// A command that waits for its rate.
#[derive(Debug)]
pub(crate) struct Delayed {
    pub(crate) command: Command,
    pub(crate) until_ms: u64,
}

impl Command {
    /// A command that nobody waits for.
    fn restored(packet: ClientPacket) -> Self {
        Self {
            packet,
            answers: None,
            done: None,
        }
    }
}

/// What has to happen.
#[derive(Debug)]
pub(crate) enum Effect {
    /// A frame is sent.
    Write(Message),
    /// The credentials are needed, for [`Session::identify`].
    Identify,
    /// The same, for [`Session::renew`].
    Renew,
    /// A function of this client is called.
    Call {
        f: String,
        args: Option<Box<RawValue>>,
        user: Option<String>,
        key: Option<String>,
        /// `None`: no answer is awaited.
        id: Option<u64>,
    },
    /// The answer to this call is not awaited any more.
    Cancel(u64),
    /// The program may want to know.
    Event(Event),
    /// The session is there, or there again.
    Online(Online),
    /// The server accepted these credentials, which the program gave it.
    Authenticated(Payload),
    /// The session is another user's now: the calls of before are over.
    Become,
    /// Services changed.
    Services(String),
    /// The server stops: come back later than this, perhaps to another address.
    GoAway { wait_ms: u64, url: Option<String> },
    /// The connection is of no use: another one is tried, not before the server wants it.
    Drop { text: String, wait_ms: Option<u64> },
    /// It is over.
    End(Ended),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// There is no connection, or nothing was sent on it.
    Away,
    /// `resume` was sent.
    Resuming,
    /// `idme` was sent, or is about to be.
    Identifying,
    /// The connection has its welcome.
    Online,
}

/// A command whose answer may come.
#[derive(Debug)]
struct Waiting {
    /// Its number in the log.
    number: u64,
    change: Option<Change>,
    /// The first class of its rate.
    class: Option<&'static str>,
    is_renewal: bool,
    /// The credentials of an `authenticate` of the program.
    claimed: Option<Payload>,
    done: Option<Done>,
}

/// The session.
#[derive(Debug)]
pub(crate) struct Session {
    encoding: Encoding,
    phase: Phase,
    secret: Option<SessionId>,
    user: Option<UserId>,
    /// Which session it is: calls of another are not answered.
    number: u64,
    received: u64,
    /// How often it was to be resumed; the server drops what belongs to an earlier attempt.
    attempt: u32,
    sent: SentLog,
    waiting: HashMap<u64, Waiting>,
    last_id: u64,
    desired: Desired,
    /// Desired state that a new session gets.
    restoring: VecDeque<Command>,
    pace: Pace,
    exchange: Exchange,
    message_bytes_max: usize,
    /// Whether there may be other credentials than those before.
    is_renewable: bool,
    has_asked_again: bool,
    renew_at_ms: Option<u64>,
    /// What the server said before it closed the connection.
    parting: Option<Refusal>,
    effects: Vec<Effect>,
}

impl Session {
    pub(crate) fn new(encoding: Encoding, is_renewable: bool) -> Self {
        Self {
            encoding,
            phase: Phase::Away,
            secret: None,
            user: None,
            number: 0,
            received: 0,
            attempt: 0,
            sent: SentLog::default(),
            waiting: HashMap::new(),
            last_id: 0,
            desired: Desired::default(),
            restoring: VecDeque::new(),
            pace: Pace::default(),
            exchange: Exchange::default(),
            message_bytes_max: usize::MAX,
            is_renewable,
            has_asked_again: false,
            renew_at_ms: None,
            parting: None,
            effects: Vec::new(),
        }
    }

    /// What has to happen now.
    pub(crate) fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// Which session it is.
    pub(crate) const fn number(&self) -> u64 {
        self.number
    }

    /// Whether another command can be sent.
    pub(crate) fn has_room(&self) -> bool {
        self.phase == Phase::Online
            && self.sent.len() < OPEN_MAX
            && self.sent.bytes() < OPEN_BYTES_MAX
    }

    /// Whether the connection has its welcome.
    pub(crate) fn is_online(&self) -> bool {
        self.phase == Phase::Online
    }

    /// When to look at the clock again, if nothing happens.
    pub(crate) fn next_ms(&self) -> Option<u64> {
        if self.phase != Phase::Online {
            return None;
        }
        let times = [
            self.exchange.due_ms(),
            self.exchange.dead_ms(),
            self.renew_at_ms,
        ];
        times.into_iter().flatten().min()
    }

    /// Does what is due by the clock.
    pub(crate) fn tick(&mut self, now_ms: u64, unix_ms: u64) {
        if self.phase != Phase::Online {
            return;
        }
        if self.exchange.dead_ms().is_some_and(|at_ms| at_ms <= now_ms) {
            self.drop_connection("nothing came from the server for too long", None);
            return;
        }
        if self.renew_at_ms.is_some_and(|at_ms| at_ms <= now_ms) {
            self.renew_at_ms = None;
            self.effects.push(Effect::Renew);
        }
        if self.exchange.due_ms().is_some_and(|at_ms| at_ms <= now_ms) {
            let exchange = ClientPacket::Time {
                t0: Payload::from_json(&unix_ms.to_string()),
                t0_ms: unix_ms as f64,
                received: Some(self.received),
            };
            let bytes = 64;
            if let Err(wait_ms) = self.pace.take(&exchange, bytes, now_ms) {
                self.exchange.pause(wait_ms, now_ms);
                return;
            }
            self.exchange.begun(self.sent.count(), now_ms);
            let frame = self.encoding.frame(&exchange, None);
            self.effects.push(Effect::Write(frame));
        }
    }

    /// Sends a command, unless nobody waits for it any more. Returns one that has to wait for
    /// its rate.
    #[must_use]
    pub(crate) fn send(&mut self, command: Command, now_ms: u64) -> Option<Delayed> {
        if command
            .done
            .as_ref()
            .is_some_and(oneshot::Sender::is_closed)
        {
            return None;
        }
        let id = command.answers.unwrap_or(self.last_id + 1);
        let request = RequestId(id.to_string().into());
        let frame = self.encoding.frame(&command.packet, Some(&request));
        if frame.len() > self.message_bytes_max {
            self.refuse_large(command);
            return None;
        }
        if let Err(wait_ms) = self.pace.take(&command.packet, frame.len(), now_ms) {
            let until_ms = now_ms.saturating_add(wait_ms);
            return Some(Delayed { command, until_ms });
        }
        let Command {
            packet,
            answers,
            done,
        } = command;
        let number = self.sent.add(frame.clone());
        self.exchange.sent();
        self.effects.push(Effect::Write(frame));
        if answers.is_none() {
            self.last_id = id;
            let waiting = Waiting {
                number,
                change: self.desired.note(&packet),
                class: packet.charges().next().map(|(class, _)| class),
                is_renewal: false,
                claimed: match &packet {
                    ClientPacket::Authenticate { credentials, .. } => Some(credentials.clone()),
                    _ => None,
                },
                done,
            };
            // A `game` is answered only if it is refused; its place is that of the broadcast.
            let is_answered = !matches!(packet, ClientPacket::Game { .. });
            if is_answered || waiting.done.is_some() {
                self.waiting.insert(id, waiting);
            }
        }
        None
    }

    /// Desired state that a new session still has to get.
    pub(crate) fn restoring(&mut self) -> Option<Command> {
        self.restoring.pop_front()
    }

    fn refuse_large(&mut self, command: Command) {
        let max = self.message_bytes_max;
        let message = format!("the message is over the server's limit of {max} bytes");
        let refusal = Refusal::new(ErrorCode::TooLarge, message);
        if let Some(call) = command.answers {
            // The caller gets an answer all the same.
            let error = serde_json::json!({
                "error": { "code": refusal.code.name(), "message": refusal.message }
            });
            self.restoring.push_back(Command {
                packet: ClientPacket::Reply {
                    result: error.into(),
                },
                answers: Some(call),
                done: None,
            });
        } else {
            self.settle(command.done, Err(Error::Refused(refusal)));
        }
    }

    /// Who waits gets the answer; a refusal that nobody waits for is an event.
    fn settle(&mut self, done: Option<Done>, answer: Answer) {
        match (done, answer) {
            (Some(done), answer) => {
                // It may have given up.
                let _ = done.send(answer);
            }
            (None, Err(Error::Refused(refusal))) => {
                self.effects.push(Effect::Event(Event::Refused(refusal)));
            }
            (None, _) => {}
        }
    }

    /// The connection is abandoned, and another one tried.
    fn drop_connection(&mut self, text: impl Into<String>, wait_ms: Option<u64>) {
        self.effects.push(Effect::Drop {
            text: text.into(),
            wait_ms,
        });
    }

    /// The connection ended. Returns why it is over, if it is.
    pub(crate) fn lost(&mut self, end: &Disconnection) -> Option<Ended> {
        self.phase = Phase::Away;
        self.renew_at_ms = None;
        if !end.resumes() {
            self.secret = None;
        }
        let refusal = self.parting.take();
        if end.reconnects() {
            return None;
        }
        Some(match (end.reason(), end.code) {
            (Some(reason), Some(code)) => Ended::Disconnected {
                code,
                name: reason.name(),
                refusal,
            },
            _ => Ended::Lost(end.text.clone()),
        })
    }

    /// It is over: nobody gets an answer any more.
    pub(crate) fn end(&mut self, why: &Ended) {
        self.phase = Phase::Away;
        for (_, waiting) in self.waiting.drain() {
            if let Some(done) = waiting.done {
                let _ = done.send(Err(Error::Ended(why.clone())));
            }
        }
    }

    /// The frame that ends the session.
    pub(crate) fn bye(&self) -> Message {
        self.encoding.frame(&ClientPacket::Bye, None)
    }

    /// A message of the server.
    pub(crate) fn message(&mut self, text: &str, now_ms: u64) {
        let parts = json_v1::split(text);
        let command = parts.as_ref().map_or("", |parts| parts.command);
        let is_counted = self.phase == Phase::Online && command != "idyou";
        self.exchange.heard(now_ms);
        if is_counted {
            self.received += 1;
            self.exchange.received(text.len());
        }
        match parts {
            Some(parts) => self.dispatch(&parts, now_ms),
            None => self.unreadable(),
        }
    }

    /// A frame that only shows that the server is there.
    pub(crate) fn sign(&mut self, now_ms: u64) {
        self.exchange.heard(now_ms);
    }

    /// A message that cannot be read. It counts all the same.
    pub(crate) fn unreadable_frame(&mut self, now_ms: u64) {
        self.exchange.heard(now_ms);
        if self.phase == Phase::Online {
            self.received += 1;
            self.exchange.received(0);
        }
        self.unreadable();
    }

    fn unreadable(&mut self) {
        let message = "a message of the server cannot be read; it is skipped";
        let refusal = Refusal::new(ErrorCode::BadMessage, message);
        self.effects.push(Effect::Event(Event::Refused(refusal)));
    }
}

#[cfg(test)]
mod tests;
