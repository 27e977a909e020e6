//! Which workers have somebody who listens.
//!
//! An actor sends one message per worker, whatever the number of listeners
//! there; so it counts listeners by worker and knows none of them.

use smallvec::SmallVec;

/// Listeners counted by worker.
#[derive(Debug, Default, Clone)]
pub struct Audience(SmallVec<[(u16, u32); 2]>);

impl Audience {
    /// One more listener on `worker`.
    pub fn add(&mut self, worker: u16) {
        match self.0.iter_mut().find(|(known, _)| *known == worker) {
            Some((_, count)) => *count += 1,
            None => self.0.push((worker, 1)),
        }
    }

    /// One listener fewer on `worker`.
    pub fn remove(&mut self, worker: u16) {
        if let Some(at) = self.0.iter().position(|(known, _)| *known == worker)
            && let Some((_, count)) = self.0.get_mut(at)
        {
            *count -= 1;
            if *count == 0 {
                self.0.swap_remove(at);
            }
        }
    }

    /// The workers with at least one listener.
    pub fn workers(&self) -> impl Iterator<Item = u16> {
        self.0.iter().map(|(worker, _)| *worker)
    }

    /// Whether nobody listens.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All listeners.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.iter().map(|(_, count)| *count as usize).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_is_told_once_for_all_its_listeners() {
        let mut audience = Audience::default();
        for worker in [3, 1, 3] {
            audience.add(worker);
        }
        assert_eq!(audience.workers().collect::<Vec<_>>(), [3, 1]);
        audience.remove(3);
        assert_eq!(audience.count(), 2);
        audience.remove(3);
        audience.remove(7);
        assert_eq!(audience.workers().collect::<Vec<_>>(), [1]);
        audience.remove(1);
        assert!(audience.is_empty());
    }
}
