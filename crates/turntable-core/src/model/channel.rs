//! A channel: one order of messages under one path.
//!
//! The offset counts the messages of one life of the channel; the epoch names
//! that life, so that a client which comes back can tell "nothing missed" from
//! "another life, the same number".

use crate::id::{ChannelId, MessageId, UserId};
use crate::model::interest::Interest;
use crate::packet::{ChannelMessage, Position, ReplyData, ServerPacket};
use crate::payload::Payload;

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
    /// publisher is answered.
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
    use super::*;

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
            let (packet, _) = channel.publish(
                MessageId::nil(),
                UserId::parse("1:1").unwrap(),
                Payload::from_json("{}"),
                5,
            );
            assert!(matches!(packet, ServerPacket::Message(message) if message.offset == expected));
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
}
