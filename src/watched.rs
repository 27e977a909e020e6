//! Settings as values that can be replaced while the server runs.

use std::sync::Arc;

use arc_swap::ArcSwap;

/// A value that is read where it is used, so that a new one takes effect
/// without a restart.
#[derive(Debug)]
pub struct Watched<T>(ArcSwap<T>);

impl<T> Watched<T> {
    /// A value that begins as this.
    pub fn new(value: T) -> Self {
        Self(ArcSwap::from_pointee(value))
    }

    /// The value in force.
    #[must_use]
    pub fn get(&self) -> Arc<T> {
        self.0.load_full()
    }

    /// Puts another value in force.
    pub fn set(&self, value: T) {
        self.0.store(Arc::new(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_value_is_seen_by_the_next_reader() {
        let watched = Watched::new(1);
        let before = watched.get();
        watched.set(2);
        assert_eq!((*before, *watched.get()), (1, 2));
    }
}
