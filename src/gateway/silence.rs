//! What the log says of workers that do not answer.

use std::collections::BTreeSet;

use crate::clock;
use crate::cluster::mailbox::Silent;
use crate::log_limit::LogLimit;
use turntable_core::key::WorkerId;

/// A worker may fall silent again and again.
static SILENT: LogLimit = LogLimit::new();
static ANSWERS: LogLimit = LogLimit::new();

/// The workers that did not answer at the last look.
#[derive(Debug, Default)]
pub(super) struct Silence(BTreeSet<WorkerId>);

impl Silence {
    /// These do not answer now. Returns those that answered at the last look, and those that
    /// answer again.
    fn look(&mut self, silent: &[Silent]) -> (Vec<Silent>, Vec<WorkerId>) {
        let now: BTreeSet<WorkerId> = silent.iter().map(|one| one.worker).collect();
        let before = std::mem::replace(&mut self.0, now);
        let fell = silent.iter().filter(|one| !before.contains(&one.worker));
        let again = before.difference(&self.0);
        (fell.copied().collect(), again.copied().collect())
    }

    /// These do not answer now: says of each change.
    pub(super) fn report(&mut self, silent: &[Silent]) {
        let (fell, again) = self.look(silent);
        for Silent { worker, time } in fell {
            if let Some(left_out) = SILENT.admit(clock::now_ms()) {
                let ms = time.as_millis();
                log::warn!(
                    "worker {worker} has not answered for {ms} ms: what its clients send waits\
                     {left_out}"
                );
            }
        }
        for worker in again {
            if let Some(left_out) = ANSWERS.admit(clock::now_ms()) {
                log::info!("worker {worker} answers again{left_out}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_change_is_found_once() {
        let silent = |worker: u16| Silent {
            worker: WorkerId(worker),
            time: Duration::from_secs(3),
        };
        let mut silence = Silence::default();
        assert_eq!(silence.look(&[silent(1)]), (vec![silent(1)], Vec::new()));
        assert_eq!(silence.look(&[silent(1)]), (Vec::new(), Vec::new()));
        let (fell, again) = silence.look(&[silent(0)]);
        assert_eq!((fell, again), (vec![silent(0)], vec![WorkerId(1)]));
        assert_eq!(silence.look(&[]), (Vec::new(), vec![WorkerId(0)]));
    }
}
