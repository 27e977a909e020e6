//! A channel: one order of messages under one path.
//!
//! The offset counts the messages of one life of the channel; the epoch names
//! that life, so that a client which comes back can tell "nothing missed" from
//! "another life, the same number".

use serde::{Deserialize, Serialize};

use crate::id::{ChannelId, MessageId, UserId};
use crate::key::GatewayId;
use crate::limit::Limit;
use crate::model::interest::Interest;
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
    interest: Vec<GatewayId>,
    bytes: BucketExport,
}

/// The state of one channel.
#[derive(Debug)]
pub struct Channel {
    id: ChannelId,
    epoch: Box<str>,
    offset: u64,
    /// The gateways with sessions on this path.
    pub interest: Interest,
    /// What it sent to each subscriber.
    bytes: Bucket,
}

impl Channel {
    /// A channel whose life is named `epoch`.
    #[must_use]
    pub fn new(id: ChannelId, epoch: impl Into<Box<str>>) -> Self {
        Self {
            id,
            epoch: epoch.into(),
            offset: 0,
            interest: Interest::default(),
            bytes: Bucket::default(),
        }
    }

    /// The channel as a value, at `now_ms`.
    #[must_use]
    pub fn save(&self, now_ms: u64) -> ChannelSnapshot {
        ChannelSnapshot {
            epoch: self.epoch.clone(),
            offset: self.offset,
            interest: self.interest.gateways().to_vec(),
            bytes: self.bytes.export(now_ms),
        }
    }

    /// The channel of a value, in the same life as the one that was saved.
    #[must_use]
    pub fn restore(id: ChannelId, snapshot: ChannelSnapshot, now_ms: u64) -> Self {
        Self {
            id,
            epoch: snapshot.epoch,
            offset: snapshot.offset,
            interest: snapshot.interest.into_iter().collect(),
            bytes: Bucket::import(snapshot.bytes, now_ms),
        }
    }

    /// The answer to a `joinchannel`. Nothing was missed where the client
    /// stopped at this very offset of this life.
    #[must_use]
    pub fn joined(&self, since: Option<&Position>) -> ServerPacket {
        ServerPacket::ChannelJoined {
            channel: self.id.clone(),
            epoch: self.epoch.clone(),
            offset: self.offset,
            recovered: since
                .is_some_and(|since| since.epoch == self.epoch && since.offset == self.offset),
        }
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
    /// `rate_limited` where the listeners would get more bytes than `rate`; then
    /// nothing has changed.
    pub fn publish(
        &mut self,
        id: MessageId,
        from: UserId,
        data: Payload,
        rate: BucketSettings,
        now_ms: u64,
    ) -> Result<(ServerPacket, ReplyData), ErrorBody> {
        let texts = self.id.as_str().len() + from.as_str().len() + data.as_json().len();
        self.bytes
            .take_many(tokens(ENVELOPE_BYTES + texts), rate, now_ms)
            .map_err(|retry_ms| {
                ErrorBody::new(
                    ErrorCode::RateLimited,
                    "too much is published on this channel; wait retry_ms",
                )
                .of("publish")
                .with("retry_ms", retry_ms)
                .by(Limit::ChannelBytes)
            })?;
        self.offset += 1;
        let message = ChannelMessage {
            channel: self.id.clone(),
            id,
            offset: self.offset,
            epoch: (self.offset == 1).then(|| self.epoch.clone()),
            from,
            time_ms: now_ms,
            data,
        };
        let reply = ReplyData::Published {
            id,
            offset: self.offset,
            epoch: self.epoch.clone(),
        };
        Ok((ServerPacket::Message(Box::new(message)), reply))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::key::{NodeId, WorkerId};

    const NOW: u64 = 1_732_000_000_000;
    const RATE: BucketSettings = BucketSettings::new(1_000, 10_000);

    fn publish(
        channel: &mut Channel,
        data: &str,
        now_ms: u64,
    ) -> Result<(ServerPacket, ReplyData), ErrorBody> {
        let from = UserId::parse("1:1").unwrap();
        let data = Payload::from_json(data);
        channel.publish(MessageId::nil(), from, data, RATE, now_ms)
    }

    #[test]
    fn bytes_over_the_rate_are_refused_and_take_no_offset() {
        let mut channel = Channel::new(ChannelId::parse("chat").unwrap(), "e1");
        let data = format!("\"{}\"", "x".repeat(6_000));
        publish(&mut channel, &data, NOW).unwrap();
        let error = publish(&mut channel, &data, NOW).unwrap_err();
        assert_eq!(error.code, ErrorCode::RateLimited);
        assert_eq!(error.limit, Some(Limit::ChannelBytes));
        let retry_ms = error.detail("retry_ms").unwrap();
        assert!((2_000..3_000).contains(&retry_ms), "{retry_ms}");
        assert_eq!(channel.offset(), 1);
        publish(&mut channel, "1", NOW).unwrap();
        publish(&mut channel, &data, NOW + retry_ms + 200).unwrap();
        assert_eq!(channel.offset(), 3);
    }

    #[test]
    fn default_rate_leaves_room_for_the_reader() {
        let rate = crate::model::settings::ChannelSettings::default().bytes;
        let outbox = crate::session::settings::SessionSettings::default().outbox_bytes_max;
        assert!(u64::from(rate.per_second) * 8 < 10_000_000, "10 Mbit/s");
        assert!(rate.burst as usize <= outbox / 2);
        // One sender alone cannot take what the others need.
        let own = crate::session::settings::LimitSettings::default().bytes;
        assert!(own.per_second <= rate.per_second / 2 && own.burst <= rate.burst / 2);
    }

    #[test]
    fn offsets_count_from_one_and_prove_that_nothing_was_missed() {
        let mut channel = Channel::new(ChannelId::parse("chat").unwrap(), "e1");
        let recovered = |channel: &Channel, epoch: &str, offset| {
            let since = Position {
                epoch: epoch.into(),
                offset,
            };
            matches!(
                channel.joined(Some(&since)),
                ServerPacket::ChannelJoined {
                    recovered: true,
                    ..
                }
            )
        };
        assert!(recovered(&channel, "e1", 0));
        for expected in 1..=3 {
            let has_epoch = expected == 1;
            let (packet, _) = publish(&mut channel, "{}", NOW).unwrap();
            let ServerPacket::Message(message) = packet else {
                unreachable!("a publication is a message");
            };
            assert_eq!(message.offset, expected);
            assert_eq!(message.epoch.as_deref(), has_epoch.then_some("e1"));
        }
        assert!(recovered(&channel, "e1", 3));
        assert!(!recovered(&channel, "e1", 2));
        assert!(!recovered(&channel, "e0", 3));
        assert!(matches!(
            channel.joined(None),
            ServerPacket::ChannelJoined {
                recovered: false,
                ..
            }
        ));
    }

    #[test]
    fn a_message_that_is_not_heard_has_a_life_of_its_own() {
        let [one, other] = [1_u128, 2].map(|number| Channel::unheard(MessageId::from(number)));
        let place = |reply| match reply {
            ReplyData::Published { offset, epoch, .. } => Position { epoch, offset },
            _ => Position {
                epoch: "".into(),
                offset: 0,
            },
        };
        let [one, other] = [one, other].map(place);
        assert_eq!((one.offset, other.offset), (1, 1));
        assert_ne!(one.epoch, other.epoch);
        // A later life proves nothing about it.
        let later = Channel::new(ChannelId::parse("chat").unwrap(), "e1");
        assert_eq!(later.joined(Some(&one)), later.joined(None));
    }

    proptest! {
        #[test]
        fn a_restored_channel_behaves_alike(
            before in 0..50u64,
            after in prop::collection::vec(prop::option::of(0..60u64), 1..20),
            workers in prop::collection::vec(0..4u16, 0..6),
            shift_ms in 0..1_000_000_000u64,
        ) {
            let id = ChannelId::parse("chat").unwrap();
            let mut saved = Channel::new(id.clone(), "e1");
            // Of a time of their own, so that both give the same answer.
            let publish = |channel: &mut Channel, now_ms| {
                let answer = publish(channel, &"1".repeat(400), now_ms);
                answer.map(|(_, reply)| reply)
            };
            for _ in 0..before {
                let _ = publish(&mut saved, NOW);
            }
            for worker in workers {
                saved.interest.add(GatewayId {
                    node: NodeId(1),
                    boot: 2,
                    worker: WorkerId(worker),
                });
            }
            let text = serde_json::to_string(&saved.save(NOW)).unwrap();
            let later = NOW + shift_ms;
            let mut restored = Channel::restore(id, serde_json::from_str(&text).unwrap(), later);
            prop_assert_eq!(restored.save(later), saved.save(NOW));
            for (step, ms) in after.into_iter().zip((0..).step_by(300)) {
                match step {
                    Some(offset) => {
                        let since = Position { epoch: "e1".into(), offset };
                        prop_assert_eq!(
                            restored.joined(Some(&since)),
                            saved.joined(Some(&since))
                        );
                    }
                    None => prop_assert_eq!(
                        publish(&mut restored, later + ms),
                        publish(&mut saved, NOW + ms)
                    ),
                }
            }
        }
    }
}
