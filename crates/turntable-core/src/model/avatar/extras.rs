//! What comes and goes with an avatar: invites that wait, attributes, a note, the
//! rooms in which the user plays.

use std::collections::BTreeMap;

use super::Avatar;
use crate::backup::Attributes;
use crate::id::{ChannelId, UserId};
use crate::limit::Limit;
use crate::packet::ErrorBody;
use crate::payload::Payload;
use crate::reason::ErrorCode;

/// An invite that waits for the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredInvite {
    /// The room.
    pub channel: ChannelId,
    /// Who invites.
    pub from: UserId,
    /// When it is void, Unix ms.
    pub until_ms: u64,
}

/// Invites that wait for a user, the oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredInvites(Vec<StoredInvite>);

impl StoredInvites {
    /// Adds one, in the place of one to the same room; the oldest goes first over `max`.
    pub fn add(&mut self, invite: StoredInvite, max: usize) {
        self.remove(&invite.channel);
        if max == 0 {
            return;
        }
        if self.0.len() >= max {
            self.0.remove(0);
        }
        // Most users have one.
        self.0.reserve_exact(1);
        self.0.push(invite);
    }

    /// The invite to `channel` is answered or void.
    pub fn remove(&mut self, channel: &ChannelId) {
        self.0.retain(|known| known.channel != *channel);
    }

    /// Forgets those that are void.
    pub fn expire(&mut self, now_ms: u64) {
        self.0.retain(|invite| now_ms < invite.until_ms);
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &StoredInvite> {
        self.0.iter()
    }
}

impl FromIterator<StoredInvite> for StoredInvites {
    fn from_iter<I: IntoIterator<Item = StoredInvite>>(invites: I) -> Self {
        Self(invites.into_iter().collect())
    }
}

/// A change of attributes: name and new value, `None` removes.
pub type AttributeChanges = Vec<(Box<str>, Option<Payload>)>;

/// What comes and goes with an avatar.
#[derive(Debug, Default)]
pub(super) struct Extras {
    /// Rooms that the user plays in.
    pub(super) playing: Vec<ChannelId>,
    pub(super) note: Option<Payload>,
    /// Shared with the backups of them.
    pub(super) attributes: Option<Attributes>,
    /// The public ones of them, as others see them.
    pub(super) profile: Option<Attributes>,
    pub(super) invites: StoredInvites,
}

/// The extras of an avatar that has none.
pub(super) const NO_EXTRAS: &Extras = &Extras {
    playing: Vec::new(),
    note: None,
    attributes: None,
    profile: None,
    invites: StoredInvites(Vec::new()),
};

impl Avatar {
    /// Stores an invite for later; the oldest goes first over `stored_max`.
    pub fn store_invite(&mut self, invite: StoredInvite, stored_max: usize) {
        self.extras_mut().invites.add(invite, stored_max);
    }

    /// The avatar begins with these invites.
    pub fn put_invites(&mut self, invites: StoredInvites) {
        if !invites.is_empty() {
            self.extras_mut().invites = invites;
        }
    }

    /// The invite to `channel` is answered or void.
    pub fn drop_invite(&mut self, channel: &ChannelId) {
        if let Some(extras) = &mut self.extras {
            extras.invites.remove(channel);
        }
    }

    /// Takes the invites that are still good.
    pub fn take_invites(&mut self, now_ms: u64) -> Vec<StoredInvite> {
        self.expire_invites(now_ms);
        match &mut self.extras {
            Some(extras) => std::mem::take(&mut extras.invites).0,
            None => Vec::new(),
        }
    }

    /// Forgets the invites that are void.
    pub fn expire_invites(&mut self, now_ms: u64) {
        if let Some(extras) = &mut self.extras {
            extras.invites.expire(now_ms);
        }
    }

    /// All attributes.
    #[must_use]
    pub fn attributes(&self) -> &[(Box<str>, Payload)] {
        self.extras().attributes.as_deref().unwrap_or_default()
    }

    /// All attributes, shared.
    #[must_use]
    pub fn shared_attributes(&self) -> Attributes {
        self.extras().attributes.clone().unwrap_or_default()
    }

    /// Replaces all attributes.
    pub fn put_attributes(&mut self, attributes: Attributes) {
        if self.extras.is_some() || !attributes.is_empty() {
            self.extras_mut().attributes = (!attributes.is_empty()).then_some(attributes);
        }
    }

    /// Sets and removes attributes, all or none. Returns those that changed.
    ///
    /// # Errors
    /// `too_large` where they would be over `bytes_max` of JSON together.
    pub fn set_attributes(
        &mut self,
        changes: AttributeChanges,
        bytes_max: usize,
    ) -> Result<AttributeChanges, ErrorBody> {
        let (changed, attributes) = self.with_changes(changes, bytes_max)?;
        if !changed.is_empty() {
            self.put_attributes(attributes);
        }
        Ok(changed)
    }

    /// What would change, and all attributes after it.
    ///
    /// # Errors
    /// `too_large` where they would be over `bytes_max` of JSON together.
    pub fn with_changes(
        &self,
        changes: AttributeChanges,
        bytes_max: usize,
    ) -> Result<(AttributeChanges, Attributes), ErrorBody> {
        // Looked up by name: a client chooses how many there are.
        let before = self.attributes().iter().cloned();
        let mut next: BTreeMap<Box<str>, Payload> = before.collect();
        let mut changed = Vec::new();
        for (name, value) in changes {
            if next.get(&name) == value.as_ref() {
                continue;
            }
            match &value {
                Some(value) => next.insert(name.clone(), value.clone()),
                None => next.remove(&name),
            };
            changed.push((name, value));
        }
        if changed.is_empty() {
            return Ok((changed, self.shared_attributes()));
        }
        let length = |name: &str, value: &Payload| name.len() + value.as_json().len();
        let bytes: usize = next.iter().map(|(name, value)| length(name, value)).sum();
        let before = self.attributes().iter();
        let before = before.map(|(name, value)| length(name, value));
        // The limit may have been lowered: what makes them fewer is accepted.
        if bytes > bytes_max && bytes >= before.sum() {
            return Err(ErrorBody::new(
                ErrorCode::TooLarge,
                format!("all attributes together are at most {bytes_max} bytes of JSON"),
            )
            .with("max", bytes_max as u64)
            .by(Limit::AttributesBytes));
        }
        Ok((changed, next.into_iter().collect()))
    }
}
