//! The beginning of a connection: `idyou`, the claim, `welcome`, and refusals.

use std::collections::{BTreeMap, HashMap, VecDeque};

use serde::Deserialize;

use turntable_core::id::{SessionId, UserId};
use turntable_core::packet::{ClientPacket, RequestId};
use turntable_core::payload::Payload;
use turntable_core::reason::ErrorCode;

use super::{Command, Done, Effect, Phase, Session, Waiting};
use crate::desired::{Change, Join};
use crate::error::{Ended, Error, Refusal};
use crate::event::{Event, ServiceInfo};
use crate::pace::Rate;

/// Of the time that is left of credentials, the part before their renewal; and the time
/// that remains for it, at most.
const RENEW_PART: f64 = 0.8;
const RENEW_MARGIN_MS: f64 = 60_000.0;
/// How soon a renewal is tried again that failed for a moment.
const RENEW_AGAIN_MS: u64 = 5_000;

/// The data of a `welcome` that a client needs.
#[derive(Debug, Deserialize)]
struct Welcome {
    user: Option<UserId>,
    session: SessionId,
    resumed: bool,
    accepted: u64,
    #[serde(default)]
    heartbeat_ms: u64,
    #[serde(default)]
    services: BTreeMap<String, ServiceInfo>,
    #[serde(default)]
    limits: Limits,
    #[serde(default)]
    warnings: Vec<String>,
    expires_in: Option<f64>,
    token: Option<String>,
    #[serde(default)]
    reconnect_ms: u64,
}

#[derive(Debug, Default, Deserialize)]
struct Limits {
    max_message_bytes: Option<usize>,
    #[serde(default)]
    rates: BTreeMap<String, Rate>,
}

/// What a session has when it is there.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Online {
    pub(crate) user: Option<UserId>,
    pub(crate) resumed: bool,
    pub(crate) services: BTreeMap<String, ServiceInfo>,
    /// What a guest comes back with.
    pub(crate) token: Option<String>,
    /// Over how long clients are to come back if the server crashes.
    pub(crate) reconnect_ms: u64,
}

/// Who a client claims to be.
#[derive(Debug, Clone)]
pub(crate) struct Claim {
    pub(crate) user: Option<UserId>,
    pub(crate) attributes: Vec<(Box<str>, Payload)>,
}

impl Session {
    /// `idyou`: a connection begins.
    pub(super) fn greeted(&mut self) {
        if self.phase == Phase::Online {
            return;
        }
        match self.secret {
            Some(session) => {
                self.phase = Phase::Resuming;
                self.attempt += 1;
                let resume = ClientPacket::Resume {
                    session,
                    received: self.received,
                    attempt: Some(self.attempt),
                };
                let frame = self.encoding.frame(&resume, None);
                self.effects.push(Effect::Write(frame));
            }
            None => {
                self.phase = Phase::Identifying;
                self.effects.push(Effect::Identify);
            }
        }
    }

    /// The credentials are there: the client identifies.
    pub(crate) fn identify(&mut self, claim: &Claim, credentials: Option<Payload>) {
        let claim = ClientPacket::IdMe {
            user: claim.user.clone(),
            credentials,
            attributes: claim.attributes.clone(),
            status: None,
        };
        let frame = self.encoding.frame(&claim, None);
        self.effects.push(Effect::Write(frame));
    }

    /// The program has no credentials now.
    pub(crate) fn no_credentials(&mut self, why: &str) {
        let text = format!("no credentials: {why}");
        self.drop_connection(text, None);
    }

    /// New credentials are there before the last ones expire; or none, for a moment.
    pub(crate) fn renew(&mut self, credentials: Option<Payload>, now_ms: u64) {
        if self.phase != Phase::Online {
            // The next identification asks for them again.
            return;
        }
        let Some(credentials) = credentials else {
            self.renew_at_ms = Some(now_ms + RENEW_AGAIN_MS);
            return;
        };
        let packet = ClientPacket::Authenticate {
            user: None,
            credentials,
        };
        self.last_id += 1;
        let id = RequestId(self.last_id.to_string().into());
        let frame = self.encoding.frame(&packet, Some(&id));
        let number = self.sent.add(frame.clone());
        self.effects.push(Effect::Write(frame));
        let waiting = Waiting {
            number,
            change: None,
            class: None,
            is_renewal: true,
            claimed: None,
            done: None,
        };
        self.waiting.insert(self.last_id, waiting);
    }

    /// A renewal was refused.
    pub(super) fn renewal_refused(&mut self, refusal: &Refusal, now_ms: u64) {
        if refusal.is_temporary() {
            self.renew_at_ms = Some(now_ms + refusal.retry_ms().unwrap_or(RENEW_AGAIN_MS));
        }
    }

    /// `welcome`.
    pub(super) fn welcomed(&mut self, data: &str, now_ms: u64) {
        let welcome = match serde_json::from_str::<Welcome>(data) {
            Ok(welcome) => welcome,
            Err(error) if self.phase == Phase::Online => {
                return self.unread("welcome", &error);
            }
            Err(error) => {
                let text = format!("the server's welcome cannot be read: {error}");
                return self.drop_connection(text, None);
            }
        };
        self.schedule_renewal(&welcome, now_ms);
        if self.phase == Phase::Online {
            return self.welcomed_again(welcome);
        }
        let resumed = self.phase == Phase::Resuming && welcome.resumed;
        self.phase = Phase::Online;
        self.secret = Some(welcome.session);
        self.has_asked_again = false;
        self.parting = None;
        let Limits {
            max_message_bytes,
            rates,
        } = welcome.limits;
        self.message_bytes_max = max_message_bytes.unwrap_or(usize::MAX);
        self.pace.begin(rates, resumed);
        self.exchange.begin(welcome.heartbeat_ms, now_ms);
        if resumed {
            // What the server did not take comes first.
            let frames = self.sent.resume(welcome.accepted);
            self.effects.extend(frames.into_iter().map(Effect::Write));
        } else {
            self.begin();
        }
        self.user.clone_from(&welcome.user);
        let (user, warnings) = (welcome.user.clone(), welcome.warnings);
        self.effects.push(Effect::Online(Online {
            user: welcome.user,
            resumed,
            services: welcome.services,
            token: welcome.token,
            reconnect_ms: welcome.reconnect_ms,
        }));
        self.effects.push(Effect::Event(Event::Connected {
            user,
            resumed,
            warnings,
        }));
    }

    /// The answer to `authenticate`: the same session, which may be another user's now. It
    /// has left what belonged to the user before, and what it watches goes on.
    fn welcomed_again(&mut self, welcome: Welcome) {
        if welcome.user != self.user {
            self.user.clone_from(&welcome.user);
            // The numbers of calls begin again.
            self.number += 1;
            self.effects.push(Effect::Become);
            for packet in self.desired.take(self.message_bytes_max) {
                if matches!(packet, ClientPacket::Subscribe(_)) {
                    self.desired.note(&packet);
                } else {
                    self.restoring.push_back(Command::restored(packet));
                }
            }
        }
        self.effects.push(Effect::Online(Online {
            user: welcome.user,
            resumed: true,
            services: welcome.services,
            token: welcome.token,
            reconnect_ms: welcome.reconnect_ms,
        }));
    }

    fn schedule_renewal(&mut self, welcome: &Welcome, now_ms: u64) {
        match welcome.expires_in {
            Some(seconds) if self.is_renewable => {
                let left_ms = (seconds * 1_000.0).max(0.0);
                let wait_ms = (left_ms * RENEW_PART).max(left_ms - RENEW_MARGIN_MS);
                self.renew_at_ms = Some(now_ms.saturating_add(wait_ms as u64));
            }
            _ => {}
        }
    }

    /// A new session begins. What was sent in the last one and not answered may have been
    /// carried out or not; desired state is sent again.
    fn begin(&mut self) {
        self.number += 1;
        self.received = 0;
        self.sent.clear();
        // Several may wait for the same join.
        let mut joins: HashMap<Join, Vec<Done>> = HashMap::new();
        for (_, waiting) in std::mem::take(&mut self.waiting) {
            let join = waiting.change.as_ref().and_then(Change::join);
            match (join, waiting.done) {
                // The same command is sent again, and its answer is the one awaited.
                (Some(join), Some(done)) => joins.entry(join).or_default().push(done),
                (_, done) => self.settle(done, Err(Error::SessionLost)),
            }
        }
        let mut commands = VecDeque::new();
        for command in std::mem::take(&mut self.restoring) {
            match (Join::of(&command.packet), command.done) {
                // A call of the last session is not answered any more.
                _ if command.answers.is_some() => {}
                // It was not sent in the last session.
                (Some(join), done) => {
                    self.desired.note(&command.packet);
                    joins.entry(join).or_default().extend(done);
                }
                (None, None) if self.desired.note(&command.packet).is_some() => {}
                (None, done) => commands.push_back(Command {
                    done,
                    ..Command::restored(command.packet)
                }),
            }
        }
        for packet in self.desired.take(self.message_bytes_max) {
            let join = Join::of(&packet);
            let waiting = join
                .and_then(|join| joins.remove(&join))
                .unwrap_or_default();
            let mut waiting = waiting.into_iter();
            let done = waiting.next();
            for done in waiting {
                self.restoring.push_back(Command {
                    done: Some(done),
                    ..Command::restored(packet.clone())
                });
            }
            self.restoring.push_back(Command {
                done,
                ..Command::restored(packet)
            });
        }
        // What waited for its rate comes behind the state that it may need.
        self.restoring.append(&mut commands);
        for done in joins.into_values().flatten() {
            self.settle(Some(done), Err(Error::SessionLost));
        }
    }

    /// A command that waits for its rate comes behind what a new session gets.
    pub(crate) fn requeue(&mut self, command: Command) {
        self.restoring.push_back(command);
    }

    /// An `error` before the welcome: the claim, or the session, is refused.
    pub(super) fn claim_refused(&mut self, refusal: Refusal) {
        if self.phase == Phase::Resuming && !refusal.is_temporary() {
            // The session is over. A new one begins on the same connection.
            self.secret = None;
            self.phase = Phase::Identifying;
            self.effects.push(Effect::Identify);
            return;
        }
        if refusal.is_temporary() {
            let wait_ms = refusal.retry_ms();
            return self.drop_connection(refusal.to_string(), wait_ms);
        }
        let has_expired =
            refusal.code == ErrorCode::Unauthorized && refusal.reason() == Some("expired");
        if has_expired && self.is_renewable && !self.has_asked_again {
            self.has_asked_again = true;
            self.effects.push(Effect::Identify);
            return;
        }
        self.effects.push(Effect::End(Ended::Refused(refusal)));
    }
}
