//! What a gateway does every few seconds: it brings gauges up to date, and gives
//! back the memory that a burst took.

use crate::gateway::Gateway;
use crate::gateway::session::memory::Answered;
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
        let waiting: usize = self
            .sessions
            .iter()
            .map(|(_, entry)| entry.session.outbox.waiting_bytes())
            .sum();
        self.waiting_gauge.set(waiting as i64);
        let remembered = self
            .sessions
            .iter()
            .filter_map(|(_, entry)| entry.answered());
        let connections = self.connections.iter();
        let answered = connections.filter_map(|(_, connection)| connection.transport.answered());
        let bytes: usize = answered.chain(remembered).map(Answered::bytes).sum();
        self.answers_gauge.set(bytes as i64);
        self.sweep_by_operator();
        self.work.give_back();
        self.continued.give_back();
        self.hook_effects.give_back();
        self.lists.give_back();
    }
}
