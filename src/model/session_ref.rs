//! Where a session is reached: the worker that holds it, its slot there, and
//! the slot's generation, so that a late message cannot reach whoever took the
//! slot over.

/// The address of a session. It is no secret and says nothing to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionRef {
    /// The worker whose gateway holds the session.
    pub worker: u16,
    /// The slot in that gateway's table.
    pub slot: u32,
    /// How many sessions had the slot before.
    pub generation: u32,
}
