//! A channel: one order of messages under one path.
//!
//! The offset counts the messages of one life of the channel; the epoch names
//! that life, so that a client which comes back can tell "nothing missed" from
//! "another life, the same number".

use serde::{Deserialize, Serialize};

use crate::id::{ChannelId, MessageId, UserId};
use crate::key::GatewayId;
use crate::model::interest::Interest;
use crate::packet::{ChannelMessage, Position, ReplyData, ServerPacket};
use crate::payload::Payload;

/// A channel's state as a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelSnapshot {
    epoch: Box<str>,
    offset: u64,
    interest: Vec<GatewayId>,
}

/// The state of one channel.
#[derive(Debug)]
pub struct Channel {
    id: ChannelId,
    epoch: Box<str>,
    offset: u64,
    /// The gateways with sessions on this path.
    pub interest: Interest,
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
        }
    }

    /// The channel as a value.
    #[must_use]
    pub fn save(&self) -> ChannelSnapshot {
        ChannelSnapshot {
            epoch: self.epoch.clone(),
            offset: self.offset,
            interest: self.interest.gateways().to_vec(),
        }
    }

    /// The channel of a value, in the same life as the one that was saved.
    #[must_use]
    pub fn restore(id: ChannelId, snapshot: ChannelSnapshot) -> Self {
        Self {
            id,
            epoch: snapshot.epoch,
            offset: snapshot.offset,
            interest: snapshot.interest.into_iter().collect(),
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

    /// How many messages of this life there were.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// Gives a message its place. Returns what listeners get and what the
    /// publisher is answered. The first message of a life has its epoch: offsets
    /// begin again there, and who listens above the channel learns it from nothing
    /// else.
    pub fn publish(
        &mut self,
        id: MessageId,
        from: UserId,
        data: Payload,
        now_ms: u64,
    ) -> (ServerPacket, ReplyData) {
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
        (ServerPacket::Message(Box::new(message)), reply)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::key::{NodeId, WorkerId};

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
            let (packet, _) = channel.publish(
                MessageId::nil(),
                UserId::parse("1:1").unwrap(),
                Payload::from_json("{}"),
                5,
            );
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

    proptest! {
        #[test]
        fn a_restored_channel_behaves_alike(
            before in 0..50u64,
            after in prop::collection::vec(prop::option::of(0..60u64), 1..20),
            workers in prop::collection::vec(0..4u16, 0..6),
        ) {
            let id = ChannelId::parse("chat").unwrap();
            let mut saved = Channel::new(id.clone(), "e1");
            let publish = |channel: &mut Channel| {
                let from = UserId::parse("1:1").unwrap();
                channel.publish(MessageId::nil(), from, Payload::from_json("{}"), 5)
            };
            for _ in 0..before {
                publish(&mut saved);
            }
            for worker in workers {
                saved.interest.add(GatewayId {
                    node: NodeId(1),
                    boot: 2,
                    worker: WorkerId(worker),
                });
            }
            let text = serde_json::to_string(&saved.save()).unwrap();
            let mut restored = Channel::restore(id, serde_json::from_str(&text).unwrap());
            prop_assert_eq!(restored.save(), saved.save());
            for step in after {
                match step {
                    Some(offset) => {
                        let since = Position { epoch: "e1".into(), offset };
                        prop_assert_eq!(
                            restored.joined(Some(&since)),
                            saved.joined(Some(&since))
                        );
                    }
                    None => prop_assert_eq!(publish(&mut restored), publish(&mut saved)),
                }
            }
        }
    }
}
