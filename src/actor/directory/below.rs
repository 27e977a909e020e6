//! The channels below a path, for sessions that want their past.

use std::ops::Bound;

use super::Directory;
use turntable_core::call::{ChannelCall, Requester};
use turntable_core::delivery::Delivery;
use turntable_core::id::ChannelId;

impl Directory {
    /// A channel may have been made.
    pub(super) fn note_path(&mut self, channel: ChannelId) {
        if self.channels.has(&channel) && !self.paths.contains(&channel) {
            self.paths.insert(channel);
        }
    }

    /// The channels below a path send what they retain; as many as may.
    pub(super) fn past_below(&mut self, path: &ChannelId, requester: Requester, depth: u32) {
        let max = self.shared.settings().channel.below_max;
        let prefix = format!("{path}/");
        let behind = Bound::Excluded(prefix.as_str());
        let paths = self.paths.range::<str, _>((behind, Bound::Unbounded));
        let below = paths.take_while(|known| known.as_str().starts_with(&prefix));
        let channels: Vec<ChannelId> = below.take(max).cloned().collect();
        let listed = Delivery::Listed {
            ticket: requester.ticket,
            count: channels.len() as u32,
        };
        self.shared.bus.send(requester.gateway, listed);
        for channel in channels {
            self.call_channel(channel, ChannelCall::Past { requester, depth });
        }
    }
}
