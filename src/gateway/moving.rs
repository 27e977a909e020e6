//! Connections that move to another worker.
//!
//! A session stays on the worker where it began, with its outbox and its
//! subscriptions; the connection whose client wants it moves there.

use actix::{Context, Handler, Message};

use crate::clock;
use crate::gateway::Gateway;
use crate::gateway::accept::Resume;
use crate::gateway::connection::packed::PackedConnection;
use crate::gateway::session::memory::ResumeFrom;
use crate::gateway::transport::notice::Notice;
use crate::gateway::transport::{Dispatch, Group, Hooks};
use crate::gateway::work::Effect;
use turntable_core::id::SessionId;
use turntable_core::key::{ConnKey, WorkerId};

/// What a connection moves for.
#[derive(Debug)]
pub(crate) enum Task {
    /// Its client wants this session.
    Resume(Resume),
    /// Its client wants this session, or else identifies in another way.
    Recover {
        /// The session.
        session: SessionId,
        /// From where on.
        from: ResumeFrom,
        /// The other way.
        otherwise: Notice,
    },
}

/// Connections on their way to another worker.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Arrive {
    /// The connection whose client wants the session.
    wanting: PackedConnection,
    /// The connection that carries it.
    carrier: Option<PackedConnection>,
    /// A connection that the carrier may merge with.
    spare: Option<PackedConnection>,
    task: Task,
}

impl Handler<Arrive> for Gateway {
    type Result = ();

    fn handle(&mut self, arrive: Arrive, _: &mut Context<Self>) {
        let mut carrier = None;
        if let Some(packed) = arrive.carrier {
            carrier = self.arrive(packed, None);
            if carrier.is_none() {
                return;
            }
        }
        let Some(wanting) = self.arrive(arrive.wanting, carrier) else {
            return;
        };
        let task = match arrive.task {
            Task::Resume(resume) => Effect::Resume(wanting, resume),
            Task::Recover {
                session,
                from,
                otherwise,
            } => Effect::Recover {
                connection: wanting,
                session,
                from,
                otherwise,
            },
        };
        // What its client sent behind the command waits for the outcome.
        self.push_effects([task, Effect::Continue(carrier.unwrap_or(wanting))]);
        self.run();
        if let Some(spare) = arrive.spare {
            self.arrive(spare, carrier);
        }
    }
}

impl Gateway {
    /// Puts a connection into this worker's table; `None` where it did not stay.
    fn arrive(&mut self, packed: PackedConnection, carrier: Option<ConnKey>) -> Option<ConnKey> {
        let mut connection = packed.unpack();
        let insertion = connection.transport.arrive(carrier)?;
        let key = self.insert(connection, insertion);
        self.run();
        key.filter(|key| self.connections.holds(*key))
    }

    /// Whether a connection can move to another worker.
    pub(crate) fn can_move(&self, key: ConnKey) -> bool {
        self.connections.group(key).is_some()
    }

    /// Sends a connection to another worker, with those that belong to it.
    /// Returns whether it can move.
    pub(crate) fn move_connection(&mut self, key: ConnKey, worker: WorkerId, task: Task) -> bool {
        let Some(Group { carrier, spare }) = self.connections.group(key) else {
            return false;
        };
        // What it has goes to its carrier's queue as long as both are here.
        self.with(key, Dispatch::flush);
        let name = carrier
            .and_then(|carrier| self.connections.get(carrier))
            .and_then(|carrier| carrier.transport.name());
        let spare = spare.and_then(|spare| self.pack(spare));
        let Some(wanting) = self.pack(key) else {
            return true;
        };
        let carrier = carrier.and_then(|carrier| self.pack(carrier));
        let arrive = Arrive {
            wanting,
            carrier,
            spare,
            task,
        };
        let Some(gateway) = self.shared.peers.gateway(worker) else {
            return true;
        };
        match name {
            Some(name) => self
                .shared
                .peers
                .move_connection(name, worker, || gateway.do_send(arrive)),
            None => gateway.do_send(arrive),
        }
        true
    }

    /// Takes a connection out of this worker. Nothing else learns of it.
    fn pack(&mut self, key: ConnKey) -> Option<PackedConnection> {
        let io = self.take_socket(key);
        let mut connection = self.take_out(key)?;
        connection.transport.leave_worker();
        let encodings = &self.shared.encodings;
        Some(PackedConnection::pack(
            connection,
            io,
            encodings,
            clock::now_ms(),
        ))
    }
}
