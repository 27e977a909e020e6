//! The time between the loss of an owner and the end of its recovery.
//!
//! Every gateway announces what it has of the owner. Until all have, other calls
//! wait, so that none finds the replacement without the sessions and members that
//! it is to have. Pure: the directory sends what this returns.

use turntable_core::key::{GatewayId, Generation};

/// Calls that wait for one owner; more are refused.
const WAITING_MAX: usize = 10_000;
/// Losses in a row after which the replacement waits.
const LOSSES_MAX: u32 = 3;
/// A loss so long after the one before is none in a row, in ms.
const QUIET_MS: u64 = 10_000;
/// How long a replacement waits then, in ms.
const WAIT_MS: u64 = 1_000;

/// What a directory knows of an owner that was lost.
#[derive(Debug)]
pub(super) struct Recovery<C> {
    generation: Generation,
    /// Losses in a row.
    losses: u32,
    /// Unix ms of the last.
    lost_ms: u64,
    /// Gateways that have not announced; `None` once it is over.
    missing: Option<Vec<GatewayId>>,
    waiting: Vec<C>,
}

/// What is to be done with an announcement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Announced {
    /// It belongs to an earlier loss; the gateway announces again.
    Stale,
    /// The owner has to know.
    Given,
    /// The owner has to know, and it was the last one that was missing.
    Complete,
}

impl<C> Recovery<C> {
    /// The owner was lost for the first time.
    pub(super) const fn new() -> Self {
        Self {
            generation: Generation(0),
            losses: 0,
            lost_ms: 0,
            missing: None,
            waiting: Vec::new(),
        }
    }

    /// The owner was lost, with these calls unread. Returns how long its
    /// replacement has to wait, in ms: one that is lost again and again must not
    /// take all of the worker's time.
    pub(super) fn lost(
        &mut self,
        generation: Generation,
        missing: Vec<GatewayId>,
        mut unread: Vec<C>,
        now_ms: u64,
    ) -> u64 {
        let is_in_a_row = now_ms < self.lost_ms.saturating_add(QUIET_MS);
        self.losses = if is_in_a_row { self.losses + 1 } else { 1 };
        self.lost_ms = now_ms;
        self.generation = generation;
        self.missing = Some(missing);
        // What waited came behind what was sent.
        unread.append(&mut self.waiting);
        self.waiting = unread;
        if self.losses > LOSSES_MAX { WAIT_MS } else { 0 }
    }

    /// Whether calls have to wait.
    pub(super) const fn is_on(&self) -> bool {
        self.missing.is_some()
    }

    /// Lets a call wait. Gives it back where too many do.
    pub(super) fn wait(&mut self, call: C) -> Result<(), C> {
        if self.waiting.len() >= WAITING_MAX {
            return Err(call);
        }
        self.waiting.push(call);
        Ok(())
    }

    /// A gateway announced what it has, under that generation.
    pub(super) fn announced(&mut self, gateway: GatewayId, generation: Generation) -> Announced {
        if generation < self.generation {
            return Announced::Stale;
        }
        let Some(missing) = &mut self.missing else {
            return Announced::Given;
        };
        missing.retain(|known| *known != gateway);
        if missing.is_empty() {
            Announced::Complete
        } else {
            Announced::Given
        }
    }

    /// It is over, be it complete or late. The calls that waited; `None` where it
    /// was over, or where another loss followed.
    pub(super) fn end(&mut self, generation: Generation) -> Option<Vec<C>> {
        if generation != self.generation {
            return None;
        }
        self.missing.take()?;
        Some(std::mem::take(&mut self.waiting))
    }

    /// The generation of the replacement.
    pub(super) const fn generation(&self) -> Generation {
        self.generation
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use turntable_core::key::{NodeId, WorkerId};

    const FIRST: Generation = Generation(5);
    const SECOND: Generation = Generation(6);

    fn gateway(worker: u16) -> GatewayId {
        GatewayId {
            node: NodeId(0),
            boot: 1,
            worker: WorkerId(worker),
        }
    }

    fn gateways() -> Vec<GatewayId> {
        [0, 1].map(gateway).to_vec()
    }

    #[test]
    fn calls_wait_until_every_gateway_has_announced() {
        let mut recovery = Recovery::new();
        assert_eq!(recovery.lost(FIRST, gateways(), vec!["unread"], 0), 0);
        assert!(recovery.is_on());
        assert_eq!(recovery.wait("later"), Ok(()));
        let old = Generation(4);
        assert_eq!(recovery.announced(gateway(0), old), Announced::Stale);
        assert_eq!(recovery.announced(gateway(0), FIRST), Announced::Given);
        assert_eq!(recovery.announced(gateway(0), FIRST), Announced::Given);
        assert_eq!(recovery.announced(gateway(1), FIRST), Announced::Complete);
        assert_eq!(recovery.end(FIRST), Some(vec!["unread", "later"]));
        assert_eq!(recovery.end(FIRST), None, "the deadline comes later");
        assert!(!recovery.is_on());
        assert_eq!(recovery.announced(gateway(0), FIRST), Announced::Given);
    }

    #[test]
    fn a_second_loss_begins_anew_and_keeps_the_order() {
        let mut recovery = Recovery::new();
        recovery.lost(FIRST, gateways(), vec![1, 2], 0);
        assert_eq!(recovery.wait(3), Ok(()));
        recovery.announced(gateway(0), FIRST);
        recovery.lost(SECOND, gateways(), Vec::new(), 50);
        assert_eq!(recovery.end(FIRST), None);
        assert_eq!(recovery.announced(gateway(1), FIRST), Announced::Stale);
        assert_eq!(recovery.announced(gateway(1), SECOND), Announced::Given);
        assert_eq!(recovery.announced(gateway(0), SECOND), Announced::Complete);
        assert_eq!(recovery.end(SECOND), Some(vec![1, 2, 3]));
    }

    #[test]
    fn an_owner_that_is_lost_again_and_again_waits() {
        let mut recovery = Recovery::<()>::new();
        let mut lose = |at_ms| recovery.lost(FIRST, Vec::new(), Vec::new(), at_ms);
        assert_eq!([0, 10, 20].map(&mut lose), [0, 0, 0]);
        assert_eq!(lose(30), WAIT_MS);
        assert_eq!(lose(30 + WAIT_MS), WAIT_MS);
        assert_eq!(lose(30 + WAIT_MS + QUIET_MS), 0);
    }

    #[test]
    fn only_so_many_calls_wait() {
        let mut recovery = Recovery::new();
        recovery.lost(FIRST, gateways(), vec![0; WAITING_MAX - 1], 0);
        assert_eq!(recovery.wait(1), Ok(()));
        assert_eq!(recovery.wait(2), Err(2));
    }
}
