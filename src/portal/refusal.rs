//! Why a signed credential is refused, for the operator: a client gets `invalid` for each
//! of the reasons, and the log says which check failed. Nothing of the credential is in
//! it.

use crate::clock;
use crate::log_limit::LogLimit;
use crate::portal::checker::Verdict;

/// The log of one checker.
#[derive(Debug)]
pub(super) struct RefusalLog {
    checker: &'static str,
    limit: LogLimit,
}

impl RefusalLog {
    pub(super) const fn new(checker: &'static str) -> Self {
        Self {
            checker,
            limit: LogLimit::new(),
        }
    }

    /// Writes why a credential is refused: at `debug` each time, at `info` once in a while,
    /// as clients cause it.
    pub(super) fn note(&self, why: &str) {
        let checker = self.checker;
        log::debug!("the checker {checker} refuses a credential: {why}");
        if let Some(more) = self.limit.admit(clock::now_ms()) {
            log::info!("the checker {checker} refused a credential: {why}{more}");
        }
    }

    /// The refusal of a credential that is wrong, and why.
    pub(super) fn invalid(&self, why: &str) -> Verdict {
        self.note(why);
        Verdict::invalid()
    }
}
