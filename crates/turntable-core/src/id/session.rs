//! The id of a session, the secret that its client resumes with.
//!
//! ```text
//! AbCdEfGhIjKlMnOpQrStUg        128 random bits, URL-safe base64
//! AbCdEfGhIjKlMnOpQrStUg.42     in a cluster: and the node that has the session
//! ```
//!
//! The node is where to look first, and not part of the secret. A session that has
//! moved is still found by the id that its client has, so two ids are equal if
//! their bits are.

use std::fmt;
use std::hash::{Hash, Hasher};

use super::IdError;
use crate::key::NodeId;

/// The id of a session. It is a bearer secret, so `Debug` and
/// [`SessionId::public`] show only a 32-bit checksum of it.
///
/// ```
/// use turntable_core::id::SessionId;
/// use turntable_core::key::NodeId;
/// let session = SessionId::from_bits([7; 16]).at(NodeId(42));
/// assert!(session.secret().ends_with(".42"));
/// assert_eq!(SessionId::parse(&session.secret()), Ok(session));
/// ```
#[derive(Clone, Copy)]
pub struct SessionId {
    bits: [u8; 16],
    node: Option<NodeId>,
}

const BASE64_URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// Characters of the bits.
const CHARACTERS: usize = 22;
const WRONG: IdError = IdError(
    "a session is 22 characters of URL-safe base64, perhaps with a dot and a node behind them",
);

impl SessionId {
    /// The longest id, in characters: the bits, a dot, and the node.
    pub const CHARACTERS_MAX: usize = CHARACTERS + 1 + 5;

    /// The id made of these 128 bits.
    #[must_use]
    pub const fn from_bits(bits: [u8; 16]) -> Self {
        Self { bits, node: None }
    }

    /// An unpredictable id; `None` if the system provides no randomness.
    #[must_use]
    pub fn random() -> Option<Self> {
        let mut bits = [0; 16];
        getrandom::fill(&mut bits).ok()?;
        Some(Self::from_bits(bits))
    }

    /// The same session, at a node of a cluster.
    #[must_use]
    pub const fn at(self, node: NodeId) -> Self {
        Self {
            node: Some(node),
            ..self
        }
    }

    /// The node that had the session when the id was written.
    #[must_use]
    pub const fn node(&self) -> Option<NodeId> {
        self.node
    }

    /// The random part, which is the secret: to find a session by, never to be shown.
    #[must_use]
    pub const fn bits(&self) -> [u8; 16] {
        self.bits
    }

    /// Reads an id.
    ///
    /// # Errors
    /// [`IdError`] where the text cannot be a session.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let (bits, node) = match text.split_once('.') {
            Some((bits, node)) => (bits, Some(parse_node(node)?)),
            None => (text, None),
        };
        let bits = parse_bits(bits)?;
        Ok(Self { bits, node })
    }

    /// The text that the session's client gets, and nobody else.
    #[must_use]
    pub fn secret(&self) -> String {
        let bits = u128::from_be_bytes(self.bits);
        let character = |value: u128| {
            BASE64_URL
                .get((value & 0x3f) as usize)
                .copied()
                .map_or('A', char::from)
        };
        let mut text: String = (0..CHARACTERS - 1)
            .map(|index| character(bits >> (122 - 6 * index)))
            .collect();
        text.push(character(bits << 4));
        if let Some(NodeId(node)) = self.node {
            text.push('.');
            text.push_str(&node.to_string());
        }
        text
    }

    /// A short name for logs and the management page.
    #[must_use]
    pub fn public(&self) -> String {
        format!("{:08x}", crc32fast::hash(&self.bits))
    }
}

fn parse_bits(text: &str) -> Result<[u8; 16], IdError> {
    if text.len() != CHARACTERS {
        return Err(WRONG);
    }
    let mut bits: u128 = 0;
    let mut spare = 0;
    for (index, byte) in text.bytes().enumerate() {
        let value = BASE64_URL.iter().position(|&c| c == byte).ok_or(WRONG)? as u128;
        if index + 1 == CHARACTERS {
            // 22 * 6 = 132: the last character carries two bits of the id.
            spare = value & 0xf;
            bits = (bits << 2) | (value >> 4);
        } else {
            bits = (bits << 6) | value;
        }
    }
    // One spelling for one secret.
    if spare != 0 {
        return Err(WRONG);
    }
    Ok(bits.to_be_bytes())
}

/// A decimal number without zeros in front.
fn parse_node(text: &str) -> Result<NodeId, IdError> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    let is_short = text.len() == 1 || !text.starts_with('0');
    match text.parse() {
        Ok(node) if is_number && is_short => Ok(NodeId(node)),
        _ => Err(WRONG),
    }
}

/// By the bits alone.
impl PartialEq for SessionId {
    fn eq(&self, other: &Self) -> bool {
        self.bits == other.bits
    }
}

impl Eq for SessionId {}

impl Hash for SessionId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bits.hash(state);
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "session {}", self.public())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_written_and_read_back() {
        for seed in 0..=255u8 {
            let mut bits = [seed; 16];
            bits[3] = seed.wrapping_mul(37);
            bits[15] = seed.wrapping_add(91);
            let session = SessionId::from_bits(bits);
            let text = session.secret();
            assert_eq!(text.len(), 22);
            assert_eq!(SessionId::parse(&text), Ok(session));
            assert!(!format!("{session:?}").contains(&text));
        }
        assert!(SessionId::parse("short").is_err());
        assert!(
            SessionId::parse(&"B".repeat(22)).is_err(),
            "a second spelling"
        );
    }

    #[test]
    fn a_session_may_name_its_node() {
        let session = SessionId::from_bits([7; 16]);
        assert_eq!(session.node(), None);
        for node in [0, 1, 42, u16::MAX] {
            let there = session.at(NodeId(node));
            let text = there.secret();
            assert_eq!(text, format!("{}.{node}", session.secret()));
            let read = SessionId::parse(&text).unwrap();
            assert_eq!(read.node(), Some(NodeId(node)));
            // It is the same session, and the same in the log.
            assert_eq!(read, session);
            assert_eq!(read.public(), session.public());
            assert!(text.len() <= SessionId::CHARACTERS_MAX);
        }
        assert_eq!(
            session.at(NodeId(u16::MAX)).secret().len(),
            SessionId::CHARACTERS_MAX
        );
        const { assert!(SessionId::CHARACTERS_MAX <= 64, "the protocol's bound") };
        let bits = session.secret();
        for tail in [
            ".", ".x", ".01", ".65536", ".+1", ".-1", ".1.2", ".1 ", "x.1", "..1",
        ] {
            assert!(
                SessionId::parse(&format!("{bits}{tail}")).is_err(),
                "{tail}"
            );
        }
        assert!(SessionId::parse(".1").is_err());
    }
}
