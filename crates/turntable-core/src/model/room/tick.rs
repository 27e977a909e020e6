//! Actions that were accepted and wait to be sent together.

use serde::{Deserialize, Serialize};

use crate::model::remaining;
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

/// A tick in a snapshot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct TickSnapshot {
    /// In place of its stamp each has how long ago that was.
    actions: Vec<Action>,
    remaining_ms: Option<u64>,
}

impl Tick {
    /// The tick as a value.
    pub(super) fn save(&self, now_ms: u64) -> TickSnapshot {
        let save = |action: &Action| Action {
            timestamp_ms: now_ms as f64 - action.timestamp_ms,
            ..action.clone()
        };
        TickSnapshot {
            actions: self.actions.iter().map(save).collect(),
            remaining_ms: self
                .ends_ms
                .map(|ends_ms| remaining::until(ends_ms, now_ms)),
        }
    }

    /// The tick of a value.
    pub(super) fn restore(snapshot: TickSnapshot, now_ms: u64) -> Self {
        let restore = |action: Action| Action {
            timestamp_ms: now_ms as f64 - action.timestamp_ms,
            ..action
        };
        let actions: Vec<Action> = snapshot.actions.into_iter().map(restore).collect();
        let remaining_ms = snapshot.remaining_ms.filter(|_| !actions.is_empty());
        Self {
            bytes: actions.iter().map(weight).sum(),
            actions,
            ends_ms: remaining_ms.map(|ms| remaining::from_now(ms, now_ms)),
        }
    }

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

/// Bytes of an action, about as it travels.
pub(super) fn weight(action: &Action) -> usize {
    let team = action.team.as_deref().map_or(0, str::len);
    ACTION_BYTES + action.from.as_str().len() + team + action.data.as_json().len()
}
