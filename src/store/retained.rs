//! The channels in the file of a store: how many there are, and which go first.

use std::collections::{BTreeSet, HashMap};

/// The channels by their last change.
#[derive(Debug, Default)]
pub(super) struct RetainedChannels {
    /// Bytes and last change of each.
    by_channel: HashMap<Box<str>, (u64, u64)>,
    order: BTreeSet<(u64, Box<str>)>,
    bytes: u64,
    channels_max: usize,
    bytes_max: u64,
}

impl RetainedChannels {
    /// None; at most so many, of so many bytes.
    pub(super) fn new(channels_max: usize, bytes_max: u64) -> Self {
        Self {
            channels_max,
            bytes_max,
            ..Self::default()
        }
    }

    /// A channel has so many bytes, and was changed at `at_ms`.
    pub(super) fn put(&mut self, channel: &str, bytes: u64, at_ms: u64) {
        self.remove(channel);
        self.by_channel.insert(channel.into(), (bytes, at_ms));
        self.order.insert((at_ms, channel.into()));
        self.bytes += bytes;
    }

    fn remove(&mut self, channel: &str) {
        if let Some((name, (bytes, at_ms))) = self.by_channel.remove_entry(channel) {
            self.order.remove(&(at_ms, name));
            self.bytes -= bytes;
        }
    }

    /// The channel that was changed longest ago, where there are more than may be, or
    /// where nobody has to have it any more. It is forgotten.
    pub(super) fn take_oldest_over(&mut self) -> Option<Box<str>> {
        let is_over = self.by_channel.len() > self.channels_max || self.bytes > self.bytes_max;
        let (at_ms, oldest) = self.order.first()?;
        if !is_over && *at_ms > 0 {
            return None;
        }
        let oldest = oldest.clone();
        self.remove(&oldest);
        Some(oldest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_changed_longest_ago_go_first() {
        let mut retained = RetainedChannels::new(3, 100);
        for (channel, bytes, at_ms) in [("a", 10, 1), ("b", 20, 2), ("c", 30, 3), ("a", 40, 4)] {
            retained.put(channel, bytes, at_ms);
            assert_eq!(retained.take_oldest_over(), None);
        }
        retained.put("d", 5, 5);
        assert_eq!(retained.take_oldest_over().as_deref(), Some("b"));
        assert_eq!(retained.take_oldest_over(), None);
        retained.put("d", 60, 6);
        assert_eq!(retained.take_oldest_over().as_deref(), Some("c"));
        assert_eq!(retained.take_oldest_over(), None);
        // One that is over goes, whatever there is.
        retained.put("e", 0, 0);
        assert_eq!(retained.take_oldest_over().as_deref(), Some("e"));
        assert_eq!((retained.by_channel.len(), retained.bytes), (2, 100));
    }
}
