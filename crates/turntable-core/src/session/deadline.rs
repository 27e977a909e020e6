//! The deadline by which a connection's client has to identify.
//!
//! A client that has made its claim has done its part: while the portal or the avatar
//! takes its time, the deadline does not close the connection, and a client that gets
//! `unavailable` then has a whole one for its next claim. Timers are never cancelled, so
//! the state says what one that fires means.

/// How the deadline of one connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Deadline {
    /// Its timer runs.
    #[default]
    Running,
    /// Its timer runs, and another one follows: it began before the client's claim was
    /// left without a decision.
    Extended,
    /// Its timer fired while the client's claim was waiting for a decision.
    Lapsed,
}

/// What has to be done when the timer fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// The client has not identified: its connection ends.
    Close,
    /// The timer is set again.
    SetAgain,
    /// Nothing: the decision about the client's claim is awaited.
    Wait,
}

impl Deadline {
    /// The timer fires. `is_claimed`: the client has made a claim that is not decided.
    #[must_use]
    pub const fn due(&mut self, is_claimed: bool) -> Due {
        match (*self, is_claimed) {
            (_, true) => {
                *self = Self::Lapsed;
                Due::Wait
            }
            (Self::Extended, false) => {
                *self = Self::Running;
                Due::SetAgain
            }
            (Self::Running | Self::Lapsed, false) => Due::Close,
        }
    }

    /// A claim that was waiting for a decision is refused, with one or without. Returns
    /// whether the timer has to be set.
    #[must_use]
    pub const fn refused(&mut self, is_undecided: bool) -> bool {
        match *self {
            Self::Lapsed => {
                *self = Self::Running;
                true
            }
            Self::Running | Self::Extended => {
                if is_undecided {
                    *self = Self::Extended;
                }
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silent_client_is_closed() {
        assert_eq!(Deadline::default().due(false), Due::Close);
    }

    #[test]
    fn claim_that_waits_is_not_closed_and_has_a_whole_deadline_afterwards() {
        for is_undecided in [true, false] {
            let mut deadline = Deadline::default();
            assert_eq!(deadline.due(true), Due::Wait);
            assert!(deadline.refused(is_undecided), "a new timer");
            assert_eq!(deadline.due(false), Due::Close);
        }
    }

    #[test]
    fn undecided_claim_shortly_before_the_deadline_begins_another() {
        let mut deadline = Deadline::default();
        assert!(!deadline.refused(true), "its timer runs");
        assert_eq!(deadline.due(false), Due::SetAgain);
        assert_eq!(deadline.due(false), Due::Close);
    }

    #[test]
    fn refused_credentials_do_not_extend_it() {
        let mut deadline = Deadline::default();
        assert!(!deadline.refused(false));
        assert_eq!(deadline.due(false), Due::Close);
    }

    #[test]
    fn second_claim_that_waits_is_one_more() {
        let mut deadline = Deadline::default();
        assert_eq!(deadline.due(true), Due::Wait);
        assert!(deadline.refused(true));
        assert_eq!(deadline.due(true), Due::Wait);
        assert!(deadline.refused(true));
        assert_eq!(deadline.due(false), Due::Close);
    }
}
