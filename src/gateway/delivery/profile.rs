//! Public attributes on their way to the sessions that watch: on the path of
//! presence, merged while they wait, in messages of their own.

use thin_vec::ThinVec;

use crate::gateway::Gateway;
use crate::gateway::delivery::presence::Occasion;
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
        occasion: Occasion,
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
            let is_alone = entry.unnumbered().is_some();
            let is_round = occasion == Occasion::Round;
            let watches = &mut self.subscriptions.watches;
            let Some(frame) = watches.profile_frame(&mut changes, is_round) else {
                continue;
            };
            let frame = if is_alone { frame.alone() } else { frame };
            self.send_frame(session, frame, None);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Arc;

    use super::*;
    use crate::gateway::delivery::encoding::{Encoding, Encodings, Reader};
    use crate::gateway::testing::{Noted, crowd, entry, gateway, user};
    use turntable_core::packet::Presence;
    use turntable_core::payload::Payload;

    const WATCHERS: u64 = 1_000;

    /// Counts the texts and the MessagePack forms of the last messages of all sessions: a
    /// message that was encoded again is at another place.
    fn encodes(gateway: &mut Gateway, sessions: &[SessionSlot]) -> (usize, usize) {
        let encodings = Encodings::none();
        let reader = Reader {
            encoding: Encoding::MsgpackV2,
            encodings: &encodings,
            name: None,
            user: None,
            mark: 0,
            now_ms: 0,
        };
        let (mut texts, mut packed) = (HashSet::new(), HashSet::new());
        for session in sessions {
            let outbox = &entry(gateway, *session).session.outbox;
            let message = outbox.waiting().last().unwrap().as_message().unwrap();
            assert!(message.text().contains(r#""name":"Mel""#));
            texts.insert(message.text().as_ptr());
            packed.insert(message.bytes(&reader).as_ptr());
        }
        (texts.len(), packed.len())
    }

    #[test]
    fn attribute_change_is_encoded_once_for_all_watchers() {
        let mut gateway = gateway(0, &Arc::new(Noted::default()));
        let sessions = crowd(&mut gateway, WATCHERS);
        for (session, number) in sessions.iter().zip(0..) {
            // Each of them watches others, too.
            let watched = vec![user("2:1"), user(&format!("3:{number}"))];
            gateway.subscribe(*session, watched, None);
            gateway.presence(&user(&format!("3:{number}")), Presence::Online);
        }
        gateway.presence(&user("2:1"), Presence::Online);
        gateway.write_snapshots();
        let change = vec![("name".into(), Some(Payload::from_json("\"Mel\"")))];
        gateway.profile(&user("2:1"), &change, false);
        assert_eq!(gateway.lists.changed.len() as u64, WATCHERS);
        for session in std::mem::take(&mut gateway.lists.changed) {
            gateway.write_changes(session, Occasion::Round);
        }
        assert_eq!(encodes(&mut gateway, &sessions), (1, 1));
    }

    #[test]
    fn session_that_fetches_gets_no_message_twice() {
        let mut gateway = gateway(0, &Arc::new(Noted::default()));
        let session = crowd(&mut gateway, 1)[0];
        gateway.subscribe(session, vec![user("2:1")], None);
        gateway.presence(&user("2:1"), Presence::Online);
        let set = vec![("name".into(), Some(Payload::from_json("\"Mel\"")))];
        gateway.profile(&user("2:1"), &set, false);
        let number = entry(&mut gateway, session).profiles[0].number;
        gateway.write_snapshots();
        let before = entry(&mut gateway, session).session.outbox.waiting_len();
        for occasion in [Occasion::Snapshot, Occasion::Fetch, Occasion::Fetch] {
            let changes = [ProfileChange::again(number)].into();
            gateway.write_profiles(session, changes, occasion);
        }
        let outbox = &entry(&mut gateway, session).session.outbox;
        let sent = outbox.waiting().skip(before);
        let texts = sent.map(|frame| frame.as_message().unwrap().text().as_ptr());
        assert_eq!(texts.collect::<HashSet<_>>().len(), 3);
    }
}
