//! The profile of a user: its public attributes as those see them who watch the
//! user's presence.
//!
//! Others see changes only while the user is visible, because a change of an invisible
//! user would show that the user is there. Of a user that reads `offline`, invisible
//! or not, others do not see what it plays.

use super::Avatar;
use super::extras::AttributeChanges;
use crate::backup::Attributes;
use crate::model::settings::AttributeSettings;
use crate::packet::Presence;
use crate::payload::Payload;

/// The attribute that tells which game a user plays.
const PLAYING: &str = "playing";

impl Avatar {
    /// The public attributes as others see them.
    #[must_use]
    pub fn profile(&self) -> &[(Box<str>, Payload)] {
        self.extras().profile.as_deref().unwrap_or_default()
    }

    /// Brings the profile up to date, after [`Avatar::refresh`]. Returns what changed.
    pub fn refresh_profile(&mut self, settings: &AttributeSettings) -> AttributeChanges {
        let extras = self.extras();
        if extras.attributes.is_none() && extras.profile.is_none() {
            return Vec::new();
        }
        let is_offline = self.shown() == Presence::Offline;
        let source = match is_offline {
            true => self.profile(),
            false => self.attributes(),
        };
        let is_seen = |(name, _): &&(Box<str>, Payload)| {
            settings.is_public(name) && !(is_offline && **name == *PLAYING)
        };
        let is_unchanged = source.iter().filter(is_seen).eq(self.profile());
        if is_unchanged {
            return Vec::new();
        }
        let next: Vec<_> = source.iter().filter(is_seen).cloned().collect();
        let changes = differences(self.profile(), &next);
        self.extras_mut().profile = (!next.is_empty()).then(|| next.into());
        changes
    }

    /// Takes over what others see of the user while it is absent: the profile that was
    /// stored apart from the attributes, else the public ones of them.
    pub fn restore_profile(&mut self, apart: Option<&Attributes>, settings: &AttributeSettings) {
        let of = apart.map_or_else(|| self.attributes(), AsRef::as_ref);
        let seen = absent_profile(of, settings);
        if self.extras.is_some() || !seen.is_empty() {
            self.extras_mut().profile = (!seen.is_empty()).then(|| seen.into());
        }
    }

    /// The profile, where it has to be stored apart from these attributes: the user changed
    /// public ones while it was invisible, and others do not see that before it is visible.
    #[must_use]
    pub fn profile_apart(
        &self,
        attributes: &[(Box<str>, Payload)],
        settings: &AttributeSettings,
    ) -> Option<Attributes> {
        if self.shown() != Presence::Offline {
            return None;
        }
        let seen = absent_profile(self.profile(), settings);
        (seen != absent_profile(attributes, settings)).then(|| seen.into())
    }
}

/// The profile of a user that is absent and has these attributes.
#[must_use]
pub fn absent_profile(
    attributes: &[(Box<str>, Payload)],
    settings: &AttributeSettings,
) -> Vec<(Box<str>, Payload)> {
    let is_seen = |name: &str| settings.is_public(name) && name != PLAYING;
    let seen = attributes.iter().filter(|(name, _)| is_seen(name));
    seen.cloned().collect()
}

/// What turns one list into the other; both are in the order of their names.
fn differences(before: &[(Box<str>, Payload)], now: &[(Box<str>, Payload)]) -> AttributeChanges {
    let find = |list: &[(Box<str>, Payload)], name: &str| {
        let at = list.binary_search_by(|(known, _)| (**known).cmp(name));
        at.ok().and_then(|at| list.get(at)).cloned()
    };
    let removed = before
        .iter()
        .filter(|(name, _)| find(now, name).is_none())
        .map(|(name, _)| (name.clone(), None));
    let set = now
        .iter()
        .filter(|entry| find(before, &entry.0).as_ref() != Some(entry))
        .map(|(name, value)| (name.clone(), Some(value.clone())));
    removed.chain(set).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::key::SessionKey;
    use crate::model::settings::PresenceSettings;
    use crate::packet::Status;

    fn change(name: &str, value: Option<&str>) -> (Box<str>, Option<Payload>) {
        (name.into(), value.map(Payload::from_json))
    }

    fn set(avatar: &mut Avatar, name: &str, value: Option<&str>) -> AttributeChanges {
        avatar
            .set_attributes(vec![change(name, value)], 1_000)
            .unwrap();
        refresh(avatar)
    }

    fn refresh(avatar: &mut Avatar) -> AttributeChanges {
        avatar.refresh(1, &PresenceSettings::default());
        avatar.refresh_profile(&AttributeSettings::default())
    }

    fn online() -> (Avatar, SessionKey) {
        let (mut avatar, session) = (Avatar::default(), SessionKey::from_number(1));
        avatar.attach(session, 1).unwrap();
        refresh(&mut avatar);
        (avatar, session)
    }

    #[test]
    fn public_attributes_are_the_profile_and_changes_are_reported_once() {
        let (mut avatar, _) = online();
        assert_eq!(set(&mut avatar, "secret", Some("1")), []);
        assert!(avatar.profile().is_empty());
        let name = change("name", Some("\"Mel\""));
        assert_eq!(set(&mut avatar, "name", Some("\"Mel\"")), [name]);
        assert_eq!(set(&mut avatar, "name", Some("\"Mel\"")), []);
        assert_eq!(avatar.entry().profile, avatar.profile());
        let removed = change("name", None);
        assert_eq!(set(&mut avatar, "name", None), [removed]);
        assert!(avatar.profile().is_empty());
    }

    #[test]
    fn invisible_user_shows_no_changes_and_not_what_it_plays() {
        let (mut avatar, session) = online();
        set(&mut avatar, "name", Some("1"));
        set(&mut avatar, "playing", Some("\"strike\""));
        let settings = PresenceSettings::default();
        avatar
            .set_status(session, Status::Invisible, None, &settings)
            .unwrap();
        assert_eq!(refresh(&mut avatar), [change("playing", None)]);
        assert_eq!(set(&mut avatar, "name", Some("2")), []);
        assert_eq!(set(&mut avatar, "playing", Some("\"four\"")), []);
        assert_eq!(set(&mut avatar, "score", Some("9")), []);
        let seen: Vec<_> = avatar.profile().iter().map(|(name, _)| &**name).collect();
        assert_eq!(seen, ["name"]);
        avatar
            .set_status(session, Status::Online, None, &settings)
            .unwrap();
        let all = [
            change("name", Some("2")),
            change("playing", Some("\"four\"")),
            change("score", Some("9")),
        ];
        assert_eq!(refresh(&mut avatar), all);
    }

    #[test]
    fn offline_user_has_a_name_and_plays_nothing() {
        let (mut avatar, session) = online();
        set(&mut avatar, "name", Some("1"));
        set(&mut avatar, "playing", Some("2"));
        avatar.remove(session, 5);
        assert_eq!(refresh(&mut avatar), [change("playing", None)]);
        assert_eq!(avatar.profile(), [("name".into(), Payload::from_json("1"))]);
    }
}
