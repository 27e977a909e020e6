//! The public attributes of the users that sessions of this worker watch.
//!
//! Each attribute is written once, when its avatar reports it. A session notes which
//! users changed and since which version; a message has the attributes of that version
//! and later ones. An attribute that was removed stays as `null`, so there are at most
//! as many as the configuration has public names.

use rustc_hash::FxHashMap;
use thin_vec::ThinVec;

use crate::gateway::delivery::frame::Frame;
use turntable_core::id::UserId;
use turntable_core::key::UserNumber;
use turntable_core::model::avatar::AttributeChanges;
use turntable_wire::json_v1;

/// How long one message is, unless a single user's attributes are longer, in bytes.
/// While as many wait for a client, the next message waits.
pub(crate) const PROFILES_BYTES: usize = 65_536;

/// Messages with more users are written for each session.
const SHARED_USERS: usize = 16;

/// A user's number, and the version since which its profile changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ProfileChange {
    /// The user.
    pub(crate) number: UserNumber,
    since: u32,
}

impl ProfileChange {
    /// For a session that has nothing of the user: what is set.
    pub(crate) const fn all(number: UserNumber) -> Self {
        Self { number, since: 0 }
    }

    /// For a session that has something of the user: everything, also what was
    /// removed.
    pub(crate) const fn again(number: UserNumber) -> Self {
        Self { number, since: 1 }
    }
}

/// Merges the changes of each user to one, the earliest.
pub(crate) fn merge(changes: &mut ThinVec<ProfileChange>) {
    changes.sort_unstable();
    changes.dedup_by_key(|change| change.number);
}

/// One public attribute.
#[derive(Debug)]
struct Attribute {
    name: Box<str>,
    /// `"name":"Mel"`, as it is in messages.
    fragment: Box<[u8]>,
    is_set: bool,
    /// The version of the profile that changed it last.
    version: u32,
}

/// The public attributes of one user.
#[derive(Debug, Default)]
struct Profile {
    version: u32,
    attributes: Vec<Attribute>,
}

impl Profile {
    /// Whether it has been changed.
    fn put(&mut self, name: &str, fragment: &[u8], is_set: bool, version: u32) -> bool {
        let known = self
            .attributes
            .iter_mut()
            .find(|known| *known.name == *name);
        match known {
            Some(known) if *known.fragment == *fragment => return false,
            Some(known) => {
                known.fragment = fragment.into();
                known.is_set = is_set;
                known.version = version;
            }
            None if !is_set => return false,
            None => self.attributes.push(Attribute {
                name: name.into(),
                fragment: fragment.into(),
                is_set,
                version,
            }),
        }
        true
    }

    /// The fragments for a session that has everything before a version.
    fn since(&self, since: u32) -> impl Iterator<Item = &[u8]> {
        let is_new =
            move |known: &&Attribute| known.version >= since && (since > 0 || known.is_set);
        let new = self.attributes.iter().filter(is_new);
        new.map(|known| &*known.fragment)
    }
}

/// The profiles of a worker.
#[derive(Debug, Default)]
pub(crate) struct Profiles {
    by_user: FxHashMap<UserNumber, Box<Profile>>,
    /// What the last message of this round was made of, and the message: the next session may
    /// watch the same users.
    written: Option<(Box<[ProfileChange]>, Frame)>,
}

impl Profiles {
    /// The avatar of a user reported changes. Returns what changed.
    pub(super) fn update(
        &mut self,
        number: UserNumber,
        changes: &AttributeChanges,
        is_whole: bool,
    ) -> Option<ProfileChange> {
        if changes.is_empty() && !self.has(number) {
            return None;
        }
        self.written = None;
        let profile = self.by_user.entry(number).or_default();
        let version = profile.version.saturating_add(1);
        let mut fragment = Vec::new();
        let mut is_changed = false;
        let is_named = |name: &str| changes.iter().any(|(known, _)| **known == *name);
        let known = profile.attributes.iter().map(|known| known.name.clone());
        let removed: Vec<Box<str>> = known.filter(|name| is_whole && !is_named(name)).collect();
        let changes = changes.iter().map(|(name, value)| (name, value.as_ref()));
        for (name, value) in removed.iter().map(|name| (name, None)).chain(changes) {
            fragment.clear();
            json_v1::profile_fragment(name, value, &mut fragment);
            is_changed |= profile.put(name, &fragment, value.is_some(), version);
        }
        profile.version = version;
        is_changed.then_some(ProfileChange {
            number,
            since: version,
        })
    }

    /// Whether a user has public attributes, or had some.
    pub(super) fn has(&self, number: UserNumber) -> bool {
        self.by_user.contains_key(&number)
    }

    /// A user is not watched here any more.
    pub(super) fn remove(&mut self, number: UserNumber) {
        if self.by_user.remove(&number).is_some() {
            self.written = None;
            if self.by_user.is_empty() {
                self.by_user.shrink_to_fit();
            }
        }
    }

    /// Forgets the last message.
    pub(super) fn forget_frame(&mut self) {
        self.written = None;
    }

    /// A message of the first changes; the others stay in the list. In a round it may be shared:
    /// each session has one then. Between rounds one session could get it twice, by one id.
    pub(super) fn frame<'a>(
        &mut self,
        changes: &mut ThinVec<ProfileChange>,
        is_round: bool,
        user: impl Fn(UserNumber) -> Option<&'a UserId>,
    ) -> Option<Frame> {
        if is_round
            && let Some((of, frame)) = &self.written
            && **of == **changes
        {
            changes.clear();
            return Some(frame.clone());
        }
        let mut out = json_v1::PROFILES_HEAD.to_vec();
        let start = out.len();
        let mut count = 0;
        for change in changes.iter() {
            if out.len() - start >= PROFILES_BYTES {
                break;
            }
            count += 1;
            if let Some(profile) = self.by_user.get(&change.number)
                && let Some(user) = user(change.number)
            {
                append(
                    user,
                    profile.since(change.since),
                    out.len() > start,
                    &mut out,
                );
            }
        }
        let is_empty = out.len() == start;
        out.extend_from_slice(json_v1::PROFILES_TAIL);
        let is_complete = count == changes.len();
        let is_shared = is_round && is_complete && count <= SHARED_USERS;
        let made_of: Option<Box<[ProfileChange]>> = is_shared.then(|| (**changes).into());
        changes.drain(..count);
        if is_empty {
            return None;
        }
        let frame = Frame::build(|text| text.extend_from_slice(&out));
        if is_round {
            self.written = made_of.map(|made_of| (made_of, frame.clone()));
        }
        Some(frame)
    }
}

/// Appends the fragments of a user, if there are any.
fn append<'a>(
    user: &UserId,
    mut fragments: impl Iterator<Item = &'a [u8]>,
    is_next: bool,
    out: &mut Vec<u8>,
) {
    let Some(first) = fragments.next() else {
        return;
    };
    if is_next {
        out.push(b',');
    }
    out.extend_from_slice(&json_v1::presence_key(user));
    out.push(b'{');
    out.extend_from_slice(first);
    for fragment in fragments {
        out.push(b',');
        out.extend_from_slice(fragment);
    }
    out.push(b'}');
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use turntable_core::payload::Payload;

    fn changes(list: &[(&str, Option<&str>)]) -> AttributeChanges {
        let change =
            |(name, value): &(&str, Option<&str>)| ((*name).into(), value.map(Payload::from_json));
        list.iter().map(change).collect()
    }

    struct World {
        profiles: Profiles,
        users: Vec<UserId>,
    }

    impl World {
        fn new() -> Self {
            let user = |n: u32| UserId::parse(&format!("1:{n}")).unwrap();
            Self {
                profiles: Profiles::default(),
                users: (0..9_000).map(user).collect(),
            }
        }

        fn frame(&mut self, changes: &mut ThinVec<ProfileChange>) -> Option<Frame> {
            let users = &self.users;
            let user = |number: UserNumber| users.get(number.to_bits() as usize);
            self.profiles.frame(changes, true, user)
        }

        fn text(&mut self, changes: &[ProfileChange]) -> String {
            let mut changes = changes.into();
            merge(&mut changes);
            let frame = self.frame(&mut changes);
            frame.map_or_else(String::new, |frame| {
                let text = frame.as_message().unwrap().text().to_owned();
                let data = text.strip_prefix(r#"{"command":"profiles","data":"#);
                data.unwrap().strip_suffix('}').unwrap().to_owned()
            })
        }
    }

    #[test]
    fn changes_that_wait_are_merged_to_the_last_values() {
        let mut world = World::new();
        let one = UserNumber::from_bits(1);
        let update =
            |world: &mut World, list: &[_]| world.profiles.update(one, &changes(list), false);
        let first = update(&mut world, &[("name", Some("1")), ("note", Some("2"))]).unwrap();
        assert_eq!(
            world.text(&[ProfileChange::all(one)]),
            r#"{"1:1":{"name":1,"note":2}}"#
        );
        assert_eq!(update(&mut world, &[("name", Some("1"))]), None);
        let second = update(&mut world, &[("name", Some("3"))]).unwrap();
        assert_eq!(world.text(&[second]), r#"{"1:1":{"name":3}}"#);
        let third = update(&mut world, &[("note", None)]).unwrap();
        assert_eq!(
            world.text(&[third, second]),
            r#"{"1:1":{"name":3,"note":null}}"#
        );
        assert_eq!(
            world.text(&[third, second, first]),
            r#"{"1:1":{"name":3,"note":null}}"#
        );
        assert_eq!(
            world.text(&[ProfileChange::all(one)]),
            r#"{"1:1":{"name":3}}"#
        );
        let again = ProfileChange::again(one);
        assert_eq!(world.text(&[again]), r#"{"1:1":{"name":3,"note":null}}"#);
    }

    #[test]
    fn whole_profile_removes_what_it_does_not_name() {
        let mut world = World::new();
        let one = UserNumber::from_bits(1);
        assert_eq!(world.profiles.update(one, &changes(&[]), true), None);
        assert!(!world.profiles.has(one));
        let list = changes(&[("name", Some("1")), ("note", Some("2"))]);
        world.profiles.update(one, &list, true);
        assert_eq!(world.profiles.update(one, &list, true), None);
        let change = world
            .profiles
            .update(one, &changes(&[("note", Some("2"))]), true);
        assert_eq!(world.text(&[change.unwrap()]), r#"{"1:1":{"name":null}}"#);
        world.profiles.remove(one);
        assert_eq!(world.text(&[ProfileChange::all(one)]), "");
    }

    #[test]
    fn watchers_of_the_same_users_share_one_message() {
        let mut world = World::new();
        for number in [1, 2] {
            let list = changes(&[("name", Some("1"))]);
            world
                .profiles
                .update(UserNumber::from_bits(number), &list, false);
        }
        let all = |number| ProfileChange::all(UserNumber::from_bits(number));
        let mut first: ThinVec<_> = [all(1), all(2)].into();
        let (mut second, mut other) = (first.clone(), ThinVec::from([all(1)]));
        let first = world.frame(&mut first).unwrap();
        let second_frame = world.frame(&mut second).unwrap();
        assert!(second.is_empty());
        let text = |frame: &Frame| frame.as_message().unwrap().text().as_ptr();
        assert_eq!(text(&first), text(&second_frame));
        let other = world.frame(&mut other).unwrap();
        assert_ne!(text(&first), text(&other));
    }

    #[test]
    fn many_profiles_are_several_messages() {
        let mut world = World::new();
        let value = format!("\"{}\"", "x".repeat(100));
        let list = changes(&[("name", Some(&value))]);
        let mut pending = ThinVec::new();
        for number in (0..2_000).map(UserNumber::from_bits) {
            pending.extend(world.profiles.update(number, &list, false));
        }
        let (mut messages, mut users) = (0, 0);
        while !pending.is_empty() {
            let frame = world.frame(&mut pending).unwrap();
            let text = frame.as_message().unwrap().text();
            assert!(text.len() < PROFILES_BYTES + 300);
            messages += 1;
            users += text.matches("\"1:").count();
        }
        assert_eq!(users, 2_000);
        assert!(messages > 3, "{messages}");
    }
}
