//! Engine.IO over requests: one waits for packets, others bring them.
//!
//! A request may come in on any worker, and a session may move to another
//! worker while a request is on its way to it; so requests name the session,
//! and follow it.

use std::net::IpAddr;
use std::time::Duration;

use actix::{AsyncContext, Context, Handler, Message};
use tokio::sync::oneshot;

use super::{Answer, EngineLine, Purpose, written};
use crate::clock;
use crate::gateway::Gateway;
use crate::gateway::door::DoorKind;
use crate::gateway::peers::Place;
use turntable_core::id::SessionId;
use turntable_core::key::WorkerId;
use turntable_core::reason::CloseReason;
use turntable_wire::engineio::{Packet, PayloadLimits, RequestError, Transport, decode_payload};

/// How often a request follows a session that is on its way to another worker.
pub(super) const FOLLOWED_MAX: u8 = 50;
/// How long it waits between two looks.
pub(super) const FOLLOW_AFTER: Duration = Duration::from_millis(2);

/// Asks for a new session. It counts in the census already.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Open {
    /// Whose.
    pub address: IpAddr,
    /// What it is for.
    pub purpose: Purpose,
    /// Gets the handshake.
    pub respond: oneshot::Sender<Answer>,
}

/// A request of a session.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Exchange {
    /// The session.
    pub id: SessionId,
    /// What it is about.
    pub kind: ExchangeKind,
    /// How often it followed the session to another worker.
    pub followed: u8,
}

/// What a request of a session is about.
#[derive(Debug)]
pub enum ExchangeKind {
    /// It waits for packets.
    Poll(oneshot::Sender<Answer>),
    /// It brings some.
    Push(String, oneshot::Sender<Result<(), RequestError>>),
    /// It brought more than it may.
    TooLarge,
    /// It waited for packets, and its client has gone.
    Gone,
}

impl ExchangeKind {
    fn refuse(self, error: RequestError) {
        // Whoever asked may have gone meanwhile.
        match self {
            Self::Poll(respond) => {
                let _ = respond.send(Err(error));
            }
            Self::Push(_, respond) => {
                let _ = respond.send(Err(error));
            }
            Self::TooLarge | Self::Gone => {}
        }
    }
}

/// A request whose packets are taken one after the other.
#[derive(Debug)]
pub struct Pushed {
    body: String,
    /// How many were taken.
    taken: usize,
    respond: oneshot::Sender<Result<(), RequestError>>,
}

/// Where a session is.
enum Found {
    Here(u32),
    There(WorkerId),
    Nowhere,
}

impl Handler<Open> for Gateway {
    type Result = ();

    fn handle(&mut self, open: Open, _: &mut Context<Self>) {
        let mut engine = EngineLine::new(Transport::Polling, open.purpose);
        engine.parked = Some(open.respond);
        let slot = self.open_engine(engine, None, open.address, None);
        if let Some(slot) = slot {
            self.flush_engine(slot);
            if self.is_draining {
                self.send_away(slot, CloseReason::GoingAway);
            }
        }
    }
}

impl Handler<Exchange> for Gateway {
    type Result = ();

    fn handle(&mut self, exchange: Exchange, ctx: &mut Context<Self>) {
        let slot = match self.find_engine(exchange.id) {
            Found::Here(slot) => slot,
            Found::There(worker) if exchange.followed < FOLLOWED_MAX => {
                let exchange = Exchange {
                    followed: exchange.followed + 1,
                    ..exchange
                };
                if worker == self.worker {
                    // It is on its way here.
                    ctx.notify_later(exchange, FOLLOW_AFTER);
                } else if let Some(gateway) = self.context.peers.gateway(worker) {
                    gateway.do_send(exchange);
                }
                return;
            }
            _ => return exchange.kind.refuse(RequestError::UnknownSession),
        };
        // Timers come in ticks; who asks gets it to the millisecond.
        let is_dead = self
            .engine(slot)
            .is_some_and(|engine| clock::now_ms() >= engine.alive_until_ms);
        if is_dead {
            self.close(slot, CloseReason::HeartbeatMissed);
            self.lose(slot);
            return exchange.kind.refuse(RequestError::UnknownSession);
        }
        let is_polling = self
            .engine(slot)
            .is_some_and(|engine| engine.transport == Transport::Polling);
        match exchange.kind {
            kind if !is_polling => kind.refuse(RequestError::BadRequest),
            ExchangeKind::Poll(respond) => self.park(slot, respond),
            ExchangeKind::Push(body, respond) => self.push_payload(slot, body, respond),
            ExchangeKind::TooLarge => self.close(slot, CloseReason::TooLarge),
            ExchangeKind::Gone => {
                let is_gone = self.engine(slot).is_some_and(|engine| {
                    let parked = engine.parked.as_ref();
                    parked.is_some_and(oneshot::Sender::is_closed)
                });
                if is_gone {
                    self.lose(slot);
                }
            }
        }
    }
}

impl Gateway {
    fn find_engine(&self, id: SessionId) -> Found {
        match self.context.peers.line(id) {
            Some(Place::Line { worker, .. }) if worker != self.worker => Found::There(worker),
            Some(Place::Line { worker, key }) if !self.connections.holds(key) => {
                Found::There(worker)
            }
            Some(Place::Line { key, .. }) => {
                let line = self.connections.at(key.slot);
                let door = line.and_then(|line| line.door.as_ref());
                match door.map(|door| &door.kind) {
                    Some(DoorKind::Engine(_)) => Found::Here(key.slot),
                    _ => Found::Nowhere,
                }
            }
            _ => Found::Nowhere,
        }
    }

    /// A request waits for packets.
    fn park(&mut self, slot: u32, respond: oneshot::Sender<Answer>) {
        let is_closing = self
            .connections
            .at(slot)
            .is_some_and(|line| line.is_closing());
        let Some(engine) = self.engine(slot) else {
            return;
        };
        if engine.parked.is_some() && !is_closing {
            // Nobody can tell which of two would be read first.
            self.close(slot, CloseReason::ProtocolError);
            self.flush_engine(slot);
            let _ = respond.send(Err(RequestError::BadRequest));
            return;
        }
        engine.parked = Some(respond);
        let is_probed = engine.is_probed;
        let has_direct = self
            .connections
            .at(slot)
            .is_some_and(|line| line.has_direct());
        if is_probed && !has_direct {
            self.push_direct(slot, written::frame(&Packet::Noop));
        }
        self.flush_engine(slot);
    }

    /// A request brings packets.
    fn push_payload(
        &mut self,
        slot: u32,
        body: String,
        respond: oneshot::Sender<Result<(), RequestError>>,
    ) {
        let Some(engine) = self.engine(slot) else {
            return;
        };
        if engine.pushed.is_some() {
            let _ = respond.send(Err(RequestError::BadRequest));
            return self.close(slot, CloseReason::ProtocolError);
        }
        self.tally.received_bytes += body.len() as u64;
        self.was_read = true;
        let pushed = Pushed {
            body,
            taken: 0,
            respond,
        };
        self.take_payload(slot, pushed);
    }

    fn take_payload(&mut self, slot: u32, mut pushed: Pushed) {
        let settings = self.settings();
        let limits = PayloadLimits {
            bytes_max: settings.message_bytes_max,
            packets_max: settings.socketio.packets_max,
        };
        let Some(key) = self.connections.key(slot) else {
            return;
        };
        let packets = match decode_payload(pushed.body.as_bytes(), &limits) {
            Ok(packets) => packets,
            Err(error) => {
                self.close(slot, error.into());
                let _ = pushed.respond.send(Err(RequestError::BadRequest));
                return;
            }
        };
        let mut taken = pushed.taken;
        let mut has_to_wait = false;
        for packet in packets.into_iter().skip(taken) {
            taken += 1;
            self.engine_packet(slot, packet);
            match self.live(key) {
                Some(line) if line.is_closing() => break,
                Some(line) => has_to_wait = line.is_paused(),
                None => break,
            }
            has_to_wait |= self.errand.is_some();
            if has_to_wait {
                break;
            }
        }
        if has_to_wait {
            pushed.taken = taken;
            if let Some(engine) = self.engine(slot) {
                engine.pushed = Some(pushed);
            }
            return self.run_errand();
        }
        let is_refused = self.live(key).is_some_and(|line| line.is_closing());
        let result = match is_refused {
            true => Err(RequestError::BadRequest),
            false => Ok(()),
        };
        let _ = pushed.respond.send(result);
    }

    /// What waited while a namespace was being identified is taken.
    pub(super) fn resume_engine(&mut self, slot: u32) {
        let Some(engine) = self.engine(slot) else {
            return;
        };
        if !std::mem::take(&mut engine.is_paused) {
            return;
        }
        self.go_on(slot);
    }

    /// Takes what was held back.
    pub(super) fn go_on(&mut self, slot: u32) {
        if let Some(pushed) = self.engine(slot).and_then(|engine| engine.pushed.take()) {
            return self.take_payload(slot, pushed);
        }
        let held = self
            .connections
            .at_mut(slot)
            .and_then(|line| line.held.take());
        if let Some(mut held) = held {
            self.feed(slot, &mut held);
        }
        if let Some(line) = self.connections.at_mut(slot) {
            line.has_unread = false;
            self.mark_unread(slot);
        }
    }
}
