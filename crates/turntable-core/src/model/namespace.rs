//! Namespaces of channels: the sections `[channels."PATTERN"]` of the configuration.
//!
//! A pattern matches paths segment by segment. The most specific entry that matches
//! a path holds for it, alone: keys that it omits have their defaults, not the
//! values of a less specific entry.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::id::{ChannelId, UserId, is_realm};
use crate::model::history::Retention;
use crate::rate::BucketSettings;

/// The maximum number of segments of a path.
const SEGMENTS_MAX: usize = 16;

/// What a user wants to do with a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Receive what is published on the path.
    Join,
    /// Receive what is published on the path and on all paths below it.
    JoinBelow,
    /// Publish.
    Publish,
}

/// Decides who may join channels and publish on them. Called for each such command,
/// before any owner is.
pub trait ChannelPermissions: fmt::Debug + Send + Sync {
    /// Whether `user` may do this with `channel`.
    fn allow(&self, user: &UserId, channel: &ChannelId, access: Access) -> bool;
}

/// One entry of `[channels]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NamespaceSettings {
    /// Maximum messages retained of one channel; 0: none.
    pub history_max: usize,
    /// How long a message is retained, in ms.
    pub history_ms: u64,
    /// Maximum bytes retained of one channel.
    pub history_bytes_max: usize,
    /// How long the last message is sent to those who join, in ms; 0: it is not.
    pub last_value_ms: u64,
    /// Who may join.
    pub join: Audience,
    /// Who may publish.
    pub publish: Audience,
    /// Messages that all publishers together publish on one channel.
    pub publish_rate: BucketSettings,
    /// Whether listeners are sent who is on the channel.
    pub members: bool,
    /// Maximum members whose names are sent; of more only their number is.
    pub members_max: usize,
}

impl NamespaceSettings {
    /// The range of each number in an entry.
    pub const RANGES: &[(&str, u64, u64)] = &[
        ("history_max", 0, 100_000),
        ("history_ms", 1_000, 604_800_000),
        ("history_bytes_max", 0, 67_108_864),
        ("last_value_ms", 0, 31_536_000_000),
        ("members_max", 0, 1_000),
    ];

    /// Of how many members listeners are sent the names; `None` where they are sent
    /// nothing of them.
    #[must_use]
    pub fn member_names(&self) -> Option<usize> {
        self.members.then_some(self.members_max)
    }

    /// What is retained of a channel.
    #[must_use]
    pub const fn retention(&self) -> Retention {
        Retention {
            messages_max: self.history_max,
            age_ms: self.history_ms,
            bytes_max: self.history_bytes_max,
            last_value_ms: self.last_value_ms,
        }
    }
}

impl Default for NamespaceSettings {
    fn default() -> Self {
        Self {
            history_max: 0,
            history_ms: 300_000,
            history_bytes_max: 65_536,
            last_value_ms: 0,
            join: Audience::Everyone,
            publish: Audience::Everyone,
            publish_rate: BucketSettings::new(0, 1_000),
            members: false,
            members_max: 100,
        }
    }
}

/// Who may do something.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Audience {
    /// Every identified user.
    #[default]
    Everyone,
    /// No client.
    Nobody,
    /// These users, by their ids, and the users of these realms.
    Users(Vec<Named>),
}

/// An element of a list of users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// `REALM:*`.
    Realm(Box<str>),
    /// A user's id.
    User(UserId),
}

impl Audience {
    /// What is accepted in a configuration.
    pub const ACCEPTED: &str = "accepted is \"everyone\", \"nobody\", or a list of users and \
                                realms, like [\"1:12345\", \"staff:*\"]";

    /// Whether it includes `user`.
    #[must_use]
    pub fn includes(&self, user: &UserId) -> bool {
        match self {
            Self::Everyone => true,
            Self::Nobody => false,
            Self::Users(users) => users.iter().any(|named| match named {
                Named::Realm(realm) => **realm == *user.realm(),
                Named::User(known) => known == user,
            }),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Word(String),
    List(Vec<String>),
}

impl Serialize for Audience {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let name = |named: &Named| match named {
            Named::Realm(realm) => format!("{realm}:*"),
            Named::User(user) => user.as_str().to_owned(),
        };
        match self {
            Self::Everyone => Written::Word("everyone".to_owned()),
            Self::Nobody => Written::Word("nobody".to_owned()),
            Self::Users(users) => Written::List(users.iter().map(name).collect()),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Audience {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let named = |text: String| match text.strip_suffix(":*") {
            Some(realm) if is_realm(realm) => Some(Named::Realm(realm.into())),
            _ => UserId::parse(&text).ok().map(Named::User),
        };
        let audience = match Written::deserialize(deserializer) {
            Ok(Written::Word(word)) if word == "everyone" => Some(Self::Everyone),
            Ok(Written::Word(word)) if word == "nobody" => Some(Self::Nobody),
            Ok(Written::List(list)) => {
                let users: Option<Vec<Named>> = list.into_iter().map(named).collect();
                users.map(Self::Users)
            }
            _ => None,
        };
        audience.ok_or_else(|| D::Error::custom(Self::ACCEPTED))
    }
}

/// A pattern of paths: segments, `*` for any one segment, and `**` at the end for any
/// number of them, also none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pattern(Vec<Segment>);

/// The order is that of specificity: a name before `*`, and `**` last. The end of a
/// pattern comes first, as `Vec` orders it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    Name(Box<str>),
    One,
    Rest,
}

impl Pattern {
    /// What is accepted in a configuration.
    pub const ACCEPTED: &str = "accepted is a path of at most 16 segments, in which * is any one \
                                segment and a last ** any number of them, like chat/** or game/*/log";

    /// Parses a pattern.
    ///
    /// # Errors
    /// A sentence with what is accepted.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let texts: Vec<&str> = text.split('/').collect();
        let last = texts.len() - 1;
        if texts.len() > SEGMENTS_MAX {
            return Err(Self::ACCEPTED);
        }
        let segment = |(index, text): (usize, &&str)| match *text {
            "*" => Ok(Segment::One),
            "**" if index == last => Ok(Segment::Rest),
            name => match ChannelId::parse(name) {
                Ok(_) => Ok(Segment::Name(name.into())),
                Err(_) => Err(Self::ACCEPTED),
            },
        };
        texts
            .iter()
            .enumerate()
            .map(segment)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether it matches a path.
    #[must_use]
    pub fn matches(&self, path: &ChannelId) -> bool {
        self.compare(path) == Reach::Path
    }

    /// Whether it matches a path, or some path below it.
    fn compare(&self, path: &ChannelId) -> Reach {
        let mut pattern = self.0.iter();
        for segment in path.as_str().split('/') {
            match pattern.next() {
                Some(Segment::Name(name)) if **name == *segment => {}
                Some(Segment::One) => {}
                Some(Segment::Rest) => return Reach::Path,
                Some(Segment::Name(_)) | None => return Reach::Nothing,
            }
        }
        match pattern.next() {
            None | Some(Segment::Rest) => Reach::Path,
            Some(_) => Reach::Below,
        }
    }

    fn has_rest(&self) -> bool {
        self.0.last() == Some(&Segment::Rest)
    }
}

/// What a pattern matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    Nothing,
    /// Paths below, and not the path.
    Below,
    Path,
}

/// All entries, the most specific first.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Namespaces {
    entries: Vec<(Pattern, NamespaceSettings)>,
    /// Of a path that no entry matches.
    none: NamespaceSettings,
}

impl Namespaces {
    /// These entries.
    #[must_use]
    pub fn new(mut entries: Vec<(Pattern, NamespaceSettings)>) -> Self {
        entries.sort_by(|(a, _), (b, _)| a.cmp(b));
        Self {
            entries,
            none: NamespaceSettings::default(),
        }
    }

    /// Whether members are shown of any channel.
    #[must_use]
    pub fn any_shows_members(&self) -> bool {
        self.entries.iter().any(|(_, settings)| settings.members)
    }

    /// What holds for a path: the most specific entry. Of two patterns that match a
    /// path the one is more specific that has a name, or else `*`, in the first
    /// segment in which they differ.
    #[must_use]
    pub fn of(&self, path: &ChannelId) -> &NamespaceSettings {
        let mut entries = self.entries.iter();
        let found = entries.find(|(pattern, _)| pattern.matches(path));
        found.map_or(&self.none, |(_, settings)| settings)
    }
}

impl ChannelPermissions for Namespaces {
    fn allow(&self, user: &UserId, channel: &ChannelId, access: Access) -> bool {
        match access {
            Access::Publish => self.of(channel).publish.includes(user),
            Access::Join => self.of(channel).join.includes(user),
            // Who receives everything below a path has to have access to all of it.
            Access::JoinBelow => {
                for (pattern, settings) in &self.entries {
                    let reach = pattern.compare(channel);
                    if reach != Reach::Nothing && !settings.join.includes(user) {
                        return false;
                    }
                    if reach == Reach::Path && pattern.has_rest() {
                        // It holds for all the others below.
                        return true;
                    }
                }
                true
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
