//! Sessions that identify as the user: each is admitted with what it begins with.

use crate::actor::avatar::Avatar;
use crate::actor::validator::Setter as By;
use turntable_core::delivery::Delivery;
use turntable_core::key::{Caller, SessionKey};
use turntable_core::packet::{Beginning, ErrorBody, OwnStatus, RequestId, Status};
use turntable_core::payload::Payload;

impl Avatar {
    /// Admits a session, or refuses it.
    pub(super) fn attach(&mut self, caller: Caller, beginning: Beginning, id: Option<RequestId>) {
        let Caller { key, place: to } = caller;
        let (has_status, was_hidden) = (beginning.status.is_some(), self.model.is_hidden());
        let answer = match self.admit(key, beginning) {
            Ok(()) => {
                self.places.bind(caller);
                Delivery::Attached {
                    to,
                    user: self.user.clone(),
                    attributes: self.model.attributes().to_vec(),
                    services: self.added.to_vec(),
                    id,
                }
            }
            Err(error) => Delivery::NotAttached {
                to,
                error: Box::new(error.of("idme")),
                id,
            },
        };
        let is_attached = matches!(answer, Delivery::Attached { .. });
        if is_attached && (has_status || self.model.is_hidden() != was_hidden) {
            // One hidden session hides the others on channels, too.
            self.back_up(self.model.sessions());
        } else if is_attached && !self.model.backup(key).is_empty() {
            // Before the first command of the session.
            self.back_up([key]);
        }
        self.shared.bus.send(to.gateway, answer);
        if is_attached {
            self.give_invites(key);
        }
    }

    fn admit(&mut self, session: SessionKey, beginning: Beginning) -> Result<(), ErrorBody> {
        self.check_loaded()?;
        let settings = self.shared.settings();
        if let Some(max) = settings.sessions.max() {
            while let Some(before) = self.model.in_the_way(session, max) {
                self.end(before, true);
            }
        }
        let is_new = !self.model.sessions().any(|known| known == session);
        let max = settings.sessions_per_user_max;
        if self.model.attach(session, max).is_err() {
            // A dropped session gives way to one that is there.
            if let Some(dropped) = self.model.oldest_dropped() {
                self.end(dropped, false);
            }
            self.model.attach(session, max)?;
        }
        let begun = self.begin_with(session, beginning, is_new);
        // One that is here already goes on as it was.
        if begun.is_err() && is_new {
            self.remove(session);
        }
        begun
    }

    /// What a session begins with is in force before others see it. One that renews its
    /// credentials (not `is_new`) has a status already.
    fn begin_with(
        &mut self,
        session: SessionKey,
        beginning: Beginning,
        is_new: bool,
    ) -> Result<(), ErrorBody> {
        let Beginning { attributes, status } = beginning;
        let settings = self.shared.settings();
        let presence = &settings.presence;
        let chosen = || {
            let chosen = || self.chosen_status(&attributes, &presence.status_attribute);
            is_new.then(chosen).flatten()
        };
        if let Some(OwnStatus { state, note }) = status.or_else(chosen) {
            self.model.set_status(session, state, note, presence)?;
        }
        if attributes.is_empty() {
            return Ok(());
        }
        let changes = attributes.into_iter();
        let changes = changes.map(|(name, value)| (name, Some(value))).collect();
        self.set(Some(session), changes, By::Client)
    }

    /// The status that the user chose before, on any device: an attribute has it. Without
    /// that one who is invisible would be seen until the new session says so.
    fn chosen_status(
        &self,
        attributes: &[(Box<str>, Payload)],
        attribute: &str,
    ) -> Option<OwnStatus> {
        let all = attributes.iter().chain(self.model.attributes());
        let mut values = all.filter(|(name, _)| **name == *attribute);
        let (_, value) = values.next()?;
        let name: String = serde_json::from_str(value.as_json()).ok()?;
        // `online` is what it is without.
        let chosen = Status::of_name(&name).filter(|status| *status != Status::Online);
        let note = self.model.note().cloned();
        chosen.map(|state| OwnStatus { state, note })
    }
}
