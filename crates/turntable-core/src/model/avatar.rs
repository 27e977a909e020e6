//! An avatar: what the server knows of one user.
//!
//! Sessions (devices, tabs) merge to the one state that others see: `invisible`
//! hides all, else the most available wins (online, busy, idle). A dropped
//! session counts as it was until its grace is over, so a return in time is
//! never seen. The avatar also holds the user's attributes and the invites that
//! came while it was away.

mod extras;
mod profile;
mod snapshot;

use std::num::NonZeroU64;

use smallvec::SmallVec;

pub use extras::{AttributeChanges, StoredInvite, StoredInvites};
pub use profile::absent_profile;
pub use snapshot::AvatarSnapshot;

use extras::{Extras, NO_EXTRAS};

use crate::backup::{AnnouncedSession, AvatarBackup};
use crate::id::ChannelId;
use crate::key::SessionKey;
use crate::limit::Limit;
use crate::model::interest::Interest;
use crate::model::settings::PresenceSettings;
use crate::packet::{ErrorBody, LookupEntry, Presence, Status};
use crate::payload::Payload;
use crate::reason::ErrorCode;

/// One session of the user.
#[derive(Debug)]
struct Seat {
    session: SessionKey,
    /// When its grace ends; `None` while it is connected.
    grace_until_ms: Option<NonZeroU64>,
    /// What it said of itself; `None` leaves it to the server.
    status: Option<Status>,
    /// Whether it sent nothing for `presence.idle_after_ms`.
    idle: bool,
}

/// The state of one user.
#[derive(Debug, Default)]
pub struct Avatar {
    /// Most users have one session; a vector would take room for four.
    seats: SmallVec<[Seat; 1]>,
    shown: Presence,
    /// Whether a session hid the user when `shown` was last brought up to date.
    is_hidden: bool,
    last_seen_ms: Option<NonZeroU64>,
    /// Most users have nothing of it at most times.
    extras: Option<Box<Extras>>,
    /// The gateways with sessions that watch this user.
    pub watchers: Interest,
}

impl Avatar {
    /// One more session. Doubling would waste as much as a user's sessions take.
    fn take_seat(&mut self, seat: Seat) {
        if self.seats.len() == self.seats.capacity() {
            self.seats.reserve_exact(1);
        }
        self.seats.push(seat);
    }

    /// An avatar whose user was last there at `last_seen_ms`.
    #[must_use]
    pub fn new(last_seen_ms: Option<u64>) -> Self {
        Self {
            last_seen_ms: last_seen_ms.and_then(NonZeroU64::new),
            ..Self::default()
        }
    }

    /// A session identified as this user. Repeating it changes nothing.
    ///
    /// # Errors
    /// `too_many` over `sessions_max` sessions.
    pub fn attach(&mut self, session: SessionKey, sessions_max: usize) -> Result<(), ErrorBody> {
        if self.seat(session).is_some() {
            return Ok(());
        }
        if self.seats.len() >= sessions_max {
            return Err(ErrorBody::new(
                ErrorCode::TooMany,
                format!("at most {sessions_max} sessions of one user at one time"),
            )
            .with("max", sessions_max as u64)
            .by(Limit::SessionsPerUser));
        }
        self.take_seat(Seat {
            session,
            grace_until_ms: None,
            status: None,
            idle: false,
        });
        Ok(())
    }

    /// The session with the earliest end of grace among those that dropped:
    /// the one to give up where a new one finds no place.
    #[must_use]
    pub fn oldest_dropped(&self) -> Option<SessionKey> {
        self.seats
            .iter()
            .filter_map(|seat| Some((seat.grace_until_ms?, seat.session)))
            .min_by_key(|(until, _)| *until)
            .map(|(_, session)| session)
    }

    /// The session to end before `session` is one of at most `max`: one that dropped,
    /// else the one that began first.
    #[must_use]
    pub fn in_the_way(&self, session: SessionKey, max: usize) -> Option<SessionKey> {
        let mut others = self.sessions().filter(|other| *other != session);
        let first = others.next()?;
        let is_full = others.count() + 1 >= max;
        is_full.then(|| self.oldest_dropped().unwrap_or(first))
    }

    /// The session's connection dropped; it counts until `now_ms + grace_ms`.
    pub fn detach(&mut self, session: SessionKey, now_ms: u64, grace_ms: u64) {
        if let Some(seat) = self.seat(session) {
            // At 0 it would be over as well.
            seat.grace_until_ms = NonZeroU64::new(now_ms.saturating_add(grace_ms).max(1));
            self.note_seen(self.is_invisible(), now_ms);
        }
    }

    /// The user was seen last now. Others saw an invisible user last when it became
    /// invisible, if ever; `is_invisible`: whether one of its sessions is.
    fn note_seen(&mut self, is_invisible: bool, now_ms: u64) {
        let is_first = self.last_seen_ms.is_none() && !is_invisible;
        if self.shown != Presence::Offline || is_first {
            self.last_seen_ms = NonZeroU64::new(now_ms);
        }
    }

    /// Whether one of the sessions, be it dropped, hides the user.
    fn is_invisible(&self) -> bool {
        let mut seats = self.seats.iter();
        seats.any(|seat| seat.status == Some(Status::Invisible))
    }

    /// What the store has of the user's last presence.
    pub fn restore_last_seen(&mut self, at_ms: Option<u64>) {
        let stored = at_ms.and_then(NonZeroU64::new);
        self.last_seen_ms = self.last_seen_ms.max(stored);
    }

    /// The session is connected again.
    pub fn resume(&mut self, session: SessionKey) {
        if let Some(seat) = self.seat(session) {
            seat.grace_until_ms = None;
        }
    }

    /// The session ended.
    pub fn remove(&mut self, session: SessionKey, now_ms: u64) {
        let (before, is_invisible) = (self.seats.len(), self.is_invisible());
        self.seats.retain(|seat| seat.session != session);
        if self.seats.len() < before && !self.is_connected() {
            // Grace may have passed since: the drop is what was seen last.
            self.note_seen(is_invisible, now_ms);
        }
        if self.seats.is_empty()
            && let Some(extras) = &mut self.extras
        {
            extras.note = None;
        }
    }

    /// A session says how it is. `online` outside of games leaves the state to
    /// the server again (busy in games, idle); within one it is the user's word.
    ///
    /// # Errors
    /// `too_large` for a note over its bound.
    pub fn set_status(
        &mut self,
        session: SessionKey,
        status: Status,
        note: Option<Payload>,
        settings: &PresenceSettings,
    ) -> Result<(), ErrorBody> {
        let max = settings.note_bytes_max;
        if note.as_ref().is_some_and(|note| note.as_json().len() > max) {
            return Err(ErrorBody::new(
                ErrorCode::TooLarge,
                format!("a note is at most {max} bytes of JSON"),
            )
            .with("max", max as u64)
            .by(Limit::NoteBytes));
        }
        let playing = !self.extras().playing.is_empty();
        if let Some(seat) = self.seat(session) {
            seat.status = (status != Status::Online || playing).then_some(status);
        }
        self.is_hidden = self.is_invisible();
        if note.is_some() || self.extras.is_some() {
            self.extras_mut().note = note;
        }
        Ok(())
    }

    /// The session sent nothing for a while, or something again.
    pub fn set_idle(&mut self, session: SessionKey, idle: bool) {
        if let Some(seat) = self.seat(session) {
            seat.idle = idle;
        }
    }

    /// The user entered a game room, or left it. Returns whether a status of the
    /// user does not count any more.
    pub fn set_playing(&mut self, room: &ChannelId, playing: bool) -> bool {
        if !playing && !self.extras().playing.contains(room) {
            return false;
        }
        let rooms = &mut self.extras_mut().playing;
        rooms.retain(|known| known != room);
        if playing {
            rooms.push(room.clone());
        }
        let mut is_cleared = false;
        if rooms.is_empty() {
            for seat in &mut self.seats {
                if seat.status == Some(Status::Online) {
                    seat.status = None;
                    is_cleared = true;
                }
            }
        }
        is_cleared
    }

    /// What a session's gateway stores of it, for a replacement of this avatar.
    #[must_use]
    pub fn backup(&self, session: SessionKey) -> AvatarBackup {
        let seat = self.seats.iter().find(|seat| seat.session == session);
        AvatarBackup {
            status: seat.and_then(|seat| seat.status),
            note: self.extras().note.clone(),
            attributes: self.extras().attributes.clone().unwrap_or_default(),
            is_hidden: self.is_hidden,
        }
    }

    /// Whether any session of the user hides its presence.
    #[must_use]
    pub const fn is_hidden(&self) -> bool {
        self.is_hidden
    }

    /// A session that the avatar before this one had, with its backup. Repeating
    /// it changes nothing.
    pub fn announced(&mut self, session: AnnouncedSession, now_ms: u64, grace_ms: u64) {
        let AnnouncedSession {
            caller,
            dropped_ms,
            is_idle,
            backup,
        } = session;
        if self.seat(caller.key).is_some() {
            return;
        }
        let dropped_at_ms = dropped_ms.map(|ago_ms| now_ms.saturating_sub(ago_ms));
        self.take_seat(Seat {
            session: caller.key,
            grace_until_ms: dropped_at_ms
                .and_then(|at_ms| NonZeroU64::new(at_ms.saturating_add(grace_ms).max(1))),
            status: backup.status,
            idle: is_idle,
        });
        if !backup.is_hidden {
            let seen_ms = dropped_at_ms.and_then(NonZeroU64::new);
            self.last_seen_ms = self.last_seen_ms.max(seen_ms);
        }
        if backup.note.is_some() || !backup.attributes.is_empty() {
            let extras = self.extras_mut();
            extras.note = backup.note;
            extras.attributes = Some(backup.attributes);
        }
    }

    /// Brings what others see up to date. Returns it where it changed.
    pub fn refresh(&mut self, now_ms: u64, settings: &PresenceSettings) -> Option<Presence> {
        let merged = self.merged(now_ms, settings);
        self.is_hidden = self.hides(now_ms);
        if merged == Presence::Offline && self.shown != Presence::Offline && self.is_connected() {
            // Gone invisible: seen last when the others saw it last.
            self.last_seen_ms = NonZeroU64::new(now_ms);
        }
        (std::mem::replace(&mut self.shown, merged) != merged).then_some(merged)
    }

    fn hides(&self, now_ms: u64) -> bool {
        let here = |seat: &Seat| seat.grace_until_ms.is_none_or(|until| now_ms < until.get());
        let mut seats = self.seats.iter();
        seats.any(|seat| seat.status == Some(Status::Invisible) && here(seat))
    }

    fn merged(&self, now_ms: u64, settings: &PresenceSettings) -> Presence {
        let here = |seat: &&Seat| seat.grace_until_ms.is_none_or(|until| now_ms < until.get());
        let seats = || self.seats.iter().filter(here);
        if self.hides(now_ms) {
            return Presence::Offline;
        }
        let busy = settings.busy_in_game && !self.extras().playing.is_empty();
        seats()
            .map(|seat| match seat.status {
                Some(Status::Online) => Presence::Online,
                Some(Status::Busy) => Presence::Busy,
                Some(Status::Idle) => Presence::Idle,
                Some(Status::Invisible) => Presence::Offline,
                None if busy => Presence::Busy,
                None if seat.idle => Presence::Idle,
                None => Presence::Online,
            })
            .max()
            .unwrap_or_default()
    }

    /// What others see.
    #[must_use]
    pub fn shown(&self) -> Presence {
        self.shown
    }

    /// When the next grace ends, Unix ms.
    #[must_use]
    pub fn next_deadline_ms(&self, now_ms: u64) -> Option<u64> {
        self.seats
            .iter()
            .filter_map(|seat| seat.grace_until_ms.map(NonZeroU64::get))
            .filter(|until| *until > now_ms)
            .chain(self.extras().invites.iter().map(|invite| invite.until_ms))
            .min()
    }

    /// The user as a `lookup` tells it.
    #[must_use]
    pub fn entry(&self) -> LookupEntry {
        let visible = self.shown != Presence::Offline;
        LookupEntry {
            state: self.shown,
            last_seen_ms: if visible { None } else { self.last_seen_ms() },
            devices: if visible {
                self.connected().count() as u32
            } else {
                0
            },
            note: if visible {
                self.extras().note.clone()
            } else {
                None
            },
            profile: self.profile().to_vec(),
        }
    }

    /// The note that came with a status.
    #[must_use]
    pub fn note(&self) -> Option<&Payload> {
        self.extras().note.as_ref()
    }

    /// When the user was last there, Unix ms.
    #[must_use]
    pub fn last_seen_ms(&self) -> Option<u64> {
        self.last_seen_ms.map(NonZeroU64::get)
    }

    /// Forgets when the user was last there, its note, what others see of its attributes,
    /// and its invites.
    pub fn forget(&mut self) {
        self.last_seen_ms = None;
        if let Some(extras) = &mut self.extras {
            extras.note = None;
            extras.profile = None;
            extras.invites = StoredInvites::default();
        }
    }

    /// The sessions that have a connection.
    pub fn connected(&self) -> impl Iterator<Item = SessionKey> {
        self.seats
            .iter()
            .filter(|seat| seat.grace_until_ms.is_none())
            .map(|seat| seat.session)
    }

    /// Whether it has a session that is connected, or within its grace.
    #[must_use]
    pub fn is_here(&self, now_ms: u64) -> bool {
        let is_here = |seat: &Seat| seat.grace_until_ms.is_none_or(|until| now_ms < until.get());
        self.seats.iter().any(is_here)
    }

    fn is_connected(&self) -> bool {
        self.connected().next().is_some()
    }

    /// All sessions, dropped ones too.
    pub fn sessions(&self) -> impl Iterator<Item = SessionKey> {
        self.seats.iter().map(|seat| seat.session)
    }

    /// Whether it has no session and nothing that waits. Watchers of such a user
    /// need no avatar; its attributes are in the store.
    #[must_use]
    pub fn is_unused(&self) -> bool {
        self.seats.is_empty()
            && self.extras().invites.is_empty()
            && self.extras().playing.is_empty()
    }

    fn extras(&self) -> &Extras {
        self.extras.as_deref().unwrap_or(NO_EXTRAS)
    }

    fn extras_mut(&mut self) -> &mut Extras {
        self.extras.get_or_insert_default()
    }

    fn seat(&mut self, session: SessionKey) -> Option<&mut Seat> {
        self.seats.iter_mut().find(|seat| seat.session == session)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod hidden;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
