//! What is due in a room: how late a tick is, and how long it takes.

use super::Room;
use crate::clock;
use crate::slow;

impl Room {
    /// Does what is due.
    pub(super) fn advance(&mut self) {
        let Some(model) = &mut self.model else {
            return;
        };
        let now_ms = clock::now_ms();
        let late_ms = model
            .tick_ends_ms()
            .and_then(|ends_ms| now_ms.checked_sub(ends_ms));
        let since = late_ms.and_then(|_| slow::begin());
        let before = self.recent.total();
        let effects = model.advance(now_ms);
        self.apply(effects, None);
        if let Some(late_ms) = late_ms {
            self.shared.tick_late.observe(late_ms as f64);
            let actions = self.recent.total().saturating_sub(before);
            self.shared.metrics.tick_actions.inc_by(actions);
            slow::end(since, slow::Kind::Tick, || {
                format!("a tick of room {:?}", self.channel.as_str())
            });
        }
    }
}
