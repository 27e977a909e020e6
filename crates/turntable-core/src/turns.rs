//! Lanes that take turns, so that one with much to do does not delay the others.

use std::collections::BTreeMap;

/// Lanes that take turns, by their keys.
///
/// ```
/// use turntable_core::turns::Turns;
/// let mut turns: Turns<&str, Vec<u32>> = Turns::default();
/// turns.begin(&"one").extend([1, 2, 3]);
/// turns.begin(&"other").push(4);
/// let next = |turns: &Turns<&'static str, Vec<u32>>| turns.in_turn().next().map(|(key, _)| *key);
/// assert_eq!(next(&turns), Some("one"));
/// turns.served(&"one");
/// assert_eq!(next(&turns), Some("other"));
/// turns.end(&"other");
/// assert_eq!(next(&turns), Some("one"));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Turns<K, L> {
    lanes: BTreeMap<K, (u64, L)>,
    order: BTreeMap<u64, K>,
    last: u64,
}

impl<K, L> Default for Turns<K, L> {
    fn default() -> Self {
        Self {
            lanes: BTreeMap::new(),
            order: BTreeMap::new(),
            last: 0,
        }
    }
}

impl<K: Ord + Clone, L: Default> Turns<K, L> {
    /// The lane of a key.
    pub fn get(&self, key: &K) -> Option<&L> {
        self.lanes.get(key).map(|(_, lane)| lane)
    }

    /// The lane of a key, to change.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut L> {
        self.lanes.get_mut(key).map(|(_, lane)| lane)
    }

    /// The lane of a key; a new one has its turn behind the others.
    pub fn begin(&mut self, key: &K) -> &mut L {
        if !self.lanes.contains_key(key) {
            self.last += 1;
            self.order.insert(self.last, key.clone());
        }
        let turn = self.last;
        let lane = self.lanes.entry(key.clone());
        &mut lane.or_insert_with(|| (turn, L::default())).1
    }

    /// A lane had its turn.
    pub fn served(&mut self, key: &K) {
        if let Some((turn, _)) = self.lanes.get_mut(key) {
            self.order.remove(turn);
            self.last += 1;
            *turn = self.last;
            self.order.insert(self.last, key.clone());
        }
    }

    /// A lane has nothing to do any more.
    pub fn end(&mut self, key: &K) {
        if let Some((turn, _)) = self.lanes.remove(key) {
            self.order.remove(&turn);
        }
    }

    /// The lanes, in the order of their keys.
    pub fn by_key(&self) -> impl Iterator<Item = (&K, &L)> {
        self.lanes.iter().map(|(key, (_, lane))| (key, lane))
    }

    /// The lanes, in the order of their turns.
    pub fn in_turn(&self) -> impl Iterator<Item = (&K, &L)> {
        self.order
            .values()
            .filter_map(|key| Some((key, self.get(key)?)))
    }
}
