//! Which channels have to retain less where all of them together retain too much.

use std::cmp::Reverse;

/// What one channel retains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retaining {
    /// In bytes.
    pub bytes: usize,
    /// Of its oldest message, in bytes: it drops no less.
    pub oldest_bytes: usize,
    /// Whether it has subscribers.
    pub has_subscribers: bool,
}

/// Which channels, by their places, have to shrink to how many bytes, for all together to
/// have about `max`.
///
/// Channels without subscribers are first, and of those the ones that retain the most. Each
/// loses half of what it has, and none goes below the even share of all: so few channels
/// shrink, and those with little keep what they have.
#[must_use]
pub fn cuts(channels: Vec<Retaining>, max: usize) -> Vec<(usize, usize)> {
    let total: usize = channels.iter().map(|channel| channel.bytes).sum();
    let share = max / channels.len().max(1);
    let over = channels.into_iter().enumerate();
    let mut over: Vec<(usize, Retaining)> =
        over.filter(|(_, channel)| channel.bytes > share).collect();
    over.sort_unstable_by_key(|(_, channel)| (channel.has_subscribers, Reverse(channel.bytes)));
    let mut left = total;
    let mut cuts = Vec::new();
    for (place, channel) in over {
        if left <= max {
            break;
        }
        let bytes = share.max(channel.bytes / 2);
        let dropped = (channel.bytes - bytes).max(channel.oldest_bytes);
        left = left.saturating_sub(dropped.min(channel.bytes));
        cuts.push((place, bytes));
    }
    cuts
}

#[cfg(test)]
#[allow(clippy::indexing_slicing)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(channels: &[(usize, bool)]) -> Vec<Retaining> {
        let one = |&(bytes, has_subscribers)| Retaining {
            bytes,
            oldest_bytes: 1,
            has_subscribers,
        };
        channels.iter().map(one).collect()
    }

    #[test]
    fn those_with_the_most_shrink_and_those_without_subscribers_first() {
        let channels = [(40, false), (600, true), (300, false), (60, true)];
        assert_eq!(cuts(of(&channels), 1_000), []);
        assert_eq!(cuts(of(&channels), 900), [(2, 225), (1, 300)]);
        assert_eq!(cuts(of(&channels), 950), [(2, 237)]);
        assert_eq!(cuts(Vec::new(), 0), []);
    }

    #[test]
    fn of_channels_with_one_message_few_lose_theirs() {
        let one = Retaining {
            bytes: 2_000,
            oldest_bytes: 2_000,
            has_subscribers: false,
        };
        // Each is over the share of 1,900 bytes, and each loses all that it has.
        assert_eq!(cuts(vec![one; 20], 38_000), [(0, 1_900)]);
        assert_eq!(cuts(vec![one; 20], 35_000).len(), 3);
    }

    proptest! {
        #[test]
        fn no_channel_goes_below_its_share_and_looks_come_to_an_end(
            channels in prop::collection::vec((0_usize..10_000, any::<bool>()), 1..50),
            max in 0_usize..200_000,
        ) {
            let mut channels = of(&channels);
            let share = max / channels.len();
            for _ in 0..64 {
                for (place, bytes) in cuts(channels.clone(), max) {
                    prop_assert!(bytes >= share && bytes < channels[place].bytes);
                    channels[place].bytes = bytes;
                }
            }
            let total: usize = channels.iter().map(|channel| channel.bytes).sum();
            prop_assert!(total <= max);
        }
    }
}
