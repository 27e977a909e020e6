//! Namespaces of channels: the sections `[channels."PATTERN"]` of the configuration.
//!
//! A pattern matches paths segment by segment. The most specific entry that matches
//! a path holds for it, alone: keys that it omits have their defaults, not the
//! values of a less specific entry.

use std::fmt;

use serde::{Deserialize, Serialize};

pub use crate::model::audience::{Audience, Named};
pub use crate::model::pattern::Pattern;

use crate::id::ChannelId;
use crate::model::history::Retention;
use crate::model::pattern::Reach;
use crate::model::permission::Who;
use crate::rate::BucketSettings;

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

/// Decides who may join channels and publish on them, beside the roles of sessions
/// ([`Permissions`](crate::model::permission::Permissions)). Called for each such
/// command, before any owner is.
pub trait ChannelPermissions: fmt::Debug + Send + Sync {
    /// Whether `who` may do this with `channel`.
    fn allow(&self, who: Who<'_>, channel: &ChannelId, access: Access) -> bool;
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
}

impl NamespaceSettings {
    /// The range of each number in an entry.
    pub const RANGES: &[(&str, u64, u64)] = &[
        ("history_max", 0, 100_000),
        ("history_ms", 1_000, 604_800_000),
        ("history_bytes_max", 0, 67_108_864),
        ("last_value_ms", 0, 31_536_000_000),
    ];

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
        }
    }
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
    fn allow(&self, who: Who<'_>, channel: &ChannelId, access: Access) -> bool {
        match access {
            Access::Publish => self.of(channel).publish.includes(who),
            Access::Join => self.of(channel).join.includes(who),
            // Who receives everything below a path has to have access to all of it.
            Access::JoinBelow => {
                for (pattern, settings) in &self.entries {
                    let reach = pattern.compare(channel.segments());
                    if reach != Reach::Nothing && !settings.join.includes(who) {
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
mod tests {
    use super::*;
    use crate::id::UserId;

    fn path(text: &str) -> ChannelId {
        ChannelId::parse(text).unwrap()
    }

    fn entry(pattern: &str, history_max: usize) -> (Pattern, NamespaceSettings) {
        let settings = NamespaceSettings {
            history_max,
            ..NamespaceSettings::default()
        };
        (Pattern::parse(pattern).unwrap(), settings)
    }

    #[test]
    fn patterns_match_by_segments() {
        let matches =
            |pattern: &str, channel: &str| Pattern::parse(pattern).unwrap().matches(&path(channel));
        for (pattern, channel, expected) in [
            ("**", "a", true),
            ("**", "a/b/c", true),
            ("chat/**", "chat", true),
            ("chat/**", "chat/eu/1", true),
            ("chat/**", "chats", false),
            ("chat/**", "chats/eu", false),
            ("chat/*", "chat", false),
            ("chat/*", "chat/eu", true),
            ("chat/*", "chat/eu/1", false),
            ("*/log", "game/log", true),
            ("*/log", "game/logs", false),
            ("a/*/c/**", "a/b/c", true),
            ("a/*/c/**", "a/b/d", false),
            ("a", "a/b", false),
        ] {
            assert_eq!(matches(pattern, channel), expected, "{pattern} {channel}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        let long = vec!["a"; 17].join("/");
        for text in ["", "/a", "a/", "a//b", "**/a", "a*", "a b", &long] {
            assert!(Pattern::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_most_specific_entry_holds() {
        let namespaces = Namespaces::new(vec![
            entry("**", 1),
            entry("chat/**", 2),
            entry("chat/*", 3),
            entry("chat/eu", 4),
            entry("*/eu", 5),
            entry("*/eu/**", 6),
            entry("chat/*/log", 7),
        ]);
        for (channel, expected) in [
            ("news", 1),
            ("chat", 2),
            ("chat/us", 3),
            ("chat/eu", 4),
            ("game/eu", 5),
            ("game/eu/1", 6),
            ("chat/eu/1", 2),
            ("chat/eu/log", 7),
        ] {
            assert_eq!(
                namespaces.of(&path(channel)).history_max,
                expected,
                "{channel}"
            );
        }
        assert_eq!(Namespaces::default().of(&path("a")).history_max, 0);
    }

    #[test]
    fn audiences_are_words_or_lists_of_users_and_realms() {
        let read = |text: &str| serde_json::from_str::<Audience>(text);
        let [mel, staff] = ["1:1", "staff:9"].map(|id| UserId::parse(id).unwrap());
        for (text, has_mel, has_staff) in [
            (r#""everyone""#, true, true),
            (r#""nobody""#, false, false),
            (r#"["1:1"]"#, true, false),
            (r#"["staff:*","1:2"]"#, false, true),
            ("[]", false, false),
        ] {
            let audience = read(text).unwrap();
            assert_eq!(audience.includes(Who::of(&mel)), has_mel, "{text}");
            assert_eq!(audience.includes(Who::of(&staff)), has_staff, "{text}");
            assert_eq!(serde_json::to_string(&audience).unwrap(), text);
        }
        for text in [r#""all""#, r#"["*"]"#, r#"["1:"]"#, "1", r#"[":*"]"#] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_join_with_subpaths_needs_access_to_all_of_them() {
        let with_join = |pattern: &str, join| {
            let (pattern, settings) = entry(pattern, 0);
            (pattern, NamespaceSettings { join, ..settings })
        };
        let namespaces = Namespaces::new(vec![
            with_join("**", Audience::Everyone),
            with_join("a/secret/**", Audience::Nobody),
            with_join("a/secret/open/**", Audience::Everyone),
            with_join("b/*/log", Audience::Nobody),
        ]);
        let mel = UserId::parse("1:1").unwrap();
        let may = |channel: &str, access| namespaces.allow(Who::of(&mel), &path(channel), access);
        for (channel, join, below) in [
            ("a", true, false),
            ("a/secret", false, false),
            ("a/secret/open", true, true),
            ("a/other", true, true),
            ("b", true, false),
            ("b/1", true, false),
            ("b/1/log", false, false),
            ("b/1/log/2", true, true),
            ("c", true, true),
        ] {
            assert_eq!(may(channel, Access::Join), join, "{channel}");
            assert_eq!(may(channel, Access::JoinBelow), below, "{channel}");
            assert!(may(channel, Access::Publish));
        }
    }
}
