//! Channels: what is published, and what they retain.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::gateway::Shared;
use crate::gateway::question::unexpected;
use turntable_core::call::{Call, ChannelCall, Requester, Since};
use turntable_core::delivery::Answer;
use turntable_core::frame::SharedFrame;
use turntable_core::id::{ChannelId, MessageId};
use turntable_core::key::ShardId;
use turntable_core::packet::ErrorBody;
use turntable_core::payload::Payload;

/// A message that was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Its id.
    pub id: MessageId,
    /// Its place in the channel.
    pub offset: u64,
    /// The life of the channel.
    pub epoch: Box<str>,
}

/// What a channel retains.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    /// The life of the channel.
    pub epoch: Box<str>,
    /// The place of its last message.
    pub offset: u64,
    /// Whether these are all messages behind the position that was given.
    pub recovered: bool,
    /// The data of each `message`, in their order.
    pub messages: Vec<Payload>,
}

impl Shared {
    /// Publishes on a channel; the message has no `from`.
    ///
    /// # Errors
    /// `rate_limited` by the channel, `too_large`, `unavailable`.
    pub(crate) async fn publish_on(
        &self,
        channel: &ChannelId,
        message: Payload,
    ) -> Result<Published, ErrorBody> {
        let channel = channel.clone();
        let call = |requester| Call::Channel(channel, ChannelCall::Tell { requester, message });
        match self.ask(call).await? {
            Answer::Published { id, offset, epoch } => Ok(Published {
                id: MessageId::from(id),
                offset,
                epoch,
            }),
            _ => Err(unexpected()),
        }
    }

    /// The messages of a channel behind a position, where that can be proved; else all
    /// that are retained.
    ///
    /// # Errors
    /// `unavailable` where the channel does not answer in time.
    pub(crate) async fn history_of(
        &self,
        channel: &ChannelId,
        since: Option<Since>,
    ) -> Result<History, ErrorBody> {
        let channel = channel.clone();
        let call = |requester| Call::Channel(channel, ChannelCall::Recall { requester, since });
        match self.ask(call).await? {
            Answer::History {
                epoch,
                offset,
                recovered,
                messages,
            } => Ok(History {
                epoch,
                offset,
                recovered,
                messages: messages.iter().map(data).collect::<Result<_, _>>()?,
            }),
            _ => Err(unexpected()),
        }
    }

    /// Forgets what a channel retains.
    ///
    /// # Errors
    /// `unavailable` where the channel does not answer in time.
    pub(crate) async fn clear_history(&self, channel: &ChannelId) -> Result<(), ErrorBody> {
        let channel = channel.clone();
        let call = |requester| Call::Channel(channel, ChannelCall::Clear { requester });
        match self.ask(call).await? {
            Answer::Done => Ok(()),
            _ => Err(unexpected()),
        }
    }

    /// The channels that have subscribers or are retained, in the order of their paths.
    ///
    /// # Errors
    /// `unavailable` where a shard does not answer in time.
    pub(crate) async fn channels(&self) -> Result<Vec<ChannelId>, ErrorBody> {
        let mut all = Vec::new();
        for shard in 0..self.owners.shards() {
            let shard = ShardId(shard as u32);
            let call = move |requester: Requester| Call::Channels { shard, requester };
            match self.ask(call).await? {
                Answer::Channels(channels) => all.extend(channels),
                _ => return Err(unexpected()),
            }
        }
        all.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        Ok(all)
    }
}

/// The data of a `message`.
fn data(frame: &SharedFrame) -> Result<Payload, ErrorBody> {
    #[derive(Deserialize)]
    struct Message<'m> {
        #[serde(borrow)]
        data: &'m RawValue,
    }
    let message: Result<Message<'_>, _> = serde_json::from_str(frame.text());
    message
        .map(|message| Payload::from_json(message.data.get()))
        .map_err(|_| unexpected())
}
