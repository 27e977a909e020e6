//! What clients send in requests of their own, beside the line that carries
//! their session.
//!
//! A request may come in on any worker; it is handed to the one that holds the
//! line, or the session, which may have no line at that moment.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};

use actix::{Context, Handler, Message};
use tokio::sync::oneshot;

use crate::gateway::Gateway;
use crate::gateway::connection::{Connection, Phase};
use crate::gateway::door::Command;
use crate::gateway::peers::Place;
use crate::wire::packet::ServerPacket;
use crate::wire::payload::Payload;

/// The function that data for one tunnel alone calls there; there is no answer.
const WHISPER: &str = "tunnel:receive";

/// What a client sends beside its tunnel, or its session's line.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Submit {
    /// The line or session.
    pub place: Place,
    /// What it sends.
    pub commands: Vec<Command>,
    /// Told whether the line is there.
    pub taken: oneshot::Sender<bool>,
}

/// Data for one tunnel alone, from another client.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Whisper {
    /// The receiver.
    pub place: Place,
    /// The data.
    pub data: Payload,
    /// Told whether the line is there.
    pub taken: oneshot::Sender<bool>,
}

impl Handler<Submit> for Gateway {
    type Result = ();

    fn handle(&mut self, submit: Submit, _: &mut Context<Self>) {
        let is_there = self.with_line(submit.place, |gateway, slot| {
            gateway.take_all(slot, submit.commands);
        });
        // Whoever asked may have gone meanwhile.
        let _ = submit.taken.send(is_there);
    }
}

impl Handler<Whisper> for Gateway {
    type Result = ();

    fn handle(&mut self, whisper: Whisper, _: &mut Context<Self>) {
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
        let _ = whisper.taken.send(session.is_some());
    }
}

impl Gateway {
    /// Does something with the line of a place. A session that has none gets
    /// one for that time, so that its client may send while it comes back.
    pub(super) fn with_line(&mut self, place: Place, act: impl FnOnce(&mut Self, u32)) -> bool {
        let session = match place {
            Place::Line { key, .. } => {
                let is_there = self.connections.holds(key);
                if is_there {
                    act(self, key.slot);
                }
                return is_there;
            }
            Place::Session(place) => match self.slot(place) {
                Some(session) => session,
                None => return false,
            },
        };
        let Some(held) = self.sessions.at(session) else {
            return false;
        };
        if let Some(slot) = held.connection {
            act(self, slot);
            return true;
        }
        let nowhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let ghost = Connection::new(None, nowhere, Phase::Session(session));
        let key = self.connections.insert(ghost);
        act(self, key.slot);
        if self.connections.holds(key) {
            self.connections.remove(key.slot);
        }
        true
    }

    /// Takes the commands of one request.
    pub(super) fn take_all(&mut self, slot: u32, commands: Vec<Command>) {
        let mut commands = VecDeque::from(commands);
        if let Some(door) = self
            .connections
            .at_mut(slot)
            .and_then(|line| line.door.as_mut())
        {
            // Behind those that wait already.
            door.backlog.append(&mut commands);
            return self.take_backlog(slot);
        }
        for command in commands {
            self.take(slot, command);
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
