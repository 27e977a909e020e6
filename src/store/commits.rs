//! How long the commits of a store take.

use std::time::Instant;

use crate::metric::Latency;
use crate::slow;

/// How many commits took how long.
#[derive(Debug, Clone)]
pub(super) struct Commits(pub(super) Latency);

impl Commits {
    /// One with so many users and channels, which began then.
    pub(super) fn count(&self, since: Instant, (users, channels): (usize, usize)) {
        let took = since.elapsed();
        self.0.observe_duration(took);
        slow::note(took, slow::Kind::Commit, || {
            format!("a commit of {users} users and {channels} channels to the store")
        });
    }
}
