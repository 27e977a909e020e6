//! What the server sends on a connection with a welcome: answers, calls, events.

use serde::Deserialize;
use serde_json::value::RawValue;

use turntable_core::id::ChannelId;
use turntable_core::packet::Position;
use turntable_core::reason::ErrorCode;
use turntable_wire::json_v1::MessageParts;

use super::{Command, Effect, Phase, Session};
use crate::error::{Error, Refusal};
use crate::event::Event;

/// The call by which the server cancels another.
const CANCEL: &str = "$av:cancel";

/// How soon desired state is tried again that was refused for a moment.
const AGAIN_MS: u64 = 1_000;

#[derive(Deserialize)]
struct Call<'a> {
    f: String,
    #[serde(borrow)]
    args: Option<&'a RawValue>,
    user: Option<String>,
    key: Option<String>,
}

#[derive(Deserialize)]
struct Cancelled {
    id: u64,
}

#[derive(Deserialize)]
struct GoAway {
    #[serde(default)]
    reconnect_ms: u64,
    url: Option<String>,
}

/// Where a message or a `joined` is in its channel.
#[derive(Deserialize)]
struct Place {
    channel: ChannelId,
    epoch: Option<Box<str>>,
    offset: Option<u64>,
    #[serde(default)]
    recovered: bool,
}

impl Session {
    pub(super) fn dispatch(&mut self, parts: &MessageParts<'_>, now_ms: u64) {
        let data = parts.data.get();
        match parts.command {
            "idyou" => self.greeted(),
            "error" if self.phase != Phase::Online => self.claim_refused(Refusal::read(data)),
            "welcome" => {
                let was_online = self.phase == Phase::Online;
                self.welcomed(data, now_ms);
                if was_online {
                    self.answered(parts);
                }
            }
            _ if self.phase != Phase::Online => {}
            "error" => self.refused(parts, now_ms),
            "reply" => {
                self.answered(parts);
            }
            "time" => {
                if let Some(taken) = self.exchange.answered() {
                    self.sent.taken(taken);
                }
            }
            "call" => self.called(parts),
            "goaway" => match serde_json::from_str::<GoAway>(data) {
                Ok(GoAway { reconnect_ms, url }) => self.effects.push(Effect::GoAway {
                    wait_ms: reconnect_ms,
                    url,
                }),
                Err(error) => self.unread("goaway", &error),
            },
            command => {
                if matches!(command, "joined" | "message") {
                    self.place(command, data);
                }
                if command == "service" {
                    self.effects.push(Effect::Services(data.to_owned()));
                }
                // The answer to a join is its caller's; everybody hears of the others.
                if !self.answered(parts) {
                    self.tell(command, data);
                }
            }
        }
    }

    fn tell(&mut self, command: &str, data: &str) {
        match Event::read(command, data) {
            Ok(Some(event)) => self.effects.push(Effect::Event(event)),
            Ok(None) => {}
            Err(error) => self.unread(command, &error),
        }
    }

    /// A message whose data has another form.
    pub(super) fn unread(&mut self, command: &str, error: &serde_json::Error) {
        let message = format!("{command} of the server cannot be read: {error}");
        let refusal = Refusal::new(ErrorCode::BadMessage, message);
        self.effects.push(Effect::Event(Event::Refused(refusal)));
    }

    /// Notes how far a channel was received, and what is missing.
    fn place(&mut self, command: &str, data: &str) {
        // A room has no epoch and no offset.
        let Ok(place) = serde_json::from_str::<Place>(data) else {
            return;
        };
        match (command, place.epoch, place.offset) {
            ("joined", Some(epoch), Some(offset)) => {
                let at = Position { epoch, offset };
                self.desired.joined(&place.channel, at, place.recovered);
            }
            ("message", epoch, Some(next)) => {
                let channel = place.channel;
                let last = self.desired.received(&channel, epoch.as_deref(), next);
                let gap = last.map(|last| Event::Gap {
                    channel,
                    last,
                    next,
                });
                self.effects.extend(gap.map(Effect::Event));
            }
            _ => {}
        }
    }

    fn id(parts: &MessageParts<'_>) -> Option<u64> {
        parts.id.and_then(|id| id.get().parse().ok())
    }

    /// The answer to a command. Returns whether it is one.
    fn answered(&mut self, parts: &MessageParts<'_>) -> bool {
        let Some(waiting) = Self::id(parts).and_then(|id| self.waiting.remove(&id)) else {
            return false;
        };
        // The server has taken it, and all before it.
        self.sent.taken(waiting.number);
        if let Some(credentials) = waiting.claimed {
            self.effects.push(Effect::Authenticated(credentials));
        }
        self.settle(waiting.done, Ok(parts.data.to_owned()));
        true
    }

    fn refused(&mut self, parts: &MessageParts<'_>, now_ms: u64) {
        let refusal = Refusal::read(parts.data.get());
        let waiting = Self::id(parts).and_then(|id| self.waiting.remove(&id));
        let Some(waiting) = waiting else {
            if refusal.command.as_deref() == Some("time") {
                // A later exchange confirms as well.
                self.exchange.answered();
                return;
            }
            // By these the server says why it ends a session.
            if matches!(refusal.code, ErrorCode::Unauthorized | ErrorCode::Forbidden) {
                self.parting = Some(refusal.clone());
            }
            self.effects.push(Effect::Event(Event::Refused(refusal)));
            return;
        };
        self.sent.taken(waiting.number);
        // A room or a list that is full may be so for ever.
        let is_full = refusal.code == ErrorCode::TooMany && refusal.retry_ms().is_none();
        let is_restored = waiting.done.is_none() && refusal.is_temporary() && !is_full;
        match waiting.change {
            // What a new session gets again is tried until it is refused for good.
            Some(change) if is_restored => {
                let wait_ms = refusal.retry_ms().unwrap_or(AGAIN_MS);
                if let Some(class) = waiting.class {
                    self.pace.hold(class, wait_ms, now_ms);
                }
                let again = self.desired.take_again(&change, self.message_bytes_max);
                self.restoring
                    .extend(again.into_iter().map(Command::restored));
                return;
            }
            Some(change) => self.desired.undo(change),
            None => {}
        }
        if waiting.is_renewal {
            self.renewal_refused(&refusal, now_ms);
        }
        if let (Some(class), Some(retry_ms)) = (waiting.class, refusal.retry_ms()) {
            self.pace.hold(class, retry_ms, now_ms);
        }
        self.settle(waiting.done, Err(Error::Refused(refusal)));
    }

    fn called(&mut self, parts: &MessageParts<'_>) {
        let call = match serde_json::from_str::<Call<'_>>(parts.data.get()) {
            Ok(call) => call,
            Err(error) => return self.unread("call", &error),
        };
        if call.f == CANCEL {
            let args = call.args.map_or("null", RawValue::get);
            if let Ok(Cancelled { id }) = serde_json::from_str(args) {
                self.effects.push(Effect::Cancel(id));
            }
            return;
        }
        self.effects.push(Effect::Call {
            f: call.f,
            args: call.args.map(ToOwned::to_owned),
            user: call.user,
            key: call.key,
            id: Self::id(parts),
        });
    }
}
