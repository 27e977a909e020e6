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
    /// `too_many` at `session.channels_max` or `channel.operator_users_max`; `unavailable`
    /// where a worker does not answer.
    pub async fn subscribe(&self, channel: &ChannelId) -> Result<usize, ErrorBody> {
        self.shared.subscribe(&self.user, channel).await
    }

    /// Ends that. Returns whether the server had subscribed the user.
    ///
    /// # Errors
    /// `unavailable` where a worker does not answer.
    pub async fn unsubscribe(&self, channel: &ChannelId) -> Result<bool, ErrorBody> {
        let left = self.shared.unsubscribe(&self.user, Some(channel));
        Ok(left.await? > 0)
    }

    /// Ends that for all channels. Returns how many there were.
    ///
    /// # Errors
    /// `unavailable` where a worker does not answer.
    pub async fn unsubscribe_all(&self) -> Result<usize, ErrorBody> {
        self.shared.unsubscribe(&self.user, None).await
    }

    /// The channels that the user's sessions are on, no matter who subscribed them.
    ///
    /// # Errors
    /// `unavailable` where a worker does not answer.
    pub async fn channels(&self) -> Result<Vec<ChannelId>, ErrorBody> {
        self.shared.channels_of(&self.user).await
    }
}
