//! Addresses that have more than one may have, when a node uses more memory than it may: they give
//! what they have beyond that, although their clients read, before others give anything.
//!
//! Messages that are retained for a resume go first, as nobody misses them who stays. Then
//! sessions end, those without a connection first, then the fullest.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::{
    Excess, Going, Holding, Owner, Reading, aged, by_address, bytes_of, take as take_of_most,
};

/// What each address has.
fn totals(detached: &[Holding], reading: &[Reading]) -> BTreeMap<Owner, usize> {
    let mut totals = BTreeMap::new();
    let reading = reading.iter().map(|reading| &reading.holding);
    for holding in detached.iter().chain(reading) {
        *totals.entry(holding.owner()).or_default() += holding.bytes;
    }
    totals
}

/// Adds to `going` what these addresses give, to free the excess, and takes it out of `detached`.
/// Returns the bytes that it frees.
///
/// An address that is alone gives nothing to others, so it gives only while new clients are
/// refused: they would be for as long as it stays.
pub(super) fn take(
    going: &mut Going,
    detached: &mut Vec<Holding>,
    mut reading: Vec<Reading>,
    excess: Excess,
) -> usize {
    let mut totals = totals(detached, &reading);
    let is_alone = totals.len() < 2;
    totals.retain(|_, total| *total > excess.address_bytes_max);
    if totals.is_empty() || is_alone && !excess.is_refusing {
        return 0;
    }
    reading.retain(|one| totals.contains_key(&one.holding.owner()));
    reading.sort_unstable_by_key(|one| Reverse((one.retained_bytes, one.holding.session)));
    let mut freed = 0;
    for Reading {
        holding,
        retained_bytes,
    } in &mut reading
    {
        if *retained_bytes > 0 && freed < excess.bytes {
            freed += *retained_bytes;
            holding.bytes = holding.bytes.saturating_sub(*retained_bytes);
            going.forgetful.push(*holding);
        }
    }
    if freed >= excess.bytes {
        return freed;
    }
    // The last one goes first.
    reading.sort_unstable_by_key(|one| (one.holding.bytes, one.holding.session));
    let reading: Vec<_> = reading.into_iter().map(|one| one.holding).collect();
    let mut addresses = by_address(&reading);
    for (address, (total, lost)) in aged(detached) {
        if totals.contains_key(&address) {
            let (all, sessions) = addresses.entry(address).or_default();
            *all += total;
            sessions.extend(lost);
        }
    }
    let missing = excess.bytes - freed;
    let ended = take_of_most(&mut addresses, |total, taken| {
        total > excess.address_bytes_max && taken < missing
    });
    freed += bytes_of(&ended);
    let (lost, read): (Vec<_>, Vec<_>) = ended.into_iter().partition(|one| one.since_ms > 0);
    let gone: BTreeSet<_> = lost.iter().map(|one| one.session).collect();
    detached.retain(|one| !gone.contains(&one.session));
    going.sessions.extend(lost);
    going.surplus.extend(read);
    freed
}

#[cfg(test)]
mod tests {
    use super::super::Holdings;
    use super::super::tests::{holdings, numbers};
    use super::*;
    use crate::budget::Relief;

    /// Address, number of the session, bytes, and what is retained of them.
    fn reading(of: &[(u64, u32, usize, usize)]) -> Vec<Reading> {
        let one = |&(address, session, bytes, retained_bytes): &(u64, u32, usize, usize)| {
            let holding = holdings(&[(address, session, bytes, 0)]);
            holding.into_iter().map(move |holding| Reading {
                holding,
                retained_bytes,
            })
        };
        of.iter().flat_map(one).collect()
    }

    /// What goes where an address may have 100 bytes: sessions without a connection, with one, and
    /// those that retain nothing any more.
    fn going(holdings: &Holdings, relief: Relief, bytes: usize) -> [Vec<u32>; 3] {
        let excess = Excess {
            bytes,
            address_bytes_max: 100,
            is_refusing: relief == Relief::All,
        };
        let going = holdings.clone().going(relief, excess);
        [&going.sessions, &going.surplus, &going.forgetful].map(|list| numbers(list))
    }

    fn lists(of: [&[u32]; 3]) -> [Vec<u32>; 3] {
        of.map(<[u32]>::to_vec)
    }

    #[test]
    fn address_with_too_much_gives_before_sessions_of_others_end() {
        let holdings = Holdings {
            detached: holdings(&[(1, 1, 10, 5), (2, 2, 10, 6)]),
            reading: reading(&[(2, 3, 200, 0), (2, 4, 300, 0), (3, 5, 90, 50)]),
            ..Holdings::default()
        };
        // At the first look readers that are behind go, and nothing else.
        assert_eq!(
            going(&holdings, Relief::Stalled, 50),
            lists([&[], &[], &[]])
        );
        // Its session without a connection, then the fullest.
        assert_eq!(going(&holdings, Relief::Half, 5), lists([&[2], &[], &[]]));
        assert_eq!(going(&holdings, Relief::Half, 50), lists([&[2], &[4], &[]]));
        assert_eq!(
            going(&holdings, Relief::Half, 400),
            lists([&[2], &[4, 3], &[]])
        );
        // Where that is not enough, others give, too.
        assert_eq!(
            going(&holdings, Relief::Half, 900),
            lists([&[2, 1], &[4, 3], &[]])
        );
    }

    #[test]
    fn messages_for_a_resume_go_before_sessions_do() {
        let holdings = Holdings {
            detached: holdings(&[(1, 1, 10, 5)]),
            reading: reading(&[(2, 3, 200, 150), (2, 4, 300, 200), (3, 5, 90, 50)]),
            ..Holdings::default()
        };
        assert_eq!(
            going(&holdings, Relief::Half, 350),
            lists([&[], &[], &[4, 3]])
        );
        assert_eq!(
            going(&holdings, Relief::Half, 351),
            lists([&[], &[4], &[4, 3]])
        );
    }

    #[test]
    fn addresses_within_their_part_and_one_that_is_alone_keep_what_they_have() {
        let within = Holdings {
            reading: reading(&[(1, 1, 60, 20), (2, 2, 100, 50)]),
            ..Holdings::default()
        };
        assert_eq!(going(&within, Relief::Half, 500), lists([&[], &[], &[]]));
        let alone = Holdings {
            reading: reading(&[(1, 1, 60, 0), (1, 2, 100, 0)]),
            ..Holdings::default()
        };
        assert_eq!(going(&alone, Relief::Shares, 50), lists([&[], &[], &[]]));
        // New clients would be refused for as long as it stays.
        assert_eq!(going(&alone, Relief::All, 50), lists([&[], &[2], &[]]));
    }

    #[test]
    fn sessions_whose_address_is_not_known_yet_are_of_many_addresses() {
        let mut restored = reading(&[(1, 1, 200, 0), (1, 2, 200, 0)]);
        for one in &mut restored {
            one.holding.address = None;
        }
        for one in &mut restored {
            one.holding.bytes = 90;
        }
        let mut lost = holdings(&[(1, 5, 90, 1), (1, 6, 90, 2), (1, 7, 90, 3)]);
        for one in &mut lost {
            one.address = None;
        }
        restored.extend(reading(&[(2, 3, 200, 0)]));
        let holdings = Holdings {
            detached: lost,
            reading: restored,
            ..Holdings::default()
        };
        // The one address that has come back has too much.
        assert_eq!(going(&holdings, Relief::Half, 100), lists([&[], &[3], &[]]));
    }
}
