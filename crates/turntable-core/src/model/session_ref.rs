//! Where a session lives, as actors name it.
//!
//! Actors hold no addresses of sessions: they say "slot 7 of worker 1", and the
//! gateway of that worker finds the session. The generation makes a message
//! that comes late miss a slot that was given to somebody else meanwhile.

/// One session's place. A session keeps it for its whole life, over all its
/// connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionRef {
    /// The worker whose gateway holds the session.
    pub worker: u16,
    /// Its slot there.
    pub slot: u32,
    /// Which use of the slot it is.
    pub generation: u32,
}
