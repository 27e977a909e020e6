//! What a gateway does every few seconds: it brings gauges up to date, and gives
//! back the memory that a burst took.

use crate::gateway::Gateway;
use crate::gateway::turn::TurnLists;
use turntable_core::spare::Spare;

impl Spare for TurnLists {
    fn give_back(&mut self) {
        self.dirty.give_back();
        self.unread.give_back();
        self.changed.give_back();
        self.snapshots.give_back();
    }
}

impl Gateway {
    /// Brings the gauges of what waits and of what is retained up to date, and gives back what a burst took.
    /// Seldom, as it looks at every session.
    pub(crate) fn survey(&mut self) {
        self.waiting_gauge.set(self.sessions.waiting_bytes() as i64);
        let bytes = self.connections.answer_bytes() + self.sessions.answer_bytes();
        self.answers_gauge.set(bytes as i64);
        self.sweep_by_operator();
        self.work.give_back();
        self.continued.give_back();
        self.hook_effects.give_back();
        self.lists.give_back();
    }
}
