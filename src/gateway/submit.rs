//! What clients send in requests of their own, beside the line that carries
//! their session.
//!
//! A request may come in on any worker; it is handed to the one that holds the
//! line, or the session, which may have no line at that moment.

use std::net::{IpAddr, Ipv4Addr};

use actix::{Context, Handler, Message};
use tokio::sync::oneshot;

use crate::clock;
use crate::gateway::Gateway;
use crate::gateway::connection::{Connection, Phase};
use crate::gateway::door::{BACKLOG_MAX, Command};
use crate::gateway::peers::Place;
use turntable_core::id::UserId;
use turntable_core::packet::ServerPacket;
use turntable_core::payload::Payload;

/// The function that data for one tunnel alone calls there; there is no answer.
const WHISPER: &str = "tunnel:receive";

/// What a client sends beside its tunnel, or its session's line.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Submit {
    /// The line or session.
    pub place: Place,
    /// Users that its own has to be; else nothing is done.
    pub users: Vec<UserId>,
    /// What it sends.
    pub commands: Vec<Command>,
    /// Told what became of it.
    pub taken: oneshot::Sender<Taken>,
}

/// What became of what a client sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It was taken.
    Yes,
    /// There is no such line and no such session.
    Gone,
    /// As much waits as may, for the client to be identified.
    Full,
    /// It speaks of another user than its own; nothing was taken.
    Foreign,
    /// There were too many of its kind.
    TooOften,
}

/// Data for one tunnel alone, from another client. It goes by way of the
/// sender's worker, where it is charged like something published.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Whisper {
    /// The sender, until it was charged.
    pub from: Option<Place>,
    /// The receiver.
    pub place: Place,
    /// The data.
    pub data: Payload,
    /// Told what became of it.
    pub taken: oneshot::Sender<Taken>,
}

impl Handler<Submit> for Gateway {
    type Result = ();

    fn handle(&mut self, submit: Submit, _: &mut Context<Self>) {
        // Writing waits for the end of a burst, as behind what sockets bring.
        self.was_read = true;
        let user = match submit.place {
            Place::Session(place) => self.slot(place).and_then(|slot| self.sessions.at(slot)),
            Place::Line { .. } => None,
        };
        let user = user.map(|held| &held.session.user);
        let is_own = submit.users.iter().all(|named| Some(named) == user);
        let mut taken = Taken::Gone;
        self.with_line(submit.place, |gateway, slot| {
            taken = if is_own {
                gateway.take_all(slot, submit.commands)
            } else {
                Taken::Foreign
            };
        });
        // Whoever asked may have gone meanwhile.
        let _ = submit.taken.send(taken);
    }
}

impl Handler<Whisper> for Gateway {
    type Result = ();

    fn handle(&mut self, mut whisper: Whisper, _: &mut Context<Self>) {
        if let Some(from) = whisper.from.take() {
            match self.charge_whisper(from) {
                Taken::Yes => {}
                refused => {
                    let _ = whisper.taken.send(refused);
                    return;
                }
            }
            if whisper.place.worker() != self.worker {
                if let Some(gateway) = self.context.peers.gateway_of(whisper.place) {
                    gateway.do_send(whisper);
                }
                return;
            }
        }
        let session = match whisper.place {
            Place::Session(place) => self.slot(place),
            Place::Line { .. } => None,
        };
        if let Some(session) = session {
            let packet = ServerPacket::Call {
                f: WHISPER.into(),
                args: Some(whisper.data),
            };
            self.send(session, &packet, None);
        }
        let taken = match session {
            Some(_) => Taken::Yes,
            None => Taken::Gone,
        };
        let _ = whisper.taken.send(taken);
    }
}

impl Gateway {
    fn charge_whisper(&mut self, from: Place) -> Taken {
        let session = match from {
            Place::Session(place) => self.slot(place),
            Place::Line { .. } => None,
        };
        let limits = &self.context.settings.limits;
        let held = session.and_then(|session| self.sessions.at_mut(session));
        match held.map(|held| held.session.charge_publish(clock::now_ms(), limits)) {
            Some(true) => Taken::Yes,
            Some(false) => Taken::TooOften,
            None => Taken::Gone,
        }
    }

    /// Does something with the line of a place. A session that has none gets
    /// one for that time, so that its client may send while it comes back.
    fn with_line(&mut self, place: Place, act: impl FnOnce(&mut Self, u32)) {
        let session = match place {
            Place::Line { key, .. } => {
                if self.connections.holds(key) {
                    act(self, key.slot);
                }
                return;
            }
            Place::Session(place) => self.slot(place),
        };
        let Some(session) = session else {
            return;
        };
        if let Some(slot) = self.sessions.at(session).and_then(|held| held.connection) {
            return act(self, slot);
        }
        let nowhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let ghost = Connection::new(None, nowhere, Phase::Session(session));
        let key = self.connections.insert(ghost);
        act(self, key.slot);
        if self.connections.holds(key) {
            self.connections.remove(key.slot);
        }
    }

    /// Takes the commands of one request.
    pub(super) fn take_all(&mut self, slot: u32, commands: Vec<Command>) -> Taken {
        let Some(line) = self.connections.at_mut(slot) else {
            return Taken::Gone;
        };
        if line.is_closing() {
            return Taken::Gone;
        }
        match &mut line.door {
            // One request may bring as many as it may, where none waits.
            Some(door)
                if !door.backlog.is_empty()
                    && door.backlog.len() + commands.len() > BACKLOG_MAX =>
            {
                Taken::Full
            }
            Some(door) => {
                // Behind those that wait already.
                door.backlog.extend(commands);
                self.take_backlog(slot);
                Taken::Yes
            }
            None => {
                for command in commands {
                    self.take(slot, command);
                }
                Taken::Yes
            }
        }
    }

    /// Takes the commands that waited, until the line has to wait again.
    pub(super) fn take_backlog(&mut self, slot: u32) {
        while let Some(line) = self.connections.at_mut(slot)
            && !line.is_paused()
            && !line.is_closing()
            && let Some(door) = &mut line.door
            && let Some(command) = door.backlog.pop_front()
        {
            line.was_heard = true;
            self.take(slot, command);
        }
        self.run_errand();
    }
}
