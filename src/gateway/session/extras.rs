//! What most sessions have nothing of: one word in each, and a piece of memory of its own
//! in those that have.

use thin_vec::ThinVec;

use crate::gateway::inspection::past::Notes;
use crate::gateway::service::Providing;
use crate::gateway::session::behind::Behind;
use crate::gateway::subscription::sight::Sight;

/// What a session may have beside what each has.
#[derive(Debug, Default)]
pub(crate) struct Extras {
    /// The generations of its place before the present one, but for that of its slot: the
    /// last ones.
    pub(crate) former: ThinVec<u32>,
    /// When the end of its credentials is looked at, Unix ms; 0 where no timer is set.
    pub(crate) expiry_timer_ms: u64,
    /// What its client provides.
    pub(crate) providing: Option<Box<Providing>>,
    /// What it does not see; nothing while everyone may watch everyone.
    pub(crate) sight: Option<Box<Sight>>,
    /// What it is remembered by once something went wrong.
    pub(crate) notes: Option<Box<Notes>>,
    /// How it reads its channels, while it is behind.
    pub(super) behind: Option<Box<Behind>>,
}

impl Extras {
    /// Whether there are none.
    pub(crate) fn are_empty(&self) -> bool {
        let Self {
            former,
            expiry_timer_ms,
            providing,
            sight,
            notes,
            behind,
        } = self;
        former.is_empty()
            && *expiry_timer_ms == 0
            && providing.is_none()
            && sight.is_none()
            && notes.is_none()
            && behind.is_none()
    }
}
