//! Places of connections that have not identified, by address, in the order in which they
//! came.
//!
//! A place is 24 bytes: the places of an address are a list through one table of all, since
//! a map of its own for each address takes twice as much.

use std::collections::HashMap;
use std::net::IpAddr;

use super::{Evicted, UnidentifiedLimits};
use crate::gateway::slots::Slots;
use turntable_core::key::{ConnKey, WorkerId};
use turntable_core::rate::Bucket;
use turntable_core::spare::Spare;

/// So many addresses are known before those are forgotten that have nothing.
const SWEEP_MIN: usize = 1_024;
/// The number of no place.
const NONE: u32 = u32::MAX;

/// How far a connection is that has not identified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is on its way to a gateway.
    Arriving,
    /// It is there, and waits for its client's claim.
    Silent(WorkerId, ConnKey),
    /// Its client's claim is checked.
    Checked,
    /// It is not counted any more, and ends: another one has its place.
    Evicted,
}

/// One connection's place.
#[derive(Debug)]
struct Place {
    standing: Standing,
    /// The number of its address.
    address: u32,
    /// The place that came before it at its address.
    older: u32,
    /// The place that came behind it.
    newer: u32,
}

/// What one address has.
#[derive(Debug)]
pub(super) struct Address {
    /// The first of its places.
    oldest: u32,
    /// The last of its places.
    newest: u32,
    /// How many there are.
    count: usize,
    /// Sessions that begin.
    pub(super) sessions: Bucket,
    /// Sessions that are resumed.
    pub(super) resumes: Bucket,
}

impl Address {
    fn is_forgotten(&self, limits: &UnidentifiedLimits, now_ms: u64) -> bool {
        self.count == 0
            && self.sessions.is_full(limits.sessions, now_ms)
            && self.resumes.is_full(limits.resumes, now_ms)
    }
}

impl Default for Address {
    fn default() -> Self {
        Self {
            oldest: NONE,
            newest: NONE,
            count: 0,
            sessions: Bucket::default(),
            resumes: Bucket::default(),
        }
    }
}

/// The places of all addresses.
#[derive(Debug, Default)]
pub(super) struct Places {
    places: Slots<Place>,
    addresses: Slots<Address>,
    numbers: HashMap<IpAddr, u32>,
    /// The number of addresses at which those that have nothing are forgotten.
    sweep_at: usize,
}

impl Places {
    /// What an address has.
    pub(super) fn address(
        &mut self,
        address: IpAddr,
        limits: &UnidentifiedLimits,
    ) -> Option<&mut Address> {
        let number = self.number(address, limits);
        self.addresses.get_mut(number)
    }

    fn number(&mut self, address: IpAddr, limits: &UnidentifiedLimits) -> u32 {
        self.sweep(limits);
        let addresses = &mut self.addresses;
        let known = self.numbers.entry(address);
        *known.or_insert_with(|| addresses.insert(Address::default()))
    }

    /// A place for one more connection of an address. Where that has as many as it may,
    /// its oldest silent one makes room; `None` where it has none.
    pub(super) fn take(
        &mut self,
        address: IpAddr,
        limits: &UnidentifiedLimits,
    ) -> Option<(u32, Option<Evicted>)> {
        let at = self.number(address, limits);
        let mut evicted = None;
        if self.addresses.get(at)?.count >= limits.per_address_max {
            evicted = Some(self.evict(at)?);
        }
        let older = self.addresses.get(at)?.newest;
        let number = self.places.insert(Place {
            standing: Standing::Arriving,
            address: at,
            older,
            newer: NONE,
        });
        if let Some(older) = self.places.get_mut(older) {
            older.newer = number;
        }
        let known = self.addresses.get_mut(at)?;
        known.newest = number;
        if known.oldest == NONE {
            known.oldest = number;
        }
        known.count += 1;
        Some((number, evicted))
    }

    /// Takes the oldest silent connection of an address out of the count.
    fn evict(&mut self, address: u32) -> Option<Evicted> {
        let mut number = self.addresses.get(address)?.oldest;
        loop {
            let place = self.places.get(number)?;
            if let Standing::Silent(worker, connection) = place.standing {
                self.unlink(number);
                if let Some(place) = self.places.get_mut(number) {
                    place.standing = Standing::Evicted;
                }
                return Some(Evicted {
                    worker,
                    connection,
                    number,
                });
            }
            number = place.newer;
        }
    }

    /// A connection is so far. Returns whether it is still counted.
    pub(super) fn stand(&mut self, number: u32, now: Standing) -> bool {
        let place = self.places.get_mut(number);
        let place = place.filter(|place| place.standing != Standing::Evicted);
        place.is_some_and(|place| {
            place.standing = now;
            true
        })
    }

    /// A connection has identified, or is gone.
    pub(super) fn release(&mut self, number: u32) {
        let place = self.places.get(number);
        if place.is_some_and(|place| place.standing != Standing::Evicted) {
            self.unlink(number);
        }
        self.places.remove(number);
    }

    /// Takes a place out of its address's list.
    fn unlink(&mut self, number: u32) {
        let Some(place) = self.places.get(number) else {
            return;
        };
        let (address, older, newer) = (place.address, place.older, place.newer);
        if let Some(older) = self.places.get_mut(older) {
            older.newer = newer;
        }
        if let Some(newer) = self.places.get_mut(newer) {
            newer.older = older;
        }
        if let Some(known) = self.addresses.get_mut(address) {
            if known.oldest == number {
                known.oldest = newer;
            }
            if known.newest == number {
                known.newest = older;
            }
            known.count -= 1;
        }
    }

    /// Forgets the addresses that have nothing, once as many as were there after
    /// the last time have come.
    fn sweep(&mut self, limits: &UnidentifiedLimits) {
        if self.numbers.len() < self.sweep_at.max(SWEEP_MIN) {
            return;
        }
        let now_ms = crate::clock::now_ms();
        let addresses = &mut self.addresses;
        self.numbers.retain(|_, number| {
            let known = addresses.get(*number);
            let is_forgotten = known.is_none_or(|known| known.is_forgotten(limits, now_ms));
            if is_forgotten {
                addresses.remove(*number);
            }
            !is_forgotten
        });
        self.sweep_at = self.numbers.len() * 2;
        self.numbers.give_back();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use turntable_core::key::SlotKey as _;
    use turntable_core::rate::BucketSettings;

    const LIMITS: UnidentifiedLimits = UnidentifiedLimits {
        per_address_max: 3,
        per_socket_max: 100,
        sessions: BucketSettings::new(1, 1),
        socket_sessions: BucketSettings::new(1, 1),
        resumes: BucketSettings::new(1, 1),
    };

    fn ip(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    #[test]
    fn place_is_small() {
        let bytes = size_of::<Option<Place>>();
        assert!(bytes <= 24, "{bytes}");
    }

    #[test]
    fn addresses_that_have_nothing_are_forgotten() {
        let mut places = Places::default();
        let (one, _) = places.take(ip(1), &LIMITS).unwrap();
        for number in 0..SWEEP_MIN as u32 * 3 {
            let address = std::net::Ipv4Addr::from_bits(0x0a00_0000 + number).into();
            let (place, _) = places.take(address, &LIMITS).unwrap();
            places.release(place);
        }
        let known = places.numbers.len();
        assert!(known <= SWEEP_MIN + 1, "{known}");
        assert_eq!(places.addresses.iter().count(), known);
        assert!(places.numbers.contains_key(&ip(1)));
        places.release(one);
    }

    proptest! {
        /// The places are those of a list per address, of which the first silent one makes room.
        #[test]
        fn oldest_silent_place_of_an_address_makes_room(
            steps in prop::collection::vec((0..4_u8, 0..2_u8, 0..8_usize), 1..60),
        ) {
            let mut places = Places::default();
            let mut model: [Vec<(u32, bool)>; 2] = Default::default();
            let mut permits = Vec::new();
            for (what, last, at) in steps {
                let list = &mut model[usize::from(last)];
                match what {
                    0 | 1 => {
                        let is_full = list.len() >= LIMITS.per_address_max;
                        let silent = list.iter().position(|(_, is_silent)| *is_silent);
                        let taken = places.take(ip(last), &LIMITS);
                        prop_assert_eq!(taken.is_some(), !is_full || silent.is_some());
                        let Some((number, evicted)) = taken else { continue };
                        let oldest = silent.filter(|_| is_full).map(|at| list.remove(at).0);
                        prop_assert_eq!(evicted.map(|evicted| evicted.number), oldest);
                        prop_assert!(!permits.contains(&number));
                        permits.push(number);
                        list.push((number, false));
                    }
                    2 if at < permits.len() => {
                        let number = permits[at];
                        let known = model.iter_mut().flatten();
                        let known = known.into_iter().find(|(known, _)| *known == number);
                        let silent = Standing::Silent(WorkerId(0), ConnKey::new(number, 0));
                        prop_assert_eq!(places.stand(number, silent), known.is_some());
                        if let Some(known) = known {
                            known.1 = true;
                        }
                    }
                    3 if at < permits.len() => {
                        let number = permits.remove(at);
                        places.release(number);
                        for list in &mut model {
                            list.retain(|(known, _)| *known != number);
                        }
                    }
                    _ => {}
                }
            }
            for number in permits {
                places.release(number);
            }
            prop_assert_eq!(places.places.places(), 0);
        }
    }
}
