//! How many channels and rooms begin because of one user, and because of the clients of
//! one address; and how many of them exist.
//!
//! Each is an actor that stays for a while after its last client has gone, so a client
//! that names ever new ones could take all that there may be. At a slow rate it could still
//! use them up, so what an address began is counted until it ends, also while others use it. Some
//! addresses together could use them up as well: near the total, those that have more than an even
//! share of it begin nothing more (`core/even_share.rs`). The tables are the node's: they are
//! locked where a channel or a room begins or ends, never by a message.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::actor::beyond_share;
use crate::metric::Metrics;
use turntable_core::address::Address;
use turntable_core::even_share::EvenShares;
use turntable_core::id::UserId;
use turntable_core::limit::Limit;
use turntable_core::model::room::RoomSettings;
use turntable_core::model::settings::ChannelSettings;
use turntable_core::packet::ErrorBody;
use turntable_core::rate::{Bucket, BucketSettings};
use turntable_core::reason::ErrorCode;
use turntable_core::spare::Spare;

/// How often users and addresses that began nothing lately are forgotten, in ms.
const SWEEP_MS: u64 = 10_000;

/// What began lately on a node, and what exists.
#[derive(Debug, Default)]
pub struct Beginnings {
    lately: Mutex<Table>,
    channels: Existing,
    rooms: Existing,
}

/// How many objects of a kind exist that began because of clients of an address.
type Existing = Arc<Mutex<EvenShares>>;

/// The bounds of a kind of objects.
struct Most {
    what: &'static str,
    /// What their actors are called by metrics.
    actor: &'static str,
    /// Of one address, and the key that sets it.
    by_address: (usize, &'static str),
    /// Of all, and the key that sets it.
    total: (usize, &'static str),
}

/// One of them; dropping it counts it out.
#[derive(Debug)]
pub(super) struct Begun {
    existing: Existing,
    by: Address,
}

impl Begun {
    /// Counts one more.
    ///
    /// # Errors
    /// `too_many` where the address has as many as it may, or there are nearly as many as there
    /// may be and it has more than its share.
    fn count(
        existing: &Existing,
        by: Address,
        most: &Most,
        metrics: &Metrics,
    ) -> Result<Self, ErrorBody> {
        let what = most.what;
        let exist = usize::try_from(metrics.actors(most.actor).get()).unwrap_or_default();
        let mut counts = existing.lock();
        let (max, key) = most.by_address;
        let (total_max, total_key) = most.total;
        if counts.of(by) >= max {
            drop(counts);
            metrics.reach(key);
            let message = format!(
                "at most {max} {what} exist that clients of your address began ({key}); \
                 use those, or end some"
            );
            let error = ErrorBody::new(ErrorCode::TooMany, message);
            return Err(error.with("max", max as u64));
        }
        // What the process before left, and what the operator began.
        let beside = exist.saturating_sub(counts.total());
        // Where one address may have all, there are no shares.
        if max < total_max && !counts.has_room_beside(by, 1, beside, total_max) {
            drop(counts);
            return Err(beyond_share(metrics, what, total_key));
        }
        counts.add(Some(by), 1);
        drop(counts);
        Ok(Self {
            existing: existing.clone(),
            by,
        })
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.existing.lock().remove(Some(self.by), 1);
    }
}

#[derive(Debug, Default)]
struct Table {
    channels_by_user: HashMap<UserId, Bucket>,
    channels_by_address: HashMap<Address, Bucket>,
    rooms_by_address: HashMap<Address, Bucket>,
    swept_ms: u64,
}

impl Beginnings {
    /// A channel begins because of a user at an address.
    ///
    /// # Errors
    /// `too_many` over `channel.channels_per_address_max`, `rate_limited` over
    /// `channel.new_by_user` or `channel.new_by_address`.
    pub(super) fn channel(
        &self,
        user: &UserId,
        address: Address,
        settings: &ChannelSettings,
        now_ms: u64,
        metrics: &Metrics,
    ) -> Result<Begun, ErrorBody> {
        let most = Most {
            what: "channels",
            actor: "channel",
            by_address: (
                settings.channels_per_address_max,
                "channel.channels_per_address_max",
            ),
            total: (settings.channels_max, "channel.channels_max"),
        };
        let begun = Begun::count(&self.channels, address, &most, metrics)?;
        let mut table = self.lately.lock();
        let (limit, rate) = (Limit::ChannelNewByUser, settings.new_by_user);
        let taken = take(&mut table.channels_by_user, user.clone(), rate, now_ms);
        taken.map_err(|wait_ms| refused("channels begin by you", limit, wait_ms))?;
        let (limit, rate) = (Limit::ChannelNewByAddress, settings.new_by_address);
        let taken = take(&mut table.channels_by_address, address, rate, now_ms);
        taken.map_err(|wait_ms| {
            if let Some(bucket) = table.channels_by_user.get_mut(user) {
                bucket.give_back(1);
            }
            refused("channels begin by clients of your address", limit, wait_ms)
        })?;
        Ok(begun)
    }

    /// A room begins because of a client at an address.
    ///
    /// # Errors
    /// `too_many` over `room.rooms_per_address_max`, `rate_limited` over
    /// `room.new_by_address`.
    pub(super) fn room(
        &self,
        address: Address,
        settings: &RoomSettings,
        now_ms: u64,
        metrics: &Metrics,
    ) -> Result<Begun, ErrorBody> {
        let most = Most {
            what: "rooms",
            actor: "room",
            by_address: (settings.rooms_per_address_max, "room.rooms_per_address_max"),
            total: (settings.rooms_max, "room.rooms_max"),
        };
        let begun = Begun::count(&self.rooms, address, &most, metrics)?;
        let (limit, rate) = (Limit::RoomNewByAddress, settings.new_by_address);
        let mut table = self.lately.lock();
        take(&mut table.rooms_by_address, address, rate, now_ms)
            .map_err(|wait_ms| refused("rooms begin by clients of your address", limit, wait_ms))?;
        Ok(begun)
    }

    /// Forgets users and addresses whose buckets are full again, now and then.
    pub(super) fn sweep(&self, channel: &ChannelSettings, room: &RoomSettings, now_ms: u64) {
        let mut table = self.lately.lock();
        if now_ms < table.swept_ms.saturating_add(SWEEP_MS) {
            return;
        }
        table.swept_ms = now_ms;
        forget(&mut table.channels_by_user, channel.new_by_user, now_ms);
        forget(
            &mut table.channels_by_address,
            channel.new_by_address,
            now_ms,
        );
        forget(&mut table.rooms_by_address, room.new_by_address, now_ms);
    }
}

fn take<K: Eq + Hash>(
    buckets: &mut HashMap<K, Bucket>,
    key: K,
    rate: BucketSettings,
    now_ms: u64,
) -> Result<(), u64> {
    if rate.per_second == 0 {
        return Ok(());
    }
    buckets.entry(key).or_default().take(rate, now_ms)
}

fn forget<K: Eq + Hash>(buckets: &mut HashMap<K, Bucket>, rate: BucketSettings, now_ms: u64) {
    // Without a rate nothing is charged.
    buckets.retain(|_, bucket| rate.per_second > 0 && !bucket.is_full(rate, now_ms));
    buckets.give_back();
}

fn refused(what: &str, limit: Limit, wait_ms: u64) -> ErrorBody {
    let message = format!("too many {what}; wait retry_ms");
    let error = ErrorBody::new(ErrorCode::RateLimited, message);
    error.with("retry_ms", wait_ms).by(limit)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000_000;

    fn user(number: usize) -> UserId {
        UserId::parse(&format!("1:{number}")).unwrap()
    }

    fn settings() -> ChannelSettings {
        ChannelSettings {
            new_by_user: BucketSettings::new(1, 2),
            new_by_address: BucketSettings::new(1, 3),
            ..ChannelSettings::default()
        }
    }

    #[test]
    fn channels_begin_at_a_rate_by_user_and_by_address() {
        let beginnings = Beginnings::default();
        let begin = |number, address, now_ms| {
            let address = Address::from_number(address);
            let metrics = Metrics::default();
            let begun = beginnings.channel(&user(number), address, &settings(), now_ms, &metrics);
            begun.map(drop).map_err(|error| error.limit)
        };
        let by_user = Err(Some(Limit::ChannelNewByUser));
        let by_address = Err(Some(Limit::ChannelNewByAddress));
        assert_eq!([begin(1, 7, NOW), begin(1, 7, NOW)], [Ok(()), Ok(())]);
        assert_eq!(begin(1, 7, NOW), by_user);
        assert_eq!(begin(2, 7, NOW), Ok(()));
        assert_eq!(begin(2, 7, NOW), by_address);
        // Its own bucket was not charged for what its address refused.
        assert_eq!(begin(2, 8, NOW), Ok(()));
        assert_eq!(begin(1, 7, NOW + 1_000), Ok(()));
    }

    #[test]
    fn rooms_begin_at_a_rate_by_address() {
        let beginnings = Beginnings::default();
        let settings = RoomSettings {
            new_by_address: BucketSettings::new(1, 1),
            ..RoomSettings::default()
        };
        let metrics = Metrics::default();
        let begin = |address| {
            let address = Address::from_number(address);
            beginnings.room(address, &settings, NOW, &metrics)
        };
        begin(7).unwrap();
        let error = begin(7).unwrap_err();
        assert_eq!(error.limit, Some(Limit::RoomNewByAddress));
        assert!(error.detail("retry_ms").is_some());
        begin(8).unwrap();
    }

    #[test]
    fn what_an_address_began_counts_until_it_ends() {
        let (beginnings, metrics) = (Beginnings::default(), Metrics::default());
        let settings = ChannelSettings {
            channels_per_address_max: 2,
            ..ChannelSettings::default()
        };
        let begin = |number, address, now_ms| {
            let address = Address::from_number(address);
            beginnings.channel(&user(number), address, &settings, now_ms, &metrics)
        };
        let first = begin(1, 7, NOW).unwrap();
        let _second = begin(2, 7, NOW).unwrap();
        // However long it waits, and whichever user it is.
        let error = begin(3, 7, NOW + 86_400_000).unwrap_err();
        assert_eq!(
            (error.code, error.detail("max")),
            (ErrorCode::TooMany, Some(2))
        );
        let _other = begin(3, 8, NOW).unwrap();
        drop(first);
        assert!(begin(3, 7, NOW).is_ok());
    }

    #[test]
    fn few_addresses_cannot_take_all_that_there_may_be() {
        let (beginnings, metrics) = (Beginnings::default(), Metrics::default());
        let settings = ChannelSettings {
            channels_max: 100,
            channels_per_address_max: 50,
            ..ChannelSettings::default()
        };
        let mut begun = Vec::new();
        let mut begin = |number, address| {
            let address = Address::from_number(address);
            let begun_now = beginnings.channel(&user(number), address, &settings, NOW, &metrics);
            begun_now.map(|one| begun.push(one)).is_ok()
        };
        let of_two = (0..200).filter(|number| begin(*number, *number as u64 % 2));
        // Of the last quarter each of the next has half of what is left.
        assert_eq!(of_two.count(), 75);
        assert_eq!((300..400).filter(|number| begin(*number, 7)).count(), 12);
        assert_eq!((400..500).filter(|number| begin(*number, 8)).count(), 6);
    }

    #[test]
    fn what_an_earlier_process_left_is_shared_by_nobody() {
        let (beginnings, metrics) = (Beginnings::default(), Metrics::default());
        let settings = ChannelSettings {
            channels_max: 100,
            channels_per_address_max: 50,
            ..ChannelSettings::default()
        };
        metrics.actors("channel").set(60);
        let mut begun = Vec::new();
        let mut begin = |number, address| {
            let address = Address::from_number(address);
            let begun_now = beginnings.channel(&user(number), address, &settings, NOW, &metrics);
            let is_begun = begun_now.map(|one| begun.push(one)).is_ok();
            metrics.actors("channel").inc_by(is_begun.into());
            is_begun
        };
        // Two have two thirds of 40 together, and others come in.
        let of_two = (0..200).filter(|number| begin(*number, *number as u64 % 2));
        assert_eq!(of_two.count(), 26);
        assert!(begin(300, 7) && begin(301, 8));
    }

    #[test]
    fn users_that_began_nothing_lately_take_no_memory() {
        let (beginnings, metrics) = (Beginnings::default(), Metrics::default());
        for number in 0..10_000 {
            let address = Address::from_number(number as u64);
            let begun = beginnings.channel(&user(number), address, &settings(), NOW, &metrics);
            begun.unwrap();
        }
        assert!(beginnings.channels.lock().is_empty());
        beginnings.sweep(&settings(), &RoomSettings::default(), NOW + 5_000);
        let table = beginnings.lately.lock();
        assert!(table.channels_by_user.is_empty() && table.channels_by_address.is_empty());
        assert!(table.channels_by_user.capacity() < 100);
    }
}
