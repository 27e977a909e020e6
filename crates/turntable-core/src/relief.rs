//! Which sessions go when a node uses more memory than it may.
//!
//! ```text
//! stalled readers    the address with the most gives first, its fullest session first
//! surplus            an address that has more than one may have gives what it has beyond that
//! without a reader   an address with more than its even share gives first, its oldest
//!                    session first; then the oldest of all
//! ```
//!
//! The sessions of all workers are judged together, so that it does not matter which worker
//! has those of which client.

mod surplus;

use std::collections::{BTreeMap, BinaryHeap};

use crate::address::Address;
use crate::budget::Relief;
use crate::key::{Place, WorkerId};

/// A session, and the memory that its end gives back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holding {
    /// The address by which its client is counted.
    pub address: Option<Address>,
    /// Where it is.
    pub session: Place,
    /// What it has.
    pub bytes: usize,
    /// When it lost its connection, Unix ms; 0 where it has one.
    pub since_ms: u64,
}

/// A session whose client reads, and what it has besides: users that it watches, and messages that
/// are retained for a resume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// The session, and all that it has.
    pub holding: Holding,
    /// What of it is retained for a resume.
    pub retained_bytes: usize,
}

/// What has to be freed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Excess {
    /// So much is too much.
    pub bytes: usize,
    /// An address that has more gives what it has beyond that before others give anything.
    pub address_bytes_max: usize,
    /// Whether new clients are refused meanwhile.
    pub is_refusing: bool,
}

/// What may go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holdings {
    /// Sessions whose readers are behind.
    pub stalled: Vec<Holding>,
    /// Others that have no connection.
    pub detached: Vec<Holding>,
    /// Others that have one.
    pub reading: Vec<Reading>,
    /// What sessions had that have ended, and that is about to be free.
    pub leaving_bytes: usize,
}

/// What goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Going {
    /// Sessions that end.
    pub sessions: Vec<Holding>,
    /// Sessions whose clients read, of addresses that have too much, that end.
    pub surplus: Vec<Holding>,
    /// Sessions of such addresses that retain nothing for a resume any more.
    pub forgetful: Vec<Holding>,
    /// Whether nothing is retained for a resume, nor for a request that comes again.
    pub forgets_retained: bool,
}

impl Holdings {
    /// Adds those of another worker.
    pub fn extend(&mut self, others: Self) {
        self.stalled.extend(others.stalled);
        self.detached.extend(others.detached);
        self.reading.extend(others.reading);
        self.leaving_bytes += others.leaving_bytes;
    }

    /// What goes, to free the excess.
    #[must_use]
    pub fn going(self, relief: Relief, excess: Excess) -> Going {
        let excess = Excess {
            bytes: excess.bytes.saturating_sub(self.leaving_bytes),
            ..excess
        };
        let is_on_its_way = excess.bytes == 0 && self.leaving_bytes > 0;
        if is_on_its_way || matches!(relief, Relief::None | Relief::Closed) {
            return Going::default();
        }
        let mut going = Going {
            sessions: fullest(&self.stalled, excess.bytes),
            ..Going::default()
        };
        let missing = excess.bytes.saturating_sub(bytes_of(&going.sessions));
        if missing == 0 {
            return going;
        }
        if relief == Relief::Stalled {
            // What is too much is of others, who are known at the next look.
            return Going::default();
        }
        let excess = Excess {
            bytes: missing,
            ..excess
        };
        let Self {
            mut detached,
            reading,
            ..
        } = self;
        let freed = surplus::take(&mut going, &mut detached, reading, excess);
        if freed >= missing {
            return going;
        }
        let all = bytes_of(&detached);
        going.sessions.extend(match relief {
            // It is near its budget: no more goes than is missing.
            Relief::Half if excess.is_refusing => oldest(detached, missing - freed),
            Relief::Half => oldest(detached, all.div_ceil(2)),
            Relief::Shares => beyond_share(&detached),
            _ => oldest(detached, all),
        });
        going.forgets_retained = relief != Relief::Half;
        going
    }
}

impl Going {
    /// The parts of these workers; one without a part has nothing to do.
    #[must_use]
    pub fn parts(&self, workers: &[WorkerId]) -> BTreeMap<WorkerId, Self> {
        let mut parts: BTreeMap<WorkerId, Self> = BTreeMap::new();
        let forgetful = workers.iter().filter(|_| self.forgets_retained);
        for worker in forgetful {
            parts.entry(*worker).or_default().forgets_retained = true;
        }
        let mut part_of = |list: &[Holding], of: fn(&mut Self) -> &mut Vec<Holding>| {
            for holding in list {
                let part = parts.entry(holding.session.gateway.worker).or_default();
                of(part).push(*holding);
            }
        };
        part_of(&self.sessions, |part| &mut part.sessions);
        part_of(&self.surplus, |part| &mut part.surplus);
        part_of(&self.forgetful, |part| &mut part.forgetful);
        parts
    }
}

fn bytes_of(holdings: &[Holding]) -> usize {
    holdings.iter().map(|holding| holding.bytes).sum()
}

/// What the sessions of one address have, and these, the first to go last.
type OfAddress = (usize, Vec<Holding>);

/// Whose a session is: its address's, or where that is not known, as of an earlier process whose
/// clients have not come back, its own.
type Owner = (Option<Address>, Option<Place>);

impl Holding {
    fn owner(&self) -> Owner {
        (self.address, self.address.is_none().then_some(self.session))
    }
}

fn by_address(holdings: &[Holding]) -> BTreeMap<Owner, OfAddress> {
    let mut addresses: BTreeMap<_, OfAddress> = BTreeMap::new();
    for holding in holdings {
        let (total, sessions) = addresses.entry(holding.owner()).or_default();
        *total += holding.bytes;
        sessions.push(*holding);
    }
    addresses
}

/// Takes sessions of the address that has the most then, one after the other, while `goes`
/// says so of what it has and of what was taken.
fn take(
    addresses: &mut BTreeMap<Owner, OfAddress>,
    goes: impl Fn(usize, usize) -> bool,
) -> Vec<Holding> {
    let totals = addresses
        .iter()
        .map(|(address, (total, _))| (*total, *address));
    let mut totals: BinaryHeap<(usize, Owner)> = totals.collect();
    let (mut taken, mut taken_bytes) = (Vec::new(), 0);
    while let Some((total, address)) = totals.pop() {
        if !goes(total, taken_bytes) {
            break;
        }
        let sessions = addresses.get_mut(&address);
        if let Some(holding) = sessions.and_then(|(_, sessions)| sessions.pop()) {
            taken_bytes += holding.bytes;
            taken.push(holding);
            totals.push((total - holding.bytes, address));
        }
    }
    taken
}

/// The sessions that go to free so many bytes of those that wait for readers.
fn fullest(stalled: &[Holding], excess_bytes: usize) -> Vec<Holding> {
    let mut addresses = by_address(stalled);
    for (_, sessions) in addresses.values_mut() {
        sessions.sort_unstable_by_key(|holding| (holding.bytes, holding.session));
    }
    take(&mut addresses, |_, taken| taken < excess_bytes)
}

/// By address, the oldest last.
fn aged(detached: &[Holding]) -> BTreeMap<Owner, OfAddress> {
    let mut addresses = by_address(detached);
    for (_, sessions) in addresses.values_mut() {
        sessions
            .sort_unstable_by_key(|holding| std::cmp::Reverse((holding.since_ms, holding.session)));
    }
    addresses
}

/// What addresses have beyond the even share of all, where several have something.
fn beyond_share(detached: &[Holding]) -> Vec<Holding> {
    let mut addresses = aged(detached);
    let even = bytes_of(detached) / addresses.len().max(1);
    let is_alone = addresses.len() < 2;
    take(&mut addresses, |total, _| {
        is_alone && total > 0 || total > even
    })
}

/// The sessions without a connection that go to free so many bytes.
fn oldest(detached: Vec<Holding>, goal_bytes: usize) -> Vec<Holding> {
    let mut addresses = aged(&detached);
    let even = bytes_of(&detached) / addresses.len().max(1);
    let mut going = take(&mut addresses, |total, taken| {
        total > even && taken < goal_bytes
    });
    let mut bytes = bytes_of(&going);
    let left = addresses.into_values().flat_map(|(_, sessions)| sessions);
    let mut left: Vec<Holding> = left.collect();
    left.sort_unstable_by_key(|holding| (holding.since_ms, holding.session));
    for holding in left {
        if bytes >= goal_bytes {
            break;
        }
        bytes += holding.bytes;
        going.push(holding);
    }
    going
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::key::{GatewayId, NodeId, SessionSlot, SlotKey as _};

    /// Address, number of the session, bytes, and when it lost its connection.
    pub(super) fn holdings(of: &[(u64, u32, usize, u64)]) -> Vec<Holding> {
        let holding = |(address, session, bytes, since_ms): &(u64, u32, usize, u64)| Holding {
            address: Some(Address::from_number(*address)),
            session: Place {
                gateway: GatewayId {
                    node: NodeId(0),
                    boot: 1,
                    worker: WorkerId((session % 2) as u16),
                },
                slot: SessionSlot::new(*session, 0),
            },
            bytes: *bytes,
            since_ms: *since_ms,
        };
        of.iter().map(holding).collect()
    }

    /// So many bytes, and an address may have as much as there is.
    fn excess(bytes: usize) -> Excess {
        Excess {
            bytes,
            address_bytes_max: usize::MAX,
            is_refusing: false,
        }
    }

    pub(super) fn numbers(going: &[Holding]) -> Vec<u32> {
        let number = |holding: &Holding| holding.session.slot.index();
        going.iter().map(number).collect()
    }

    #[test]
    fn address_with_the_most_gives_first_and_its_fullest_session() {
        // One client with the fullest outbox of all, and an address with many.
        let of = holdings(&[
            (1, 1, 900, 0),
            (2, 2, 500, 0),
            (2, 3, 600, 0),
            (2, 4, 100, 0),
            (3, 5, 400, 0),
        ]);
        let choose = |excess_bytes| numbers(&fullest(&of, excess_bytes));
        assert_eq!(choose(0), [0; 0]);
        assert_eq!(choose(1), [3]);
        assert_eq!(choose(601), [3, 1]);
        assert_eq!(choose(9_999), [3, 1, 2, 5, 4]);
    }

    #[test]
    fn address_with_more_than_its_even_share_gives_first() {
        // Users of other addresses lost their connections before the crowd of one did.
        let mut of = vec![(1, 1, 10, 1), (2, 2, 10, 2)];
        of.extend((10..30).map(|number| (3, number, 10, u64::from(number))));
        let holdings = Holdings {
            detached: holdings(&of),
            ..Holdings::default()
        };
        let half = numbers(&holdings.clone().going(Relief::Half, excess(1)).sessions);
        assert_eq!(half, (10..21).collect::<Vec<_>>());
        // Where that is not enough, it is down to its share before others lose anything.
        let shares = holdings.clone().going(Relief::Shares, excess(1));
        assert_eq!(numbers(&shares.sessions), (10..23).collect::<Vec<_>>());
        assert!(shares.forgets_retained);
        let all = holdings.going(Relief::All, excess(1));
        assert_eq!(all.sessions.len(), 22);
        assert!(all.forgets_retained);
    }

    #[test]
    fn nothing_goes_while_enough_is_about_to_be_free() {
        let of = |leaving_bytes| Holdings {
            stalled: holdings(&[(1, 1, 100, 0)]),
            leaving_bytes,
            ..Holdings::default()
        };
        let going = |leaving| of(leaving).going(Relief::All, excess(100));
        assert_eq!(going(100), Going::default());
        assert_eq!(numbers(&going(99).sessions), [1]);
    }

    #[test]
    fn older_half_goes_where_addresses_have_the_same() {
        let holdings = Holdings {
            detached: holdings(&[(1, 1, 10, 4), (2, 2, 10, 1), (3, 3, 10, 3), (4, 4, 10, 2)]),
            ..Holdings::default()
        };
        let going = holdings.going(Relief::Half, excess(1));
        assert_eq!(numbers(&going.sessions), [2, 4]);
        assert!(!going.forgets_retained);
    }

    #[test]
    fn sessions_without_a_connection_stay_while_stalled_readers_are_worth_the_excess() {
        // They are on another worker.
        let holdings = Holdings {
            stalled: holdings(&[(1, 1, 100, 0), (1, 3, 100, 0)]),
            detached: holdings(&[(2, 2, 10, 1)]),
            ..Holdings::default()
        };
        let going = |relief, bytes| {
            let going = holdings.clone().going(relief, excess(bytes));
            numbers(&going.sessions)
        };
        for relief in [Relief::Stalled, Relief::Half, Relief::All] {
            assert_eq!(going(relief, 200), [3, 1]);
        }
        // A reader that is only a little slow does not go for what others have.
        assert_eq!(going(Relief::Stalled, 201), [0; 0]);
        assert_eq!(going(Relief::Half, 201), [3, 1, 2]);
        for relief in [Relief::None, Relief::Closed] {
            assert_eq!(going(relief, 201), [0; 0]);
        }
    }

    proptest! {
        /// As much goes as has to, none twice, and the same whatever the order.
        #[test]
        fn enough_goes_and_the_same_in_any_order(
            of in proptest::collection::vec((0u64..4, 1usize..50, 0u64..9), 0..40),
            excess in 0usize..2_000,
        ) {
            let numbered = of.iter().zip(0u32..);
            let of: Vec<_> = numbered.map(|((a, b, ms), n)| (*a, n, *b, *ms)).collect();
            let stalled = holdings(&of);
            let (mut backwards, all) = (stalled.clone(), bytes_of(&stalled));
            backwards.reverse();
            for pick in [|of: Vec<Holding>, goal| fullest(&of, goal), oldest] {
                let going = pick(stalled.clone(), excess);
                prop_assert!(bytes_of(&going) >= excess.min(all));
                let mut unique = numbers(&going);
                unique.sort_unstable();
                unique.dedup();
                prop_assert_eq!(unique.len(), going.len());
                prop_assert_eq!(going, pick(backwards.clone(), excess));
            }
        }
    }
}
