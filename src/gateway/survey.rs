//! What a gateway does every few seconds: it brings gauges up to date, and gives
//! back the memory that a burst took.

use std::time::Instant;

use actix::{Context, Handler};

use crate::cluster::probe::Probe;
use crate::gateway::Gateway;
use crate::gateway::turn::TurnLists;
use crate::slow;
use turntable_core::spare::Spare;

impl Spare for TurnLists {
    fn give_back(&mut self) {
        self.dirty.give_back();
        self.unread.give_back();
        self.changed.give_back();
        self.snapshots.give_back();
        self.spare_changes.clear();
    }
}

impl Handler<Probe> for Gateway {
    type Result = ();

    fn handle(&mut self, probe: Probe, _: &mut Context<Self>) {
        let mailboxes = &self.shared.mailboxes;
        mailboxes.answers(self.id.worker, Instant::now());
        let waited = probe.waited();
        self.delivery_lag.observe_duration(waited);
        slow::note(waited, slow::Kind::Wait, || {
            format!("a delivery that waited for worker {}", self.id.worker)
        });
    }
}

impl Gateway {
    /// Counts what the kernel uses for clients that do not read: those whose sockets take
    /// nothing, and those that are closed and have not taken their last bytes. Others use
    /// little, and need no system call.
    pub(crate) fn survey_send_buffers(&mut self) {
        let blocked = self
            .connections
            .iter()
            .filter(|(_, connection)| connection.queue.is_blocked() || connection.is_closing());
        let sockets = blocked.filter_map(|(_, connection)| connection.io.as_ref());
        let bytes: i64 = sockets
            .filter_map(|io| io.unsent_bytes().ok())
            .map(i64::from)
            .sum();
        let before = std::mem::replace(&mut self.send_buffer_bytes, bytes);
        let total = &self.shared.metrics.send_buffer_bytes;
        total.inc_by(bytes - before);
    }

    /// Brings the gauges of what waits and of what is retained up to date, and gives back what a burst took.
    /// Seldom, as it looks at every session.
    pub(crate) fn survey(&mut self) {
        self.waiting_gauge.set(self.sessions.waiting_bytes() as i64);
        let bytes = self.connections.answer_bytes() + self.sessions.answer_bytes();
        self.answers_gauge.set(bytes as i64);
        self.survey_send_buffers();
        self.traces.survey(crate::clock::now_ms());
        self.sweep_by_operator();
        self.work.give_back();
        self.continued.give_back();
        self.due.give_back();
        self.hook_effects.give_back();
        self.lists.give_back();
    }
}
