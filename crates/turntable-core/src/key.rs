//! The names by which the parts of a server know each other.
//!
//! Each is a type of its own, so that a slot of one table cannot be used in
//! another. Slots carry a generation: a message that arrives late misses a slot
//! that was given to something else meanwhile.
//!
//! A session has two names inside the server. [`SessionKey`] says *which* session
//! it is; models know sessions by it alone. [`Place`] says *where* it is now;
//! actors keep it beside the key and replace it when the session is resumed
//! elsewhere. Neither is the secret that its client resumes with
//! ([`crate::id::SessionId`]).
//!
//! A key of one table is none of another:
//!
//! ```compile_fail,E0308
//! use turntable_core::key::{ConnKey, SessionSlot};
//!
//! fn close(_: ConnKey) {}
//! fn end(session: SessionSlot) {
//!     close(session)
//! }
//! ```

use std::fmt;

use serde::{Deserialize, Serialize};

/// A server process, within its cluster.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
pub struct NodeId(pub u16);

/// A worker thread of a node, counted from 0.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
pub struct WorkerId(pub u16);

impl WorkerId {
    /// Its position in a list of workers.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A key of a table whose places are used again: an index and which use of the
/// index is meant.
pub trait SlotKey: Copy + Eq {
    /// The key of this use of a place.
    fn new(index: u32, generation: u32) -> Self;
    /// The place.
    fn index(self) -> u32;
    /// Which use of the place.
    fn generation(self) -> u32;
}

/// Declares a slot key as a type of its own.
macro_rules! slot_key {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
        )]
        pub struct $name {
            index: u32,
            generation: u32,
        }

        impl SlotKey for $name {
            fn new(index: u32, generation: u32) -> Self {
                Self { index, generation }
            }

            fn index(self) -> u32 {
                self.index
            }

            fn generation(self) -> u32 {
                self.generation
            }
        }
    };
}

slot_key! {
    /// A connection at its gateway.
    ConnKey
}
slot_key! {
    /// A session at its gateway.
    SessionSlot
}

/// A watched user in a gateway's table, in 30 bits: half a user's memory is lists of
/// such numbers, and a change of presence has the user and its state in four bytes.
///
/// A list that holds numbers drops them when the last session stops watching the user.
/// The generation is what is left where one does not: of the numbers that a place was
/// given, one in 256 is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserNumber(u32);

impl UserNumber {
    /// How many bits a number has.
    pub const BITS: u32 = 30;
    /// How many users a table has at most.
    pub const PLACES: u32 = 1 << Self::INDEX_BITS;
    const INDEX_BITS: u32 = 22;

    /// The number as an integer below `1 << BITS`.
    #[must_use]
    pub const fn to_bits(self) -> u32 {
        self.0
    }

    /// The number that `to_bits` gave.
    #[must_use]
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits & ((1 << Self::BITS) - 1))
    }
}

impl SlotKey for UserNumber {
    fn new(index: u32, generation: u32) -> Self {
        Self::from_bits(generation << Self::INDEX_BITS | index & (Self::PLACES - 1))
    }

    fn index(self) -> u32 {
        self.0 & (Self::PLACES - 1)
    }

    fn generation(self) -> u32 {
        self.0 >> Self::INDEX_BITS
    }
}

/// The life of one worker's gateway: a node that starts again has another
/// `boot`, so what was said of its former life cannot be mistaken for news.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct GatewayId {
    /// The node.
    pub node: NodeId,
    /// Which life of the node.
    pub boot: u32,
    /// The worker.
    pub worker: WorkerId,
}

/// A slot of owners: the ids that one directory looks after.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
pub struct ShardId(pub u32);

/// How often the owners of a shard were lost. Senders of calls know it from
/// `OwnerLost`; each loss has a higher one.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
pub struct Generation(pub u64);

impl Generation {
    /// The one after this.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// Where a session is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// The gateway that has it.
    pub gateway: GatewayId,
    /// Its slot there.
    pub slot: SessionSlot,
}

/// Which session: the same for its whole life, wherever it is. It is no secret
/// and is never sent to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SessionKey(u64);

impl SessionKey {
    /// A new key of 64 random bits: among a million sessions two are the same with
    /// a probability of 3 * 10^-8. `None` if the system provides no randomness.
    #[must_use]
    pub fn random() -> Option<Self> {
        getrandom::u64().ok().map(Self)
    }

    /// The key of a number, for tests and for a value that was written down.
    #[must_use]
    pub const fn from_number(number: u64) -> Self {
        Self(number)
    }

    /// The number of the key.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// A session as the sender of a call: which it is, and where to answer it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Caller {
    /// Which session.
    pub key: SessionKey,
    /// Where it is.
    pub place: Place,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// A number is its place and the use of the place, in the bits that it promises.
        #[test]
        fn user_number_is_its_place_and_use(place in 0..UserNumber::PLACES, use_ in any::<u32>()) {
            let number = UserNumber::new(place, use_);
            prop_assert_eq!(number.index(), place);
            prop_assert_eq!(number.generation(), use_ % 256);
            prop_assert!(number.to_bits() < 1 << UserNumber::BITS);
            prop_assert_eq!(UserNumber::from_bits(number.to_bits()), number);
        }
    }
}
