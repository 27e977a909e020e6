//! Patterns of paths: of channels, of the functions of services, of attributes and of
//! games. They are compared segment by segment, never as text.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::id::ChannelId;

/// The maximum number of segments of a path.
const SEGMENTS_MAX: usize = 16;

/// A pattern of paths: segments, `*` for any one segment, and `**` at the end for any
/// number of them, also none.
///
/// ```
/// use turntable_core::id::ChannelId;
/// use turntable_core::model::pattern::Pattern;
///
/// let pattern = Pattern::parse("chat/**")?;
/// let matches = |path: &str| ChannelId::parse(path).is_ok_and(|path| pattern.matches(&path));
/// assert!(matches("chat") && matches("chat/eu"));
/// assert!(!matches("chats"));
/// # Ok::<(), &'static str>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern(Vec<Segment>);

/// The order is that of specificity: a name before `*`, and `**` last. The end of a
/// pattern comes first, as `Vec` orders it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Segment {
    Name(Box<str>),
    One,
    Rest,
}

/// What a pattern matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    Nothing,
    /// Paths below, and not the path.
    Below,
    Path,
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

    /// Parses a pattern of functions: `SERVICE:FUNCTION`, or `SERVICE` for all that it
    /// has. Its paths are `SERVICE/FUNCTION`.
    ///
    /// # Errors
    /// A sentence with what is accepted.
    pub fn of_functions(text: &str) -> Result<Self, &'static str> {
        let mut pattern = Self::parse(&text.replacen(':', "/", 1))?;
        if pattern.0.len() == 1 && !pattern.has_rest() {
            pattern.0.push(Segment::Rest);
        }
        Ok(pattern)
    }

    /// Whether it matches a path.
    #[must_use]
    pub fn matches(&self, path: &ChannelId) -> bool {
        self.covers(path.segments())
    }

    /// Whether it matches a path of these segments.
    pub(crate) fn covers<'a>(&self, path: impl Iterator<Item = &'a str>) -> bool {
        self.compare(path) == Reach::Path
    }

    /// Whether it matches a path and all paths below it.
    pub(crate) fn covers_below(&self, path: &ChannelId) -> bool {
        self.has_rest() && self.covers(path.segments())
    }

    /// Whether it matches some path that begins with this segment and has another one.
    pub(crate) fn reaches(&self, first: &str) -> bool {
        match self.0.as_slice() {
            [Segment::Name(name), _, ..] => **name == *first,
            [Segment::One, _, ..] | [Segment::Rest] => true,
            _ => false,
        }
    }

    /// Whether it matches every path.
    pub(crate) fn is_everything(&self) -> bool {
        matches!(self.0.as_slice(), [Segment::Rest])
    }

    /// Whether it matches a path of these segments, or some path below it.
    pub(crate) fn compare<'a>(&self, path: impl Iterator<Item = &'a str>) -> Reach {
        let mut pattern = self.0.iter();
        for segment in path {
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

    /// Whether it ends with `**`.
    pub(crate) fn has_rest(&self) -> bool {
        self.0.last() == Some(&Segment::Rest)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, segment) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("/")?;
            }
            f.write_str(match segment {
                Segment::Name(name) => name,
                Segment::One => "*",
                Segment::Rest => "**",
            })?;
        }
        Ok(())
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let refuse = |accepted| D::Error::custom(format!("{text:?} is not a pattern; {accepted}"));
        Self::parse(&text).map_err(refuse)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn service_without_function_means_all_of_its_functions() {
        let covers = |pattern: &str, service: &str, function: &str| {
            let pattern = Pattern::of_functions(pattern).unwrap();
            pattern.covers([service, function].into_iter())
        };
        for (pattern, service, function, expected) in [
            ("forum", "forum", "createPost", true),
            ("forum", "forums", "createPost", false),
            ("forum:*", "forum", "createPost", true),
            ("forum:createPost", "forum", "createPost", true),
            ("forum:createPost", "forum", "createPosts", false),
            ("*:list", "chat", "list", true),
            ("*", "chat", "list", true),
            ("**", "chat", "list", true),
        ] {
            let found = covers(pattern, service, function);
            assert_eq!(found, expected, "{pattern} {service}:{function}");
        }
        assert!(Pattern::of_functions("forum:").is_err());
        assert!(Pattern::of_functions("").is_err());
    }

    /// Whether a pattern matches, by what the words say.
    fn is_match(pattern: &[&str], path: &[&str]) -> bool {
        match (pattern, path) {
            (["**"], _) | ([], []) => true,
            (["*", pattern @ ..], [_, path @ ..]) => is_match(pattern, path),
            ([name, pattern @ ..], [segment, path @ ..]) => {
                name == segment && is_match(pattern, path)
            }
            _ => false,
        }
    }

    proptest! {
        /// Comparing segment by segment is what the words say, and a text is read as it
        /// was written.
        #[test]
        fn patterns_match_as_they_are_described(
            names in prop::collection::vec(0..3usize, 0..5),
            has_rest in any::<bool>(),
            path in prop::collection::vec(0..2usize, 0..5),
        ) {
            let mut pattern: Vec<&str> = names.iter().map(|name| ["a", "aa", "*"][*name]).collect();
            if has_rest || pattern.is_empty() {
                pattern.push("**");
            }
            let path: Vec<&str> = path.iter().map(|name| ["a", "aa"][*name]).collect();
            let parsed = Pattern::parse(&pattern.join("/")).unwrap();
            prop_assert_eq!(parsed.covers(path.iter().copied()), is_match(&pattern, &path));
            prop_assert_eq!(parsed.to_string(), pattern.join("/"));
        }
    }
}
