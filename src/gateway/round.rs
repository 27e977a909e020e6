//! Rounds of relief, of which one is under way at a time.
//!
//! ```text
//! look ──► Gathering ─── each gateway has listed ───► Ending ─── each has ended ──► over
//!           ▲  │   │     what may go, or LATE_LOOKS              its part
//!      look └──┘   └── the process is within its budget ──► over
//! ```
//!
//! A look while gateways list brings the round up to date and does not replace it: a gateway with
//! much in its mailbox lists late, and each round would meet the same. One that lists too late
//! for a round takes part in the next.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use turntable_core::budget::Relief;
use turntable_core::key::WorkerId;
use turntable_core::relief::{Excess, Going, Holdings};

/// Looks after which a round goes on without the gateways that have not listed.
const LATE_LOOKS: u32 = 3;

/// What a look at the memory found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Need {
    /// What may go.
    pub(super) relief: Relief,
    /// What has to be freed.
    pub(super) excess: Excess,
    /// What the kernel had for clients that do not read.
    pub(super) kernel_bytes: i64,
}

/// What follows a look.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// These gateways list what may go.
    List(Vec<WorkerId>),
    /// It is decided what goes.
    End(Decision),
}

/// What goes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Decision {
    /// The number of the round.
    pub(super) number: u64,
    /// All of it.
    pub(super) going: Going,
    /// The parts of gateways.
    pub(super) parts: BTreeMap<WorkerId, Going>,
}

/// The round that is under way, or was the last.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    round: Mutex<Round>,
    /// A round is over, and something is free.
    relieved: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Round {
    number: u64,
    stage: Stage,
    has_freed: bool,
    /// Gateways that were requested to list, and have not begun.
    requested: BTreeSet<WorkerId>,
}

#[derive(Debug, Default)]
enum Stage {
    #[default]
    Over,
    Gathering(Gathering),
    /// So many gateways have not ended their part.
    Ending(usize),
}

/// Gateways list what may go.
#[derive(Debug)]
struct Gathering {
    /// As the last look had it.
    need: Need,
    workers: Vec<WorkerId>,
    listed: BTreeMap<WorkerId, Holdings>,
    /// Looks since it began.
    looks: u32,
}

impl Gathering {
    /// What goes, by what was listed.
    fn going(self, kernel_bytes: i64) -> Going {
        // What closed connections had is not in use any more, nor what others have taken since.
        let gone = self.need.kernel_bytes.saturating_sub(kernel_bytes);
        let gone_bytes = usize::try_from(gone).unwrap_or_default();
        let excess = Excess {
            bytes: self.need.excess.bytes.saturating_sub(gone_bytes),
            ..self.need.excess
        };
        let mut holdings = Holdings::default();
        for listed in self.listed.into_values() {
            holdings.extend(listed);
        }
        holdings.going(self.need.relief, excess)
    }
}

impl Round {
    /// These gateways list, if they were not requested to already.
    fn list(&mut self, workers: Vec<WorkerId>) -> Next {
        let requested = &mut self.requested;
        let workers = workers.into_iter();
        Next::List(workers.filter(|worker| requested.insert(*worker)).collect())
    }

    /// The gathering is over.
    fn decide(&mut self, kernel_bytes: i64) -> Option<Decision> {
        let Stage::Gathering(gathering) = std::mem::take(&mut self.stage) else {
            return None;
        };
        let workers = gathering.workers.clone();
        let going = gathering.going(kernel_bytes);
        let parts = going.parts(&workers);
        self.stage = Stage::Ending(parts.len());
        Some(Decision {
            number: self.number,
            going,
            parts,
        })
    }

    /// Whether it is over. That is so once.
    fn is_over_now(&mut self) -> bool {
        let is_over = matches!(self.stage, Stage::Ending(0));
        if is_over {
            self.stage = Stage::Over;
        }
        is_over
    }
}

impl Rounds {
    /// Notified when what had to go has gone.
    pub(super) fn relieved(&self) -> Arc<Notify> {
        self.relieved.clone()
    }

    /// The process uses too much memory, by a look; `workers` have gateways.
    pub(super) fn look(&self, need: Need, workers: Vec<WorkerId>) -> Next {
        let mut round = self.round.lock();
        let Stage::Gathering(gathering) = &mut round.stage else {
            round.number += 1;
            round.has_freed = false;
            round.stage = Stage::Gathering(Gathering {
                need,
                workers: workers.clone(),
                listed: BTreeMap::new(),
                looks: 0,
            });
            return round.list(workers);
        };
        gathering.looks += 1;
        if gathering.looks >= LATE_LOOKS && !gathering.listed.is_empty() {
            // No more was listed than may go by the look before.
            let relief = gathering.need.relief.min(need.relief);
            gathering.need = Need { relief, ..need };
            let decision = self.decide(&mut round, need.kernel_bytes);
            return decision.map_or(Next::List(Vec::new()), Next::End);
        }
        let before = std::mem::replace(&mut gathering.need, need);
        if before.relief != need.relief {
            gathering.listed.clear();
        }
        gathering.workers = workers;
        let listed = &gathering.listed;
        let missing = gathering.workers.iter().copied();
        let missing = missing.filter(|worker| !listed.contains_key(worker));
        let missing = missing.collect();
        round.list(missing)
    }

    /// The process is within its budget.
    pub(super) fn relax(&self) {
        let mut round = self.round.lock();
        if matches!(round.stage, Stage::Gathering(_)) {
            round.stage = Stage::Over;
        }
    }

    /// A gateway begins to list. Returns what for, if the round waits for it.
    pub(super) fn begin_list(&self, worker: WorkerId) -> Option<Relief> {
        let mut round = self.round.lock();
        round.requested.remove(&worker);
        match &round.stage {
            Stage::Gathering(gathering) if !gathering.listed.contains_key(&worker) => {
                Some(gathering.need.relief)
            }
            _ => None,
        }
    }

    /// A gateway has lost closed connections with so many bytes.
    pub(super) fn lost_closed(&self, bytes: usize) {
        self.round.lock().has_freed |= bytes > 0;
    }

    /// A gateway has listed what may go for a relief; the kernel has so much for all clients
    /// now. Returns what goes, once all have listed.
    pub(super) fn listed(
        &self,
        worker: WorkerId,
        relief: Relief,
        holdings: Holdings,
        kernel_bytes: i64,
    ) -> Option<Decision> {
        let mut round = self.round.lock();
        let Stage::Gathering(gathering) = &mut round.stage else {
            return None;
        };
        // It is requested again where a look has changed that since.
        if gathering.need.relief != relief {
            return None;
        }
        gathering.listed.insert(worker, holdings);
        let mut workers = gathering.workers.iter();
        if !workers.all(|worker| gathering.listed.contains_key(worker)) {
            return None;
        }
        self.decide(&mut round, kernel_bytes)
    }

    /// A gateway has ended its part.
    pub(super) fn ended(&self, number: u64, has_freed: bool) {
        let mut round = self.round.lock();
        if round.number != number {
            return;
        }
        if let Stage::Ending(waiting) = &mut round.stage {
            *waiting = waiting.saturating_sub(1);
            round.has_freed |= has_freed;
            self.notify(&mut round);
        }
    }

    fn decide(&self, round: &mut Round, kernel_bytes: i64) -> Option<Decision> {
        let decision = round.decide(kernel_bytes);
        self.notify(round);
        decision
    }

    fn notify(&self, round: &mut Round) {
        if round.is_over_now() && round.has_freed {
            self.relieved.notify_one();
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use turntable_core::address::Address;
    use turntable_core::key::{GatewayId, NodeId, Place, SessionSlot, SlotKey as _};
    use turntable_core::relief::Holding;

    const ONE: WorkerId = WorkerId(0);
    const OTHER: WorkerId = WorkerId(1);

    fn need(relief: Relief, excess_bytes: usize) -> Need {
        Need {
            relief,
            excess: Excess {
                bytes: excess_bytes,
                address_bytes_max: usize::MAX,
                is_refusing: false,
            },
            kernel_bytes: 50,
        }
    }

    /// A look of a node with two gateways.
    fn look(rounds: &Rounds, relief: Relief, excess_bytes: usize) -> Next {
        rounds.look(need(relief, excess_bytes), vec![ONE, OTHER])
    }

    fn list(workers: &[WorkerId]) -> Next {
        Next::List(workers.to_vec())
    }

    fn holding(worker: WorkerId, number: u32, bytes: usize) -> Holding {
        let gateway = GatewayId {
            node: NodeId(0),
            boot: 1,
            worker,
        };
        Holding {
            address: Some(Address::from_number(1)),
            session: Place {
                gateway,
                slot: SessionSlot::new(number, 0),
            },
            bytes,
            since_ms: 0,
        }
    }

    /// A gateway has taken its message, and lists these stalled sessions.
    fn lists(rounds: &Rounds, worker: WorkerId, stalled: &[Holding]) -> Option<Decision> {
        let relief = rounds.begin_list(worker)?;
        let holdings = Holdings {
            stalled: stalled.to_vec(),
            ..Holdings::default()
        };
        rounds.listed(worker, relief, holdings, 50)
    }

    #[test]
    fn what_goes_is_decided_when_all_gateways_have_listed_what_may_go() {
        let rounds = Rounds::default();
        assert_eq!(look(&rounds, Relief::Stalled, 100), list(&[ONE, OTHER]));
        let (first, second) = (holding(ONE, 1, 90), holding(OTHER, 2, 110));
        assert_eq!(lists(&rounds, ONE, &[first]), None);
        assert_eq!(rounds.begin_list(ONE), None, "it has listed");
        let decision = lists(&rounds, OTHER, &[second]).unwrap();
        assert_eq!(decision.going.sessions, [second]);
        // Each has its own part alone, and one without a part has nothing to do.
        assert_eq!(decision.parts.keys().collect::<Vec<_>>(), [&OTHER]);
        assert_eq!(decision.parts[&OTHER].sessions, [second]);
    }

    #[test]
    fn gateway_that_lists_behind_the_next_look_takes_part() {
        let rounds = Rounds::default();
        assert_eq!(look(&rounds, Relief::Stalled, 100), list(&[ONE, OTHER]));
        lists(&rounds, ONE, &[holding(ONE, 1, 60)]);
        // The other one has not read its message: it gets no second one.
        assert_eq!(look(&rounds, Relief::Half, 150), list(&[ONE]));
        let [first, second] = [holding(ONE, 1, 80), holding(OTHER, 2, 90)];
        assert_eq!(lists(&rounds, ONE, &[first]), None);
        let decision = lists(&rounds, OTHER, &[second]).unwrap();
        assert_eq!(decision.going.sessions, [second, first]);
    }

    #[test]
    fn round_goes_on_without_a_gateway_that_stays_behind_and_the_next_has_its_list() {
        let rounds = Rounds::default();
        look(&rounds, Relief::All, 100);
        let (first, second) = (holding(ONE, 1, 90), holding(OTHER, 2, 110));
        lists(&rounds, ONE, &[first]);
        for _ in 1..LATE_LOOKS {
            assert_eq!(look(&rounds, Relief::All, 100), list(&[]));
        }
        let Next::End(decision) = look(&rounds, Relief::All, 100) else {
            panic!("the round waits");
        };
        assert_eq!(decision.going.sessions, [first]);
        // Both forget what is retained.
        assert_eq!(decision.parts.len(), 2);
        assert_eq!(look(&rounds, Relief::All, 100), list(&[ONE]));
        assert_eq!(lists(&rounds, OTHER, &[second]), None);
        let decision = lists(&rounds, ONE, &[]).unwrap();
        assert_eq!(decision.going.sessions, [second]);
        // Nothing goes where that is not necessary any more.
        look(&rounds, Relief::All, 100);
        lists(&rounds, ONE, &[first]);
        for _ in 1..LATE_LOOKS {
            look(&rounds, Relief::All, 100);
        }
        let Next::End(decision) = look(&rounds, Relief::Closed, 100) else {
            panic!("the round waits");
        };
        assert_eq!(decision.going, Going::default());
    }

    #[test]
    fn round_waits_as_long_as_no_gateway_has_listed() {
        let rounds = Rounds::default();
        assert_eq!(look(&rounds, Relief::All, 100), list(&[ONE, OTHER]));
        for _ in 0..3 * LATE_LOOKS {
            assert_eq!(look(&rounds, Relief::All, 100), list(&[]));
        }
    }

    #[test]
    fn list_for_another_relief_does_not_count() {
        let rounds = Rounds::default();
        look(&rounds, Relief::Stalled, 100);
        let relief = rounds.begin_list(ONE).unwrap();
        assert_eq!(look(&rounds, Relief::Half, 100), list(&[ONE]));
        let holdings = Holdings::default();
        assert_eq!(rounds.listed(ONE, relief, holdings, 50), None);
        lists(&rounds, OTHER, &[]);
        assert!(lists(&rounds, ONE, &[]).is_some());
    }

    #[test]
    fn nothing_goes_once_the_process_is_within_its_budget() {
        let rounds = Rounds::default();
        look(&rounds, Relief::Stalled, 100);
        lists(&rounds, ONE, &[holding(ONE, 1, 90)]);
        rounds.relax();
        assert_eq!(rounds.begin_list(OTHER), None);
        assert_eq!(look(&rounds, Relief::Stalled, 1), list(&[ONE, OTHER]));
    }

    #[test]
    fn what_the_kernel_gave_back_since_the_look_does_not_have_to_be_freed() {
        let of = [holding(ONE, 1, 60), holding(ONE, 2, 70)];
        let going = |kernel_bytes| {
            let rounds = Rounds::default();
            rounds.look(need(Relief::Stalled, 100), vec![ONE]);
            let relief = rounds.begin_list(ONE).unwrap();
            let holdings = Holdings {
                stalled: of.to_vec(),
                ..Holdings::default()
            };
            let decision = rounds.listed(ONE, relief, holdings, kernel_bytes);
            decision.unwrap().going.sessions.len()
        };
        assert_eq!((going(50), going(10)), (2, 1));
    }

    #[test]
    fn memory_is_looked_at_again_when_all_gateways_have_freed_something() {
        let rounds = Rounds::default();
        let is_due = || rounds.relieved.notified().now_or_never().is_some();
        let begin = || {
            look(&rounds, Relief::Stalled, 200);
            lists(&rounds, ONE, &[holding(ONE, 1, 90)]);
            let decision = lists(&rounds, OTHER, &[holding(OTHER, 2, 110)]);
            decision.unwrap().number
        };
        let first = begin();
        rounds.ended(first, true);
        assert!(!is_due(), "another one is not done");
        rounds.ended(first, false);
        assert!(is_due());
        assert!(!is_due(), "once");
        let second = begin();
        rounds.ended(first, true);
        rounds.ended(second, false);
        rounds.ended(second, false);
        assert!(!is_due(), "nothing is free");
        // What closed connections had is free although nothing else goes.
        look(&rounds, Relief::Closed, 300);
        rounds.lost_closed(10);
        lists(&rounds, ONE, &[]);
        lists(&rounds, OTHER, &[]);
        assert!(is_due());
    }
}
