//! Presence on its way to the sessions that watch: merged while it waits, one
//! message per session.

use crate::gateway::Gateway;
use crate::gateway::subscription::profile::ProfileChange;
use turntable_core::id::UserId;
use turntable_core::key::SessionSlot;
use turntable_core::packet::{Presence, ReplyData};

/// A round counts as no longer than this, in ms: a machine that slept delays no change.
const ROUND_MAX_MS: u64 = 500;
/// How long profiles wait at least that found a full outbox, in ms.
const PROFILES_PAUSE_MS: u64 = 5;

/// On which occasion a session gets its changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// All users that it has just subscribed to are known.
    Snapshot,
    /// All sessions with changes get theirs.
    Round,
    /// Its client fetches what waits.
    Fetch,
}

impl Gateway {
    /// An avatar reported what others see of its user.
    pub(crate) fn presence(&mut self, user: &UserId, presence: Presence) {
        let watches = &mut self.subscriptions.watches;
        let Some((number, is_first)) = watches.update(user, presence) else {
            return;
        };
        let Some(watched) = watches.at(number) else {
            return;
        };
        let watches_profile = is_first && watches.has_profile(number);
        for index in watched.watchers() {
            let Some(entry) = self.sessions.at_mut(*index) else {
                continue;
            };
            if is_first {
                if watches_profile && !entry.hides(number) {
                    entry.profiles.push(ProfileChange::all(number));
                }
                // The snapshot that waits for it names it already.
                entry.unknown = entry.unknown.saturating_sub(1);
                if entry.unknown == 0 {
                    self.lists.snapshots.extend(self.sessions.key(*index));
                }
                continue;
            }
            if entry.hides(number) {
                continue;
            }
            let was_empty = !entry.has_changes();
            self.lists.spare_changes.give(&mut entry.changed);
            entry.changed.push(number);
            if entry.changed.len() > 2 * entry.session.watching.len().max(8) {
                entry.changed.sort_unstable();
                entry.changed.dedup();
            }
            if was_empty {
                self.lists.changed.extend(self.sessions.key(*index));
            }
        }
    }

    /// Writes the snapshots that are complete; they do not wait for others.
    pub(crate) fn write_snapshots(&mut self) {
        for session in std::mem::take(&mut self.lists.snapshots) {
            self.write_changes(session, Occasion::Snapshot);
            let Some(entry) = self.sessions.get_mut(session) else {
                continue;
            };
            if entry.unknown > 0 {
                continue;
            }
            for id in std::mem::take(&mut entry.subscribed) {
                self.pending.answered(session, &id);
                self.reply(session, ReplyData::Done, Some(id));
            }
            self.run();
        }
    }

    /// Writes the changes of presence, one message per session, unless the last
    /// ones were written so shortly before that they should wait. Returns for how
    /// many ms. A round that took long leaves as much time for others.
    pub(crate) fn write_presence(&mut self, now_ms: u64) -> u64 {
        if self.lists.changed.is_empty() {
            return 0;
        }
        let pause_ms = 2 * self.presence_took_ms;
        let pause_ms = pause_ms.max(self.settings.presence.coalesce_ms);
        let due_ms = self.presence_flushed_ms.saturating_add(pause_ms);
        if now_ms < due_ms {
            return due_ms - now_ms;
        }
        self.presence_flushed_ms = now_ms;
        for session in std::mem::take(&mut self.lists.changed) {
            self.write_changes(session, Occasion::Round);
            self.run();
        }
        self.subscriptions.watches.end_round();
        match self.lists.changed.is_empty() {
            true => 0,
            // Profiles that wait until their clients have read.
            false => self.settings.presence.coalesce_ms.max(PROFILES_PAUSE_MS),
        }
    }

    /// What a round of changes wrote is sent.
    pub(crate) fn presence_round_ends(&mut self, now_ms: u64) {
        let took_ms = now_ms.saturating_sub(self.presence_flushed_ms);
        self.presence_took_ms = took_ms.min(ROUND_MAX_MS);
    }

    /// Puts what changed into a session's outbox, unless its connection takes
    /// nothing now: then the changes go on merging.
    pub(crate) fn write_changes(&mut self, session: SessionSlot, occasion: Occasion) {
        let Some(entry) = self.sessions.get_mut(session) else {
            return;
        };
        let takes_nothing = entry.is_blocked || entry.session.connection().is_none();
        let waits = takes_nothing && occasion != Occasion::Snapshot;
        if !entry.has_changes() || entry.unknown > 0 || waits {
            return;
        }
        let profiles = std::mem::take(&mut entry.profiles);
        if entry.changed.is_empty() {
            return self.write_profiles(session, profiles, occasion);
        }
        let mut changed = std::mem::take(&mut entry.changed);
        changed.sort_unstable();
        changed.dedup();
        self.counters.presence_changes += changed.len() as u64;
        let watches = &mut self.subscriptions.watches;
        let mut frame = match occasion {
            Occasion::Round => watches.frame_of_round(&changed, entry.hidden()),
            Occasion::Snapshot | Occasion::Fetch => watches.frame(&changed, entry.hidden()),
        };
        self.lists.spare_changes.take(changed);
        if entry.unnumbered().is_some() {
            // Its client resumes by the ids of messages.
            frame = frame.alone();
        }
        self.send_frame(session, frame, None);
        self.write_profiles(session, profiles, occasion);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;

    use super::*;
    use crate::gateway::testing::{Noted, begin, crowd, entry, gateway, user};

    const WATCHERS: u64 = 500;

    #[test]
    fn round_that_took_long_leaves_as_much_time_for_others() {
        let mut gateway = gateway(0, &Arc::new(Noted::default()));
        let session = begin(&mut gateway);
        let watched = user("2:1");
        gateway.subscribe(session, vec![watched.clone()], None);
        gateway.presence(&watched, Presence::Idle);
        gateway.write_snapshots();
        let mut wait_ms = |presence, now_ms| {
            gateway.presence(&watched, presence);
            let wait_ms = gateway.write_presence(now_ms);
            gateway.presence_round_ends(now_ms + 30);
            wait_ms
        };
        assert_eq!(wait_ms(Presence::Online, 10_000), 0);
        // It took 30 ms.
        assert_eq!(wait_ms(Presence::Busy, 10_020), 40);
        assert_eq!(wait_ms(Presence::Busy, 10_100), 0);
    }

    #[test]
    fn change_is_written_once_for_all_watchers_of_a_user() {
        let mut gateway = gateway(0, &Arc::new(Noted::default()));
        let sessions = crowd(&mut gateway, 2 * WATCHERS);
        for (session, number) in sessions.iter().zip(0..) {
            // Each of them watches others, too.
            let own = user(&format!("3:{number}"));
            let common = user(&format!("2:{}", number / WATCHERS));
            gateway.subscribe(*session, vec![common, own.clone()], None);
            gateway.presence(&own, Presence::Online);
        }
        for common in ["2:0", "2:1"] {
            gateway.presence(&user(common), Presence::Online);
        }
        gateway.write_snapshots();
        for round in [Presence::Busy, Presence::Offline] {
            for common in ["2:0", "2:1"] {
                gateway.presence(&user(common), round);
            }
            gateway.presence_flushed_ms = 0;
            gateway.write_presence(u64::MAX / 2);
            let mut receivers = HashMap::new();
            for session in &sessions {
                let outbox = &entry(&mut gateway, *session).session.outbox;
                let message = outbox.waiting().last().unwrap().as_message().unwrap();
                let text = (message.text().as_ptr(), message.text().to_owned());
                *receivers.entry(text).or_insert(0) += 1;
            }
            let mut receivers: Vec<(String, u64)> = receivers
                .into_iter()
                .map(|((_, text), count)| (text, count))
                .collect();
            receivers.sort();
            let text = |common| {
                let state = round.name();
                format!(r#"{{"command":"userchange","data":{{"{common}":"{state}"}}}}"#)
            };
            assert_eq!(
                receivers,
                [(text("2:0"), WATCHERS), (text("2:1"), WATCHERS)]
            );
        }
    }
}
