//! Public attributes on their way to the sessions that watch: on the path of
//! presence, merged while they wait, in messages of their own.

use thin_vec::ThinVec;

use crate::gateway::Gateway;
use crate::gateway::subscription::profile::{PROFILES_BYTES, ProfileChange, merge};
use turntable_core::id::UserId;
use turntable_core::key::SessionSlot;
use turntable_core::model::avatar::AttributeChanges;

impl Gateway {
    /// An avatar reported public attributes of its user.
    pub(crate) fn profile(&mut self, user: &UserId, changes: &AttributeChanges, is_whole: bool) {
        let watches = &mut self.subscriptions.watches;
        let Some(change) = watches.update_profile(user, changes, is_whole) else {
            return;
        };
        let Some(watched) = watches.at(change.number) else {
            return;
        };
        for index in watched.watchers() {
            let Some(entry) = self.sessions.at_mut(*index) else {
                continue;
            };
            if entry.hides(change.number) {
                continue;
            }
            let was_empty = !entry.has_changes();
            entry.profiles.push(change);
            if entry.profiles.len() > 2 * entry.session.watching.len().max(8) {
                merge(&mut entry.profiles);
            }
            if was_empty {
                self.lists.changed.extend(self.sessions.key(*index));
            }
        }
    }

    /// Puts changed profiles into a session's outbox, while little waits there; the
    /// rest follows when its client has read.
    pub(super) fn write_profiles(
        &mut self,
        session: SessionSlot,
        mut changes: ThinVec<ProfileChange>,
    ) {
        merge(&mut changes);
        while !changes.is_empty() {
            let Some(entry) = self.sessions.get_mut(session) else {
                return;
            };
            if entry.session.outbox.waiting_bytes() >= PROFILES_BYTES {
                entry.profiles = changes;
                return self.lists.changed.push(session);
            }
            let is_alone = entry.datagrams().is_some();
            let Some(frame) = self.subscriptions.watches.profile_frame(&mut changes) else {
                continue;
            };
            let frame = if is_alone { frame.alone() } else { frame };
            self.send_frame(session, frame, None);
        }
    }
}
