//! Actions that were accepted and wait to be sent together.

use crate::packet::Action;

/// What an action weighs beside its texts: field names, stamp, punctuation.
const ACTION_BYTES: usize = 48;

/// The actions of one tick.
#[derive(Debug, Default)]
pub(super) struct Tick {
    actions: Vec<Action>,
    bytes: usize,
    ends_ms: Option<u64>,
}

impl Tick {
    /// Adds `actions`; the first ones let the tick end at `ends_ms`.
    pub(super) fn push(&mut self, actions: Vec<Action>, ends_ms: u64) {
        self.bytes += actions.iter().map(weight).sum::<usize>();
        self.actions.extend(actions);
        if !self.actions.is_empty() {
            self.ends_ms.get_or_insert(ends_ms);
        }
    }

    /// Bytes of what waits, about as they travel.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Unix ms when the tick ends; `None` while nothing waits.
    pub(super) const fn ends_ms(&self) -> Option<u64> {
        self.ends_ms
    }

    /// Takes everything, by corrected timestamp; equal ones as they came.
    pub(super) fn take(&mut self) -> Vec<Action> {
        self.bytes = 0;
        self.ends_ms = None;
        let mut actions = std::mem::take(&mut self.actions);
        actions.sort_by(|a, b| a.timestamp_ms.total_cmp(&b.timestamp_ms));
        actions
    }
}

fn weight(action: &Action) -> usize {
    let team = action.team.as_deref().map_or(0, str::len);
    ACTION_BYTES + action.from.as_str().len() + team + action.data.as_json().len()
}
