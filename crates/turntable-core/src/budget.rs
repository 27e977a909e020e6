//! What a node does about its memory: a decision per look at it.
//!
//! ```text
//! within the budget ──► evicting ──────────────────────► refusing
//!        ▲              1st look: stalled readers        4th look in a row above it
//!        │              2nd look: half of what may go    │
//!        └───────────── 3rd look: all of it              │
//!        └───────────────────────────────────────────────┘ below 15/16 of the budget
//! ```
//!
//! What may go at the second look are sessions whose readers are behind; where they are few,
//! sessions without a connection; at the third one also the messages that are retained for a
//! resume (`relief`). Only where that is not enough are new clients refused. While they are, more
//! goes until the node is clearly within its budget. Looks come once a
//! second or so, and once more when what had to go has gone: such a look can only end the
//! pressure.

/// Looks above the budget in a row after which new clients are refused.
const REFUSING_LOOKS: u32 = 4;
/// Looks between two reports of a change.
const NEWS_LOOKS: u32 = 10;
/// Looks between two reports while nothing changes.
const REMINDER_LOOKS: u32 = 60;

/// Where a node is clearly within its budget.
#[must_use]
pub const fn within(max_bytes: u64) -> u64 {
    max_bytes - max_bytes / 16
}

/// How far the node is beyond its budget.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pressure {
    /// It is within its budget.
    #[default]
    None,
    /// It removes what it can do without.
    Evicting,
    /// It refuses new clients, too.
    Refusing,
}

/// What has to go, of least to most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Relief {
    /// Nothing.
    None,
    /// Connections that are closed and whose clients do not read, which would be waited for.
    Closed,
    /// Sessions whose readers are behind.
    Stalled,
    /// Those, and half of what the sessions without a connection have.
    Half,
    /// Of the sessions without a connection what addresses have beyond the even share of
    /// all, and what is retained for a resume.
    Shares,
    /// All sessions without a connection, and what is retained for a resume.
    All,
}

/// The outcome of a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// How far the node is beyond its budget.
    pub pressure: Pressure,
    /// What has to go now.
    pub relief: Relief,
    /// Whether an operator should read of it: a change, or a reminder once in a while,
    /// and not every look where the memory goes up and down.
    pub is_news: bool,
}

/// The memory of a node over time.
///
/// ```
/// use turntable_core::budget::{MemoryBudget, Pressure, Relief};
/// let mut budget = MemoryBudget::default();
/// assert_eq!(budget.look(90, 100).pressure, Pressure::None);
/// assert_eq!(budget.look(101, 100).relief, Relief::Stalled);
/// ```
#[derive(Debug)]
pub struct MemoryBudget {
    pressure: Pressure,
    /// Looks above the budget in a row.
    looks_over: u32,
    /// Looks in a row at which it was near its budget, while it refuses.
    looks_near: u32,
    /// What an operator has read last.
    reported: Pressure,
    /// Looks since then.
    unreported_looks: u32,
}

impl Default for MemoryBudget {
    /// A node that is within its budget.
    fn default() -> Self {
        Self {
            pressure: Pressure::None,
            looks_over: 0,
            looks_near: 0,
            reported: Pressure::None,
            // The first change is reported at once.
            unreported_looks: NEWS_LOOKS,
        }
    }
}

impl MemoryBudget {
    /// How far the node was beyond its budget at the last look.
    #[must_use]
    pub const fn pressure(&self) -> Pressure {
        self.pressure
    }

    /// The node uses so many bytes, and may use `max_bytes`.
    pub fn look(&mut self, used_bytes: u64, max_bytes: u64) -> Verdict {
        let is_over = used_bytes > max_bytes;
        let is_near = used_bytes > within(max_bytes);
        if is_over {
            self.looks_over = self.looks_over.saturating_add(1);
        } else if !is_near || self.pressure != Pressure::Refusing {
            self.looks_over = 0;
        }
        self.pressure = match self.looks_over {
            0 => Pressure::None,
            looks if looks < REFUSING_LOOKS => Pressure::Evicting,
            _ => Pressure::Refusing,
        };
        let is_refusing_near = !is_over && self.pressure == Pressure::Refusing;
        self.looks_near = match is_refusing_near {
            true => self.looks_near.saturating_add(1),
            false => 0,
        };
        let relief = match self.looks_over {
            // What went at the look before may be on its way.
            _ if self.looks_near == 1 => Relief::Closed,
            // Otherwise it would refuse for as long as this stays.
            _ if self.looks_near > 1 => Relief::Half,
            _ if !is_over => Relief::None,
            1 => Relief::Stalled,
            2 => Relief::Half,
            3 => Relief::Shares,
            _ => Relief::All,
        };
        Verdict {
            pressure: self.pressure,
            relief,
            is_news: self.is_news(),
        }
    }

    /// The same when what had to go has gone. Where that was not enough, nothing changes: it
    /// does not count as a look.
    pub fn look_after_relief(&mut self, used_bytes: u64, max_bytes: u64) -> Verdict {
        let enough = match self.pressure {
            Pressure::Refusing => within(max_bytes),
            _ => max_bytes,
        };
        if used_bytes <= enough {
            return self.look(used_bytes, max_bytes);
        }
        Verdict {
            pressure: self.pressure,
            relief: Relief::None,
            is_news: false,
        }
    }

    fn is_news(&mut self) -> bool {
        self.unreported_looks = self.unreported_looks.saturating_add(1);
        let is_refusing_now =
            self.reported == Pressure::Evicting && self.pressure == Pressure::Refusing;
        let due_looks = if is_refusing_now {
            0
        } else if self.pressure != self.reported {
            NEWS_LOOKS
        } else if self.pressure == Pressure::None {
            return false;
        } else {
            REMINDER_LOOKS
        };
        let is_news = self.unreported_looks >= due_looks;
        if is_news {
            self.reported = self.pressure;
            self.unreported_looks = 0;
        }
        is_news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The verdicts on looks in a row, with a budget of 1,600 bytes.
    fn looks(budget: &mut MemoryBudget, used: &[u64]) -> Vec<(Pressure, Relief)> {
        let look = |used: &u64| {
            let verdict = budget.look(*used, 1_600);
            (verdict.pressure, verdict.relief)
        };
        used.iter().map(look).collect()
    }

    #[test]
    fn node_evicts_before_it_refuses() {
        let mut budget = MemoryBudget::default();
        assert_eq!(
            looks(&mut budget, &[1_600, 1_601, 1_700, 1_700, 1_700, 1_700]),
            [
                (Pressure::None, Relief::None),
                (Pressure::Evicting, Relief::Stalled),
                (Pressure::Evicting, Relief::Half),
                (Pressure::Evicting, Relief::Shares),
                (Pressure::Refusing, Relief::All),
                (Pressure::Refusing, Relief::All),
            ]
        );
    }

    #[test]
    fn node_that_refuses_accepts_again_when_it_is_clearly_within_its_budget() {
        let mut budget = MemoryBudget::default();
        looks(&mut budget, &[1_700; 4]);
        assert_eq!(
            looks(&mut budget, &[1_600, 1_501, 1_500, 1_700]),
            [
                (Pressure::Refusing, Relief::Closed),
                (Pressure::Refusing, Relief::Half),
                (Pressure::None, Relief::None),
                (Pressure::Evicting, Relief::Stalled),
            ]
        );
    }

    #[test]
    fn eviction_that_helps_is_the_end_of_it() {
        let mut budget = MemoryBudget::default();
        assert_eq!(
            looks(&mut budget, &[1_700, 1_590, 1_700, 1_590]),
            [
                (Pressure::Evicting, Relief::Stalled),
                (Pressure::None, Relief::None),
                (Pressure::Evicting, Relief::Stalled),
                (Pressure::None, Relief::None),
            ]
        );
    }

    #[test]
    fn look_after_relief_ends_the_pressure_and_does_not_add_to_it() {
        let mut budget = MemoryBudget::default();
        looks(&mut budget, &[1_700]);
        for _ in 0..9 {
            let verdict = budget.look_after_relief(1_601, 1_600);
            assert_eq!(verdict.pressure, Pressure::Evicting);
            assert_eq!(verdict.relief, Relief::None);
        }
        let verdict = budget.look_after_relief(1_600, 1_600);
        assert_eq!(verdict.pressure, Pressure::None);
        looks(&mut budget, &[1_700; 4]);
        let verdict = budget.look_after_relief(1_501, 1_600);
        assert_eq!(verdict.pressure, Pressure::Refusing);
        let verdict = budget.look_after_relief(1_500, 1_600);
        assert_eq!(verdict.pressure, Pressure::None);
        assert_eq!(
            looks(&mut budget, &[1_700]),
            [(Pressure::Evicting, Relief::Stalled)]
        );
    }

    #[test]
    fn operator_reads_of_changes_and_reminders_and_not_of_every_look() {
        let mut budget = MemoryBudget::default();
        let mut news = |used: u64, looks: usize| -> Vec<usize> {
            let is_news = |_: &usize| budget.look(used, 1_600).is_news;
            (0..looks).filter(is_news).collect()
        };
        assert!(news(1, 100).is_empty());
        // It evicts, then refuses, then still refuses.
        assert_eq!(news(1_700, 100), [0, 3, 63]);
        assert_eq!(news(1, 100), [0]);
        // Memory that goes up and down is reported now and then.
        let mut count = 0;
        for _ in 0..100 {
            count += news(1_700, 1).len() + news(1, 1).len();
        }
        assert!((1..=25).contains(&count), "{count}");
    }

    #[test]
    fn any_numbers_are_looked_at() {
        let mut budget = MemoryBudget::default();
        for (used, max) in [(0, 0), (1, 0), (u64::MAX, u64::MAX), (u64::MAX, 0), (0, 15)] {
            budget.look(used, max);
        }
    }
}
