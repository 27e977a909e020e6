//! Sessions at their gateway: the pure session and what its delivery needs.

pub(crate) mod authenticate;
pub(crate) mod behind;
mod blocked;
pub(crate) mod check;
pub(crate) mod command_queue;
mod deadlines;
pub(crate) mod detached;
pub(crate) mod dispatch;
pub mod ended;
pub mod ending;
pub mod export;
pub(crate) mod extras;
#[cfg(debug_assertions)]
mod fault;
pub(crate) mod identify;
mod lag;
pub(crate) mod life;
pub mod listing;
pub mod memory;
pub(crate) mod pending;
pub(crate) mod permission;
pub(crate) mod serve;
pub(crate) mod share;
pub(crate) mod table;
mod welcome;

use crate::gateway::admission::{AddressShare, DetachedPermit};
use crate::gateway::connection::Connection;
use crate::gateway::delivery::encoding::Encodings;
use crate::gateway::delivery::frame::Frame;
use crate::gateway::inspection::past::Notes;
use crate::gateway::service::Providing;
use crate::gateway::session::behind::Behind;
use crate::gateway::session::command_queue::CommandQueue;
use crate::gateway::session::extras::Extras;
use crate::gateway::session::memory::TransportMemory;
use crate::gateway::subscription::profile::ProfileChange;
use thin_vec::ThinVec;
use turntable_core::backup::Backups;
use turntable_core::key::{ConnKey, UserNumber};
use turntable_core::packet::{ClientPacket, RequestId};
use turntable_core::session::Session;

/// Places that a session had as other users before, at most.
const FORMER_MAX: usize = 4;

/// A session and what its gateway stores with it.
#[derive(Debug)]
pub(crate) struct SessionEntry {
    /// The session.
    pub(crate) session: Session<Frame>,
    /// Whether its connection is on the list to be written to.
    pub(crate) is_dirty: bool,
    /// Whether its connection takes nothing now.
    pub(crate) is_blocked: bool,
    /// Whether what is published below its channels waits for their past.
    pub(crate) is_gathering: bool,
    /// Whether something happened to it since it began, or it came from elsewhere.
    pub(crate) has_past: bool,
    /// Whether its messages are written for it alone.
    pub(crate) is_read_alone: bool,
    /// Whether its client was sent the warnings of the portal.
    pub(crate) is_warned: bool,
    /// Whether the avatar of the user that it became has not admitted it yet.
    pub(crate) is_changing: bool,
    /// The generation of its place for owners since it became another user: what was sent
    /// to the user before is not for it. 0 while that is the generation of its slot.
    pub(crate) address: u32,
    /// How many bytes may wait in its outbox now: `outbox_bytes_max`; from the
    /// loss of its connection until what waited then is written, that and
    /// `replay_bytes_max`.
    waiting_bytes_max: u32,
    /// The publication it got last, so that it gets none twice.
    pub(crate) mark: u32,
    /// Watched users whose changed state was not sent yet.
    pub(crate) changed: ThinVec<UserNumber>,
    /// Watched users whose public attributes changed, and since which version.
    pub(crate) profiles: ThinVec<ProfileChange>,
    /// Watched users whose state is unknown yet, and 1 while a `subscribe` has users left: the
    /// snapshot waits for them.
    pub(crate) unknown: u32,
    /// Requests that are answered behind the next snapshot.
    pub(crate) subscribed: ThinVec<RequestId>,
    /// What has to outlive its connections beside the outbox.
    pub(crate) memory: Option<Box<TransportMemory>>,
    /// What its owners want back, should they be lost.
    pub(crate) backups: Option<Box<Backups>>,
    /// Its place among the sessions of its address that have no connection.
    pub(crate) detached: Option<DetachedPermit>,
    /// What it holds of the share of the address that it began to hold something from.
    pub(crate) share: Option<AddressShare>,
    /// Its commands that take turns with those of others, while there are any.
    pub(crate) queue: Option<Box<CommandQueue>>,
    /// Unix ms when it began.
    pub(crate) began_ms: u64,
    /// Bytes of the commands of its client.
    pub(crate) received_bytes: u64,
    /// The numbers of its last commands, a byte each, the last in the lowest.
    recent_commands: u64,
    /// What most sessions have nothing of.
    pub(crate) extras: Option<Box<Extras>>,
}

impl SessionEntry {
    /// The entry of a session that begins.
    pub(crate) fn new(session: Session<Frame>, outbox_bytes_max: usize) -> Self {
        let mut entry = Self {
            began_ms: session.active_ms(),
            session,
            is_dirty: false,
            is_blocked: false,
            has_past: false,
            is_read_alone: false,
            is_gathering: false,
            is_warned: false,
            is_changing: false,
            address: 0,
            waiting_bytes_max: 0,
            mark: 0,
            changed: ThinVec::new(),
            profiles: ThinVec::new(),
            unknown: 0,
            subscribed: ThinVec::new(),
            memory: None,
            backups: None,
            detached: None,
            share: None,
            queue: None,
            received_bytes: 0,
            recent_commands: 0,
            extras: None,
        };
        entry.limit_waiting(outbox_bytes_max);
        entry
    }

    /// Puts a frame into the outbox and the connection on the list of those to
    /// be written to. Returns whether the outbox is over its limit.
    pub(crate) fn deliver(&mut self, frame: Frame, dirty: &mut Vec<ConnKey>) -> bool {
        // A single message may be longer than the limit; a second may not wait
        // behind it.
        let waiting = self.session.outbox.waiting_bytes();
        self.session.outbox.push(frame);
        match self.session.connection() {
            Some(connection) => {
                if !self.is_dirty && !self.is_blocked {
                    self.is_dirty = true;
                    dirty.push(connection);
                }
                waiting > self.waiting_bytes_max as usize
            }
            None => self.session.outbox.waiting_bytes() > self.waiting_bytes_max as usize,
        }
    }

    /// Whether a publication on a path below its channels has room in the outbox: half
    /// of it, as all paths below have no rate together. Nobody closes a session with
    /// channels that its client did not name; the rest is for those that it did.
    pub(crate) fn has_room_below(&self) -> bool {
        self.session.outbox.waiting_bytes() <= self.waiting_bytes_max as usize / 2
    }

    /// Whether a publication of so many bytes on a channel that its client named is left out.
    pub(crate) fn leaves_out(&mut self, bytes: usize) -> bool {
        // This is all there is to it, but for those that are behind.
        if self.has_room_below() || !self.is_blocked || self.session.connection().is_none() {
            return false;
        }
        let (max, session) = (self.waiting_bytes_max as usize, &self.session);
        let behind = &mut self.extras.get_or_insert_default().behind;
        let behind = behind.get_or_insert_with(|| Box::new(Behind::new(session)));
        behind.leaves_out(session, bytes, max)
    }

    /// A publication on its channels, or below them, is left out. Returns whether its client
    /// has to be sent that: once, until it has nearly caught up or asks for what it missed.
    pub(crate) fn leave_out(&mut self) -> bool {
        let session = &self.session;
        let behind = &mut self.extras.get_or_insert_default().behind;
        let behind = behind.get_or_insert_with(|| Box::new(Behind::new(session)));
        behind.notify()
    }

    /// A publication on its channels, or below them, has room.
    pub(crate) fn has_caught_up(&mut self) {
        if let Some(extras) = &mut self.extras
            && extras.behind.is_some()
            && self.session.outbox.waiting_bytes() <= self.waiting_bytes_max as usize / 8
        {
            extras.behind = None;
            self.extras.take_if(|extras| extras.are_empty());
        }
    }

    /// Its client joins a channel, which may be to get what it missed.
    pub(crate) fn asks_again(&mut self) {
        let extras = self.extras.as_deref_mut();
        if let Some(behind) = extras.and_then(|extras| extras.behind.as_mut()) {
            behind.ask_again();
        }
    }

    /// Whether so many bytes can wait at once, and what is published meanwhile, too.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        let max = self.waiting_bytes_max as usize;
        let waiting = self.session.outbox.waiting_bytes();
        waiting.saturating_add(bytes) <= max - max / 4
    }

    /// It has become another user, with this generation of its place for owners.
    pub(crate) fn change_address(&mut self, address: u32) {
        let before = std::mem::replace(&mut self.address, address);
        if before > 0 {
            let former = &mut self.extras.get_or_insert_default().former;
            if former.len() >= FORMER_MAX {
                former.remove(0);
            }
            former.push(before);
        }
    }

    /// Its client sent the command of this number.
    pub(crate) const fn note_command(&mut self, number: u8) {
        self.recent_commands = self.recent_commands << 8 | number as u64;
    }

    /// What its client provides.
    pub(crate) fn providing(&self) -> Option<&Providing> {
        self.extras.as_deref()?.providing.as_deref()
    }

    /// What it is remembered by, where something went wrong.
    pub(crate) fn notes(&self) -> Option<&Notes> {
        self.extras.as_deref()?.notes.as_deref()
    }

    /// The names of its last commands, the last one first.
    pub(crate) fn recent_commands(&self) -> Vec<&'static str> {
        let numbers = self.recent_commands.to_le_bytes();
        let name = |number: u8| {
            let mut known = ClientPacket::COMMANDS.iter();
            known.find(|(_, of)| *of == number).map(|(name, _)| *name)
        };
        numbers.into_iter().map_while(name).collect()
    }

    /// At most so many bytes may wait.
    pub(crate) const fn waiting_bytes_max(&self) -> u32 {
        self.waiting_bytes_max
    }

    /// Whether it has changes of watched users to send.
    pub(crate) fn has_changes(&self) -> bool {
        !self.changed.is_empty() || !self.profiles.is_empty()
    }

    /// At most so many bytes may wait from now on.
    pub(crate) fn limit_waiting(&mut self, bytes_max: usize) {
        self.waiting_bytes_max = u32::try_from(bytes_max).unwrap_or(u32::MAX);
    }

    /// Its connection was lost, or it has another: what waits now, and as much
    /// as is retained for a resume, may wait for the next.
    pub(crate) fn allow_backlog(&mut self, outbox_bytes_max: usize, replay_bytes_max: usize) {
        let waiting = self.session.outbox.waiting_bytes();
        let backlog = waiting.saturating_add(replay_bytes_max);
        self.limit_waiting(match self.session.connection() {
            Some(_) => backlog.max(outbox_bytes_max),
            None => backlog,
        });
    }

    /// A connection does not carry the session any more. A message that it has
    /// written in part stays with it.
    pub(crate) fn part(&mut self, connection: &mut Connection, encodings: &Encodings, now_ms: u64) {
        let reader = connection.reader(encodings, Some(&self.session.user), now_ms);
        connection.queue.part(&mut self.session.outbox, &reader);
        self.is_dirty = false;
        self.is_blocked = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entry_is_small() {
        let bytes = size_of::<SessionEntry>();
        assert!(bytes <= 344, "{bytes}");
    }
}
