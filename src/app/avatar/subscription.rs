//! Channels to which the server subscribes the user.

use super::Avatar;
use turntable_core::id::ChannelId;
use turntable_core::packet::ErrorBody;

impl Avatar {
    /// Subscribes all sessions of the user to a channel, those that begin later, too; each
    /// gets a `joined`. Whether the user may join is not asked. Returns how many there are
    /// now.
    ///
    /// # Errors
    /// `too_many` at `session.channels_max` or `channel.operator_users_max`.
    pub async fn subscribe(&self, channel: &ChannelId) -> Result<usize, ErrorBody> {
        self.shared.subscribe(&self.user, channel).await
    }

    /// Ends that. Returns whether the server had subscribed the user.
    pub async fn unsubscribe(&self, channel: &ChannelId) -> bool {
        self.shared.unsubscribe(&self.user, Some(channel)).await > 0
    }

    /// Ends that for all channels. Returns how many there were.
    pub async fn unsubscribe_all(&self) -> usize {
        self.shared.unsubscribe(&self.user, None).await
    }

    /// The channels that the user's sessions are on, no matter who subscribed them.
    pub async fn channels(&self) -> Vec<ChannelId> {
        self.shared.channels_of(&self.user).await
    }
}
