//! Ids of users, channels, sessions and messages, and the slot of an id.
//!
//! Each is a newtype, validated where it enters (section 1 of the protocol), so
//! that no other code checks the form of an id. Users and channels are shared
//! strings: a clone increments a reference count.

mod session;

use std::fmt;
use std::sync::Arc;

pub use session::SessionId;

/// Why a text is not an id. The message is a sentence that describes the accepted
/// form; it never contains the rejected text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct IdError(pub &'static str);

/// A user, `realm:name` (seed 003's `1:12345`).
///
/// ```
/// use turntable_core::id::UserId;
/// let user = UserId::parse("1:12345").unwrap();
/// assert_eq!((user.realm(), user.name()), ("1", "12345"));
/// assert!(UserId::parse("12345").is_err());
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserId(Arc<str>);

const REALM_BYTES_MAX: usize = 32;
const NAME_BYTES_MAX: usize = 128;

impl UserId {
    /// Validates `text`.
    ///
    /// # Errors
    /// [`IdError`] if the text does not have the form of section 1.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let (realm, name) = text.split_once(':').ok_or(IdError(
            "a user id is realm:name, like 1:12345; the colon is missing",
        ))?;
        if !is_realm(realm) {
            return Err(IdError(
                "the realm of a user id is 1 to 32 characters of A-Z, a-z, 0-9, _ and -",
            ));
        }
        if name.is_empty() || name.len() > NAME_BYTES_MAX || !is_plain_text(name) {
            return Err(IdError(
                "the name of a user id is 1 to 128 bytes of UTF-8 without control characters or blanks",
            ));
        }
        Ok(Self(text.into()))
    }

    /// The whole id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part before the first colon.
    #[must_use]
    pub fn realm(&self) -> &str {
        self.0.split_once(':').map_or("", |(realm, _)| realm)
    }

    /// The part after the first colon.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.split_once(':').map_or("", |(_, name)| name)
    }
}

/// Whether `text` is a valid realm of a user id.
#[must_use]
pub fn is_realm(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= REALM_BYTES_MAX
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

fn is_plain(c: char) -> bool {
    !c.is_control() && !c.is_whitespace()
}

/// The same of a whole text; most are ASCII.
fn is_plain_text(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic()) || text.chars().all(is_plain)
}

/// A channel path or a game room's id: segments joined by `/`.
///
/// ```
/// use turntable_core::id::ChannelId;
/// let path = ChannelId::parse("/chat/lobby/eu").unwrap();
/// assert_eq!(path.as_str(), "chat/lobby/eu");
/// let above: Vec<&str> = path.ancestors().collect();
/// assert_eq!(above, ["chat/lobby", "chat"]);
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelId(Arc<str>);

const CHANNEL_BYTES_MAX: usize = 255;
const SEGMENT_BYTES_MAX: usize = 64;
const SEGMENTS_MAX: usize = 16;

impl ChannelId {
    /// Validates `text`; one leading `/` is removed.
    ///
    /// # Errors
    /// [`IdError`] if the text does not have the form of section 1.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let text = text.strip_prefix('/').unwrap_or(text);
        if text.len() > CHANNEL_BYTES_MAX {
            return Err(IdError("a channel is at most 255 bytes long"));
        }
        let mut segments = 0;
        for segment in text.split('/') {
            segments += 1;
            if segment.is_empty() || segment.len() > SEGMENT_BYTES_MAX {
                return Err(IdError(
                    "each segment of a channel is 1 to 64 bytes long; segments are joined by /",
                ));
            }
            if !segment.chars().all(|c| is_plain(c) && c != '*' && c != '>') {
                return Err(IdError(
                    "a channel must not contain control characters, blanks, * or >",
                ));
            }
        }
        if segments > SEGMENTS_MAX {
            return Err(IdError("a channel has at most 16 segments"));
        }
        Ok(Self(text.into()))
    }

    /// The complete path, without a leading `/`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The segments of the path.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// The parent paths, the nearest first.
    pub fn ancestors(&self) -> impl Iterator<Item = &str> {
        let mut rest: &str = &self.0;
        std::iter::from_fn(move || {
            let (above, _) = rest.rsplit_once('/')?;
            rest = above;
            Some(above)
        })
    }
}

macro_rules! text_id {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }
        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}
text_id!(UserId);
text_id!(ChannelId);

/// The id of a message: unique in the cluster. Several generators make ids for one
/// stream, so its order is that of its offsets, not of its ids.
pub type MessageId = ulid::Ulid;

/// The slot of an object among `slots` (seed 003: `Abs(Crc32(Id)) % K`).
///
/// The CRC is CRC-32/ISO-HDLC over the id's UTF-8 bytes, interpreted as a signed
/// number because of `Abs`. `None` if `slots` is 0.
///
/// ```
/// use turntable_core::id::shard;
/// assert_eq!(shard("1:789", 7), Some(5));
/// assert_eq!(shard("1:789", 0), None);
/// ```
#[must_use]
pub fn shard(id: &str, slots: u32) -> Option<u32> {
    (crc32fast::hash(id.as_bytes()) as i32)
        .unsigned_abs()
        .checked_rem(slots)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn shard_follows_the_vectors_of_the_protocol() {
        let vectors = [
            ("1:12345", [0, 2, 2, 1, 2]),
            ("1:2345", [1, 0, 3, 0, 3]),
            ("1:3456", [0, 2, 0, 1, 3]),
            ("CStrike", [1, 1, 3, 4, 3]),
            ("1:789", [0, 2, 0, 1, 5]),
            ("2:1", [1, 1, 1, 3, 1]),
        ];
        for (id, slots) in vectors {
            for (k, slot) in [2, 3, 4, 5, 7].into_iter().zip(slots) {
                assert_eq!(shard(id, k), Some(slot), "{id} of {k}");
            }
        }
        assert_eq!(crc32fast::hash(b"1:789"), 0xac4b_b908);
        assert_eq!(crc32fast::hash(b"2:1"), 0xacd9_36af);
    }

    #[test]
    fn user_ids_split_at_the_first_colon() {
        let user = UserId::parse("fb:a:b").unwrap();
        assert_eq!((user.realm(), user.name()), ("fb", "a:b"));
        for wrong in ["", ":", "1:", ":1", "a b:1", "1:a b", "1:a\n", "ü:1", "1"] {
            assert!(UserId::parse(wrong).is_err(), "{wrong:?}");
        }
        assert!(UserId::parse(&format!("{}:x", "r".repeat(32))).is_ok());
        assert!(UserId::parse(&format!("{}:x", "r".repeat(33))).is_err());
        assert!(UserId::parse(&format!("r:{}", "x".repeat(128))).is_ok());
        assert!(UserId::parse(&format!("r:{}", "x".repeat(129))).is_err());
    }

    #[test]
    fn channels_are_paths_within_bounds() {
        assert_eq!(ChannelId::parse("/a/b").unwrap().as_str(), "a/b");
        for wrong in ["", "/", "//a", "a/", "a//b", "a b", "a/*", ">", "a\0"] {
            assert!(ChannelId::parse(wrong).is_err(), "{wrong:?}");
        }
        assert!(ChannelId::parse(&["a"; 16].join("/")).is_ok());
        assert!(ChannelId::parse(&["a"; 17].join("/")).is_err());
        assert!(ChannelId::parse(&"x".repeat(65)).is_err());
        assert!(ChannelId::parse(&vec!["x".repeat(63); 4].join("/")).is_ok());
        assert!(ChannelId::parse(&vec!["x".repeat(64); 4].join("/")).is_err());
    }
}
