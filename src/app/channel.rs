//! Channels, for a program that embeds the server.

use std::sync::Arc;

use super::Running;
use crate::gateway::Shared;
use crate::opaque;
pub use crate::operator::channel::{History, Published};
pub use turntable_core::call::Since;
use turntable_core::id::{ChannelId, UserId};
use turntable_core::packet::ErrorBody;
use turntable_core::payload::Payload;

/// The channels of a server that runs. A clone is the same; it may be used on any thread.
#[derive(Debug, Clone)]
pub struct Channels(Arc<Shared>);

/// A channel, whether or not anybody is on it. A clone is the same channel; it may be used
/// on any thread.
///
/// ```no_run
/// # use turntable::app::Running;
/// # use turntable_core::id::ChannelId;
/// # use turntable_core::packet::ErrorBody;
/// # async fn example(running: &Running, news: &ChannelId) -> Result<(), ErrorBody> {
/// let published = running.channel(news).publish(serde_json::json!("hello").into()).await?;
/// println!("message {} of {}", published.offset, published.epoch);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Channel {
    shared: Arc<Shared>,
    id: ChannelId,
}

impl Running {
    /// The channels.
    #[must_use]
    pub fn channels(&self) -> Channels {
        Channels(self.shared.clone())
    }

    /// A channel.
    #[must_use]
    pub fn channel(&self, id: &ChannelId) -> Channel {
        self.channels().of(id)
    }
}

impl Channels {
    /// A channel.
    #[must_use]
    pub fn of(&self, id: &ChannelId) -> Channel {
        Channel {
            shared: self.0.clone(),
            id: id.clone(),
        }
    }

    /// The channels that have subscribers or are retained, in the order of their paths.
    ///
    /// # Errors
    /// `unavailable` where a worker does not answer in time.
    pub async fn list(&self) -> Result<Vec<ChannelId>, ErrorBody> {
        self.0.channels().await
    }
}

impl Channel {
    /// Its path.
    #[must_use]
    pub const fn id(&self) -> &ChannelId {
        &self.id
    }

    /// Publishes a message, which has no `from`. It counts for the channel's rates.
    ///
    /// # Errors
    /// `rate_limited`; `bad_message` and `too_large` for data that clients cannot read;
    /// `unavailable`.
    pub async fn publish(&self, data: Payload) -> Result<Published, ErrorBody> {
        opaque::check(&data)?;
        self.shared.publish_on(&self.id, data).await
    }

    /// The messages behind a position, where all of them are retained; else all that are.
    ///
    /// # Errors
    /// `unavailable` where the channel does not answer in time.
    pub async fn history(&self, since: Option<Since>) -> Result<History, ErrorBody> {
        self.shared.history_of(&self.id, since).await
    }

    /// Forgets the messages that are retained. Clients that come back get `recovered: false`.
    ///
    /// # Errors
    /// `unavailable` where the channel does not answer in time.
    pub async fn clear_history(&self) -> Result<(), ErrorBody> {
        self.shared.clear_history(&self.id).await
    }

    /// The users that are on it by name.
    ///
    /// # Errors
    /// `unavailable` where a worker does not answer.
    pub async fn subscribers(&self) -> Result<Vec<UserId>, ErrorBody> {
        self.shared.users_on(&self.id).await
    }
}
