//! What an owner stores at the gateway of each of its sessions, in case it is
//! lost.
//!
//! A lost owner is replaced, and every gateway announces to the replacement what
//! it knows: its sessions, whether they have a connection, whether they watch.
//! What only the owner decided (the status that counts, the team) it has sent to
//! the gateway before, as a backup, and gets back with the announcement.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::id::{ChannelId, UserId};
use crate::key::Caller;
use crate::packet::Status;
use crate::payload::Payload;

/// A user's attributes; a clone is a reference count.
pub type Attributes = Arc<[(Box<str>, Payload)]>;

/// What an avatar would lose: the user's own words.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct AvatarBackup {
    /// The status that counts for this session.
    pub status: Option<Status>,
    /// The note that came with a status of the user.
    pub note: Option<Payload>,
    /// The user's attributes.
    pub attributes: Attributes,
    /// Whether any session of the user hides its presence.
    pub is_hidden: bool,
}

impl AvatarBackup {
    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.status.is_none()
            && self.note.is_none()
            && self.attributes.is_empty()
            && !self.is_hidden
    }
}

/// What a room would lose: what is played and on which team.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomBackup {
    /// The name of the room's game.
    pub game: Box<str>,
    /// The member's team.
    pub team: Option<Box<str>>,
}

/// A backup on its way to a session's gateway. It replaces the one before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Backup {
    /// Of the user's avatar.
    Avatar(AvatarBackup),
    /// Of a room that the session is in.
    Room(ChannelId, RoomBackup),
}

/// The backups of one session, at its gateway.
#[derive(Debug, Default)]
pub struct Backups {
    avatar: AvatarBackup,
    rooms: Vec<(ChannelId, RoomBackup)>,
}

impl Backups {
    /// Stores a backup in place of the one before.
    pub fn store(&mut self, backup: Backup) {
        match backup {
            Backup::Avatar(backup) => self.avatar = backup,
            Backup::Room(room, backup) => {
                self.forget_room(&room);
                self.rooms.push((room, backup));
            }
        }
    }

    /// The session is not in the room any more.
    pub fn forget_room(&mut self, room: &ChannelId) {
        self.rooms.retain(|(known, _)| known != room);
    }

    /// That of the avatar.
    #[must_use]
    pub const fn avatar(&self) -> &AvatarBackup {
        &self.avatar
    }

    /// That of a room.
    #[must_use]
    pub fn room(&self, room: &ChannelId) -> Option<&RoomBackup> {
        let stored = self.rooms.iter().find(|(known, _)| known == room);
        stored.map(|(_, backup)| backup)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.avatar.is_empty() && self.rooms.is_empty()
    }
}

/// A session that its gateway announces to a new avatar.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AnnouncedSession {
    /// The session.
    pub caller: Caller,
    /// How long ago its connection was lost, in ms; `None` while it has one.
    pub dropped_ms: Option<u64>,
    /// Whether it sent nothing for `presence.idle_after_ms`.
    pub is_idle: bool,
    /// What the lost avatar had stored.
    pub backup: AvatarBackup,
}

/// A member's session that its gateway announces to a new room.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AnnouncedMember {
    /// The session.
    pub caller: Caller,
    /// The member.
    pub user: UserId,
    /// How long ago its connection was lost, in ms; `None` while it has one.
    pub dropped_ms: Option<u64>,
    /// What the lost room had stored.
    pub backup: RoomBackup,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_takes_the_place_of_the_one_before() {
        let mut backups = Backups::default();
        assert!(backups.is_empty());
        let (a, b) = (
            ChannelId::parse("a").unwrap(),
            ChannelId::parse("b").unwrap(),
        );
        let on = |team: &str| RoomBackup {
            game: "strike".into(),
            team: Some(team.into()),
        };
        backups.store(Backup::Room(a.clone(), on("red")));
        backups.store(Backup::Room(b.clone(), on("red")));
        backups.store(Backup::Room(a.clone(), on("blue")));
        assert_eq!(backups.room(&a), Some(&on("blue")));
        backups.forget_room(&a);
        assert_eq!(
            (backups.room(&a), backups.room(&b)),
            (None, Some(&on("red")))
        );
        backups.forget_room(&b);
        backups.store(Backup::Avatar(AvatarBackup {
            status: Some(Status::Busy),
            ..AvatarBackup::default()
        }));
        assert_eq!(backups.avatar().status, Some(Status::Busy));
        backups.store(Backup::Avatar(AvatarBackup::default()));
        assert!(backups.is_empty());
    }
}
