//! A channel: one order of messages under one path.
//!
//! The offset counts the messages of one life of the channel; the epoch names
//! that life, so that a client which comes back can tell "nothing missed" from
//! "another life, the same number".

use serde::{Deserialize, Serialize};

use crate::call::Since;
use crate::frame::SharedFrame;
use crate::id::{ChannelId, MessageId, UserId};
use crate::key::{GatewayId, SessionKey};
use crate::limit::Limit;
use crate::model::history::{History, HistorySnapshot, Retention};
use crate::model::interest::Interest;
use crate::model::member::{Listener, Members};
use crate::packet::{ChannelMessage, ErrorBody, Position, ReplyData, ServerPacket};
use crate::payload::Payload;
use crate::rate::{Bucket, BucketExport, BucketSettings, tokens};
use crate::reason::ErrorCode;

/// What a message takes beside its path, sender and data: names, id, numbers.
const ENVELOPE_BYTES: usize = 128;

/// A channel's state as a value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChannelSnapshot {
    epoch: Box<str>,
    offset: u64,
    is_begun: bool,
    interest: Vec<GatewayId>,
    bytes: BucketExport,
    messages: BucketExport,
    history: HistorySnapshot,
    members: Option<Vec<(SessionKey, Listener)>>,
}

/// How much may be published on a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublishRates {
    /// Bytes that it sends to each subscriber.
    pub bytes: BucketSettings,
    /// Messages.
    pub messages: BucketSettings,
}

/// What a client wants of the past when it joins.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Past {
    /// Where an earlier subscription ended.
    pub since: Option<Position>,
    /// The number of past messages that it wants otherwise.
    pub history: u32,
}

/// What a client that joins gets.
#[derive(Debug, Clone, PartialEq)]
pub struct Joined {
    /// Whether it misses nothing.
    pub recovered: bool,
    /// Past messages, in their order.
    pub messages: Vec<SharedFrame>,
}

/// The state of one channel.
#[derive(Debug)]
pub struct Channel {
    id: ChannelId,
    epoch: Box<str>,
    offset: u64,
    /// Whether there was a message in this life.
    is_begun: bool,
    /// The gateways with sessions on this path.
    pub interest: Interest,
    /// What it sent to each subscriber.
    bytes: Bucket,
    /// What was published.
    messages: Bucket,
    history: History,
    /// `None` where members are not shown.
    pub members: Option<Box<Members>>,
}

impl Channel {
    /// A channel whose life is named `epoch`.
    #[must_use]
    pub fn new(id: ChannelId, epoch: impl Into<Box<str>>) -> Self {
        Self {
            id,
            epoch: epoch.into(),
            offset: 0,
            is_begun: false,
            interest: Interest::default(),
            bytes: Bucket::default(),
            messages: Bucket::default(),
            history: History::default(),
            members: None,
        }
    }

    /// Shows members, with names of at most `names_max`, or none any more.
    pub fn show_members(&mut self, names_max: Option<usize>) {
        match names_max {
            Some(names_max) if self.members.is_none() => {
                self.members = Some(Box::new(Members::new(names_max)));
            }
            Some(_) => {}
            None => self.members = None,
        }
    }

    /// The channel as a value, at `now_ms`.
    #[must_use]
    pub fn save(&self, now_ms: u64, grace_ms: u64) -> ChannelSnapshot {
        ChannelSnapshot {
            epoch: self.epoch.clone(),
            offset: self.offset,
            is_begun: self.is_begun,
            interest: self.interest.gateways().to_vec(),
            bytes: self.bytes.export(now_ms),
            messages: self.messages.export(now_ms),
            history: self.history.save(now_ms),
            members: self
                .members
                .as_ref()
                .map(|members| members.save(now_ms, grace_ms)),
        }
    }

    /// The channel of a value, in the same life as the one that was saved.
    #[must_use]
    pub fn restore(
        id: ChannelId,
        snapshot: ChannelSnapshot,
        now_ms: u64,
        grace_ms: u64,
        names_max: Option<usize>,
    ) -> Self {
        let mut channel = Self {
            id,
            epoch: snapshot.epoch,
            offset: snapshot.offset,
            is_begun: snapshot.is_begun,
            interest: snapshot.interest.into_iter().collect(),
            bytes: Bucket::import(snapshot.bytes, now_ms),
            messages: Bucket::import(snapshot.messages, now_ms),
            history: History::restore(snapshot.history, now_ms),
            members: None,
        };
        channel.show_members(names_max);
        if let Some(members) = &mut channel.members {
            for (session, listener) in snapshot.members.into_iter().flatten() {
                members.join(session, listener, now_ms, grace_ms);
            }
            // Listeners know them.
            members.note_sent();
        }
        channel
    }

    /// The answer to a `joinchannel` of `own`.
    #[must_use]
    pub fn joined(&self, recovered: bool, own: Option<&UserId>) -> ServerPacket {
        ServerPacket::ChannelJoined {
            channel: self.id.clone(),
            epoch: self.epoch.clone(),
            offset: self.offset,
            recovered,
            members: self.members.as_ref().map(|members| members.list(own)),
        }
    }

    /// What listeners are to be sent of the members now.
    pub fn member_change(&mut self, now_ms: u64) -> Option<ServerPacket> {
        let members = self.members.as_mut()?.take_change(now_ms)?;
        Some(ServerPacket::ChannelMembers {
            channel: self.id.clone(),
            epoch: self.epoch.clone(),
            members,
        })
    }

    /// What a client gets that joins, with subpaths or without.
    ///
    /// With a position of this life from which on all messages are retained it gets
    /// those, and has missed nothing. Otherwise it gets the last messages that it
    /// requests, at least the last value where there is one. A position says nothing
    /// of the paths below, so with subpaths it proves nothing.
    pub fn join(
        &mut self,
        past: &Past,
        subpaths: bool,
        retention: &Retention,
        now_ms: u64,
    ) -> Joined {
        if let Some(members) = &mut self.members {
            // Its `joined` has them.
            members.note_listed();
        }
        self.history.expire(retention, usize::MAX, now_ms);
        let since = past.since.as_ref().filter(|_| !subpaths);
        let since = since.filter(|since| since.epoch == self.epoch);
        let missed = since
            .and_then(|since| self.offset.checked_sub(since.offset))
            .and_then(|missed| self.history.last(missed));
        if let Some(messages) = missed {
            return Joined {
                recovered: true,
                messages,
            };
        }
        let value = u32::from(retention.last_value_ms > 0);
        Joined {
            recovered: false,
            messages: self.history.at_most(past.history.max(value) as usize),
        }
    }

    /// The last messages that are retained, so many at the most.
    pub fn last(&mut self, count: u32, retention: &Retention, now_ms: u64) -> Vec<SharedFrame> {
        self.history.expire(retention, usize::MAX, now_ms);
        self.history.at_most(count as usize)
    }

    /// What is retained: all behind a position, where that is proved; otherwise all.
    pub fn recall(&mut self, since: Option<&Since>, retention: &Retention, now_ms: u64) -> Joined {
        self.history.expire(retention, usize::MAX, now_ms);
        let is_of_now = |since: &&Since| since.epoch.as_ref().is_none_or(|e| *e == self.epoch);
        let missed = since
            .filter(is_of_now)
            .and_then(|since| self.offset.checked_sub(since.offset))
            .and_then(|missed| self.history.last(missed));
        Joined {
            recovered: missed.is_some(),
            messages: missed.unwrap_or_else(|| self.history.at_most(usize::MAX)),
        }
    }

    /// Retains the message that was published last, as it was sent: within
    /// `retention`, and so that the history has at most `budget` bytes. Has to follow
    /// each publication.
    pub fn retain(
        &mut self,
        frame: &SharedFrame,
        retention: &Retention,
        budget: usize,
        now_ms: u64,
    ) {
        self.history.retain(frame, retention, budget, now_ms);
    }

    /// Drops the messages that may not be retained any more. Returns when the next
    /// one has to go.
    pub fn expire(&mut self, retention: &Retention, now_ms: u64) -> Option<u64> {
        self.history.expire(retention, usize::MAX, now_ms);
        self.history.expires_ms(retention)
    }

    /// Drops the oldest messages until at most so many bytes are retained.
    pub fn shrink_history(&mut self, bytes_max: usize) {
        self.history.shrink(bytes_max);
    }

    /// Drops all retained messages. Clients that come back get an error that they missed
    /// some.
    pub fn forget_history(&mut self) {
        self.history.clear();
    }

    /// The memory of the retained messages, in bytes.
    #[must_use]
    pub const fn history_bytes(&self) -> usize {
        self.history.bytes()
    }

    /// That of the oldest of them.
    #[must_use]
    pub fn oldest_bytes(&self) -> usize {
        self.history.oldest_bytes()
    }

    /// The answer to a message on a channel that has no listeners and is not stored:
    /// a life of its own, of this one message. Its epoch is the message's id, so no
    /// other life has it.
    #[must_use]
    pub fn unheard(id: MessageId) -> ReplyData {
        ReplyData::Published {
            id,
            offset: 1,
            epoch: id.to_string().into(),
        }
    }

    /// The channel goes on from what was stored: in that life, or with an epoch of its
    /// own where messages may be missing, which no older position proves anything in.
    pub fn continue_with(
        &mut self,
        epoch: Option<Box<str>>,
        offset: u64,
        messages: Vec<(u64, SharedFrame)>,
    ) {
        self.is_begun = epoch.is_some() && offset > 0;
        if let Some(epoch) = epoch {
            self.epoch = epoch;
        }
        self.offset = offset;
        self.history.load(messages);
    }

    /// The offset of the first message that is retained; that of the next one where none
    /// is.
    #[must_use]
    pub fn first_retained(&self) -> u64 {
        (self.offset + 1).saturating_sub(self.history.len() as u64)
    }

    /// The name of this life.
    #[must_use]
    pub fn epoch(&self) -> &str {
        &self.epoch
    }

    /// How many messages of this life there were.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// Gives a message its place. Returns what listeners get and what the
    /// publisher is answered. The first message of a life has its epoch: offsets
    /// begin again there, and who listens above the channel learns it from nothing
    /// else.
    ///
    /// # Errors
    /// `rate_limited` where more would be published than `rates` allow; then nothing
    /// has changed.
    pub fn publish(
        &mut self,
        id: MessageId,
        from: Option<UserId>,
        data: Payload,
        rates: &PublishRates,
        now_ms: u64,
    ) -> Result<(ServerPacket, ReplyData), ErrorBody> {
        self.messages
            .take(rates.messages, now_ms)
            .map_err(|retry_ms| limited(retry_ms, Limit::ChannelRate))?;
        let from_bytes = from.as_ref().map_or(0, |from| from.as_str().len());
        let texts = self.id.as_str().len() + from_bytes + data.as_json().len();
        self.bytes
            .take_many(tokens(ENVELOPE_BYTES + texts), rates.bytes, now_ms)
            .map_err(|retry_ms| {
                if rates.messages.per_second > 0 {
                    self.messages.give_back(1);
                }
                limited(retry_ms, Limit::ChannelBytes)
            })?;
        self.offset += 1;
        let message = ChannelMessage {
            channel: self.id.clone(),
            id,
            offset: self.offset,
            epoch: (!self.is_begun).then(|| self.epoch.clone()),
            from,
            time_ms: now_ms,
            data,
        };
        self.is_begun = true;
        let reply = ReplyData::Published {
            id,
            offset: self.offset,
            epoch: self.epoch.clone(),
        };
        Ok((ServerPacket::Message(Box::new(message)), reply))
    }
}

/// More is published than a channel may send.
fn limited(retry_ms: u64, limit: Limit) -> ErrorBody {
    ErrorBody::new(
        ErrorCode::RateLimited,
        "too much is published on this channel; wait retry_ms",
    )
    .of("publish")
    .with("retry_ms", retry_ms)
    .by(limit)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;
