//! Who invited whom to a room, for as long as an answer is awaited.

use serde::{Deserialize, Serialize};

use crate::id::UserId;
use crate::limit::Limit;
use crate::model::remaining;
use crate::model::room::settings::RoomSettings;
use crate::packet::ErrorBody;
use crate::reason::ErrorCode;

/// The invites of a room that wait for an answer, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Invitations(Vec<Invitation>);

#[derive(Debug)]
struct Invitation {
    user: UserId,
    from: UserId,
    until_ms: u64,
}

/// An invite in a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct InvitationSnapshot {
    user: UserId,
    from: UserId,
    remaining_ms: u64,
}

impl Invitations {
    /// The invites as values.
    pub(super) fn save(&self, now_ms: u64) -> Vec<InvitationSnapshot> {
        let save = |invitation: &Invitation| InvitationSnapshot {
            user: invitation.user.clone(),
            from: invitation.from.clone(),
            remaining_ms: remaining::until(invitation.until_ms, now_ms),
        };
        self.0.iter().map(save).collect()
    }

    /// The invites of values.
    pub(super) fn restore(snapshot: Vec<InvitationSnapshot>, now_ms: u64) -> Self {
        let restore = |saved: InvitationSnapshot| Invitation {
            user: saved.user,
            from: saved.from,
            until_ms: remaining::from_now(saved.remaining_ms, now_ms),
        };
        Self(snapshot.into_iter().map(restore).collect())
    }

    /// Remembers that `from` invites `users`, none of them twice. An invite
    /// that is repeated is renewed.
    ///
    /// # Errors
    /// `too_many` where the room has no place for them; then nothing changes.
    pub(super) fn add(
        &mut self,
        from: &UserId,
        users: &[UserId],
        settings: &RoomSettings,
        now_ms: u64,
    ) -> Result<(), ErrorBody> {
        self.0.retain(|invitation| invitation.until_ms > now_ms);
        let renewed =
            |invitation: &Invitation| invitation.from == *from && users.contains(&invitation.user);
        let others = self.0.iter().filter(|invitation| !renewed(invitation));
        if others.count() + users.len() > settings.invites_waiting_max {
            return Err(ErrorBody::new(
                ErrorCode::TooMany,
                format!(
                    "at most {} invites of a room wait for an answer at one time",
                    settings.invites_waiting_max
                ),
            )
            .with("max", settings.invites_waiting_max as u64)
            .by(Limit::RoomInvitesWaiting));
        }
        self.0.retain(|invitation| !renewed(invitation));
        self.0.extend(users.iter().map(|user| Invitation {
            user: user.clone(),
            from: from.clone(),
            until_ms: now_ms.saturating_add(settings.invite_ttl_ms),
        }));
        Ok(())
    }

    /// Takes out the invites of `user`; those who sent them, the oldest first.
    pub(super) fn answer(&mut self, user: &UserId, now_ms: u64) -> Vec<UserId> {
        self.0
            .extract_if(.., |invitation| invitation.user == *user)
            .filter(|invitation| invitation.until_ms > now_ms)
            .map(|invitation| invitation.from)
            .collect()
    }
}
