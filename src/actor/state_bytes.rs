//! What rooms retain as the states of their games, together and by the address that wrote
//! them. The table is the node's: it is locked where a state is written or a room ends, and
//! not by other actions.

use std::sync::Arc;

use parking_lot::Mutex;
use prometheus_client::metrics::gauge::Gauge;

use crate::actor::beyond_share;
use crate::metric::Metrics;
use turntable_core::address::Address;
use turntable_core::even_share::EvenShares;
use turntable_core::model::room::RoomSettings;
use turntable_core::packet::ErrorBody;
use turntable_core::reason::ErrorCode;

const TOTAL_KEY: &str = "room.state_total_bytes_max";
const ADDRESS_KEY: &str = "room.state_bytes_per_address_max";

/// The states of a node.
#[derive(Debug)]
pub(super) struct States {
    table: Mutex<EvenShares>,
    /// The total as a metric.
    gauge: Gauge,
}

impl States {
    /// None.
    pub(super) fn new(metrics: &Metrics) -> Self {
        Self {
            table: Mutex::default(),
            gauge: metrics.state_bytes.clone(),
        }
    }

    /// One room has `new` in place of `old`.
    fn replace(&self, table: &mut EvenShares, old: Written, new: Written) {
        table.remove(old.by, old.bytes);
        table.add(new.by, new.bytes);
        self.gauge.set(table.total() as i64);
    }
}

/// The state of a room, and who wrote it, also where it wrote null: an earlier action of the
/// same tick may be the one that counts in the end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Written {
    bytes: usize,
    by: Option<Address>,
}

/// The state of one room. It is counted out when the room ends, also by a panic.
#[derive(Debug)]
pub(super) struct StateBytes {
    all: Arc<States>,
    own: Written,
}

impl StateBytes {
    /// That of a room without one.
    pub(super) fn new(all: &Arc<States>) -> Self {
        Self {
            all: all.clone(),
            own: Written::default(),
        }
    }

    /// A client at an address is about to write a state of so many bytes. Returns what was
    /// counted before, should it not.
    ///
    /// # Errors
    /// `too_many` over `room.state_bytes_per_address_max`, `unavailable` over
    /// `room.state_total_bytes_max`; near that `too_many`, where the address has more than its
    /// share. The total never refuses one that is no longer than the
    /// one before.
    pub(super) fn take(
        &mut self,
        bytes: usize,
        by: Option<Address>,
        settings: &RoomSettings,
        metrics: &Metrics,
    ) -> Result<Written, ErrorBody> {
        let (old, new) = (self.own, Written { bytes, by });
        let mut table = self.all.table.lock();
        // Without a number there is no bound.
        let is_over = |bytes: usize, max: usize| max > 0 && bytes > max;
        let grows = bytes > old.bytes;
        let own = if by == old.by { old.bytes } else { 0 };
        let of_address = by.map_or(0, |address| table.of(address));
        let address_max = settings.state_bytes_per_address_max;
        let (max, all) = (
            address_max,
            of_address.saturating_sub(own).saturating_add(bytes),
        );
        if bytes > own && is_over(all, max) {
            drop(table);
            metrics.reach(ADDRESS_KEY);
            let message = format!(
                "the states of games that clients of your address wrote have at most {max} \
                 bytes ({ADDRESS_KEY}); send shorter ones, or leave rooms"
            );
            let error = ErrorBody::new(ErrorCode::TooMany, message);
            return Err(error.with("max", max as u64));
        }
        let max = settings.state_total_bytes_max;
        let all = table
            .total()
            .saturating_sub(old.bytes)
            .saturating_add(bytes);
        if grows && is_over(all, max) {
            drop(table);
            metrics.reach(TOTAL_KEY);
            let message = format!(
                "the server has as many bytes of states of games as it may ({TOTAL_KEY}); \
                 try again later"
            );
            let error = ErrorBody::new(ErrorCode::Unavailable, message);
            return Err(error.with("max", max as u64));
        }
        // Where one address may have all, there are no shares.
        if let Some(address) = by.filter(|_| grows && address_max > 0 && address_max < max) {
            table.remove(old.by, old.bytes);
            let has_room = table.has_room(address, bytes, max);
            table.add(old.by, old.bytes);
            if !has_room {
                drop(table);
                return Err(beyond_share(metrics, "bytes of states of games", TOTAL_KEY));
            }
        }
        self.all.replace(&mut table, old, new);
        self.own = new;
        Ok(old)
    }

    /// Nothing was written: it is as before.
    pub(super) fn put_back(&mut self, before: Written) {
        let old = std::mem::replace(&mut self.own, before);
        let mut table = self.all.table.lock();
        self.all.replace(&mut table, old, before);
    }

    /// The room has a state of so many bytes now. Another action of the same tick may have
    /// been the last one.
    pub(super) fn settle(&mut self, bytes: usize) {
        if bytes != self.own.bytes {
            self.put_back(Written { bytes, ..self.own });
        }
    }
}

impl Drop for StateBytes {
    fn drop(&mut self) {
        self.settle(0);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn settings(per_address: usize, total: usize) -> RoomSettings {
        RoomSettings {
            state_bytes_per_address_max: per_address,
            state_total_bytes_max: total,
            ..RoomSettings::default()
        }
    }

    #[test]
    fn address_and_node_have_a_bound_each() {
        let metrics = Metrics::default();
        let all = Arc::new(States::new(&metrics));
        let settings = settings(100, 150);
        let [mut one, mut two, mut three] = [(); 3].map(|()| StateBytes::new(&all));
        let [near, far] = [1, 2].map(|number| Some(Address::from_number(number)));
        let take = |room: &mut StateBytes, bytes, by| {
            let taken = room.take(bytes, by, &settings, &metrics);
            taken.map(|_| ()).map_err(|error| error.code)
        };
        assert_eq!(take(&mut one, 60, near), Ok(()));
        assert_eq!(take(&mut two, 41, near), Err(ErrorCode::TooMany));
        assert_eq!(take(&mut two, 40, near), Ok(()));
        assert_eq!(take(&mut three, 51, far), Err(ErrorCode::Unavailable));
        assert_eq!(take(&mut three, 26, far), Err(ErrorCode::TooMany));
        assert_eq!(take(&mut three, 25, far), Ok(()));
        // What is there can be replaced, also by another.
        assert_eq!(take(&mut one, 60, near), Ok(()));
        assert_eq!(take(&mut two, 40, far), Ok(()));
        assert_eq!(take(&mut two, 66, far), Err(ErrorCode::Unavailable));
        assert_eq!(metrics.state_bytes.get(), 125);
        drop(one);
        assert_eq!(metrics.state_bytes.get(), 65);
        assert_eq!(take(&mut two, 75, far), Ok(()));
        assert_eq!(take(&mut two, 76, far), Err(ErrorCode::TooMany));
        drop((two, three));
        assert!(all.table.lock().is_empty());
        assert_eq!(metrics.state_bytes.get(), 0);
    }

    #[test]
    fn few_addresses_do_not_write_all_that_there_may_be() {
        let metrics = Metrics::default();
        let all = Arc::new(States::new(&metrics));
        let settings = settings(60, 100);
        let mut rooms = [(); 5].map(|()| StateBytes::new(&all));
        let mut take = |room: usize, bytes, address| {
            let by = Some(Address::from_number(address));
            let taken = rooms[room].take(bytes, by, &settings, &metrics);
            taken.map(|_| ()).map_err(|error| error.code)
        };
        assert_eq!(take(0, 45, 1), Ok(()));
        assert_eq!(take(1, 30, 2), Ok(()));
        assert_eq!(take(2, 10, 1), Err(ErrorCode::TooMany));
        assert_eq!(take(3, 13, 3), Err(ErrorCode::TooMany));
        assert_eq!(take(3, 12, 3), Ok(()));
        assert_eq!(take(0, 45, 1), Ok(()), "it is no longer");
        assert_eq!(take(1, 10, 2), Ok(()));
        // Another one makes it longer.
        assert_eq!(take(1, 20, 1), Err(ErrorCode::TooMany));
        assert_eq!(take(1, 20, 2), Ok(()));
    }

    #[test]
    fn null_has_no_entry() {
        let metrics = Metrics::default();
        let all = Arc::new(States::new(&metrics));
        let settings = settings(100, 150);
        let [one, other, third] = [1, 2, 3].map(|number| Some(Address::from_number(number)));
        let addresses = || all.table.lock().addresses();
        let mut room = StateBytes::new(&all);
        for (bytes, by, count) in [(0, one, 0), (30, one, 1), (0, other, 0), (0, third, 0)] {
            room.take(bytes, by, &settings, &metrics).unwrap();
            assert_eq!(addresses(), count);
        }
        // A state that is not written leaves null, which another wrote.
        let before = room.take(40, one, &settings, &metrics).unwrap();
        room.put_back(before);
        assert_eq!(addresses(), 0);
        drop(room);
        assert!(all.table.lock().is_empty());
    }

    #[test]
    fn what_is_not_written_or_shorter_does_not_count() {
        let metrics = Metrics::default();
        let all = Arc::new(States::new(&metrics));
        let mut room = StateBytes::new(&all);
        let settings = settings(0, 0);
        let by = Some(Address::from_number(1));
        let before = room.take(1_000_000, by, &settings, &metrics).unwrap();
        room.put_back(before);
        assert_eq!(all.table.lock().total(), 0);
        room.take(70, by, &settings, &metrics).unwrap();
        room.settle(20);
        let table = all.table.lock();
        assert_eq!((table.total(), table.of(Address::from_number(1))), (20, 20));
    }
}
