//! Connections that make room for others of their address: the oldest ones whose
//! clients have made no claim, when `session.unidentified_per_address_max` is reached.
//!
//! ```text
//! any thread: UnidentifiedConnections::admit, which takes the oldest out of the count
//!   -> its gateway: Evict, which closes it with 4001
//! ```
//!
//! A connection whose client makes its claim while `Evict` is on its way goes on, and
//! ends if the claim is refused.

use actix::{Context, Handler, Message};

use crate::gateway::admission::Permit;
use crate::gateway::connection::{Connection, Phase};
use crate::gateway::unidentified::{Evicted, UnidentifiedPermit};
use crate::gateway::work::Effect;
use crate::gateway::{Gateway, Shared};
use turntable_core::key::ConnKey;
use turntable_core::limit::Limit;
use turntable_core::reason::CloseReason;

/// A connection has to make room.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Evict(Evicted);

impl Shared {
    /// Asks the gateway of a connection to close it.
    pub(super) fn evict(&self, evicted: Option<Evicted>) {
        let evicted = evicted.map(|evicted| (evicted, self.peers.gateway(evicted.worker)));
        if let Some((evicted, Some(gateway))) = evicted {
            gateway.do_send(Evict(evicted));
        }
    }
}

impl Handler<Evict> for Gateway {
    type Result = ();

    fn handle(&mut self, Evict(evicted): Evict, _: &mut Context<Self>) {
        let key = evicted.connection;
        let place = self.connections.get(key).and_then(unidentified);
        // One that moved to another worker makes room when it arrives there.
        if place.is_some_and(|place| place.number() == evicted.number) {
            self.make_room(key);
            self.run();
        }
    }
}

/// The place of a connection among those that have not identified.
fn unidentified(connection: &Connection) -> Option<&UnidentifiedPermit> {
    connection.permit.as_ref()?.unidentified()
}

impl Gateway {
    /// Closes a connection that is not counted any more, unless its client made its
    /// claim by now.
    pub(super) fn make_room(&mut self, key: ConnKey) {
        let is_waiting = self.connections.get(key).is_some_and(|connection| {
            !connection.is_closing()
                && matches!(connection.phase, Phase::Greeting(_) | Phase::Carrier)
        });
        if is_waiting {
            self.shared.metrics.limit(Limit::Unidentified);
            self.push_effects([Effect::Close(key, CloseReason::NotIdentified)]);
        }
    }

    /// A connection waits for its client's claim. Returns whether it may.
    pub(super) fn await_claim(&self, key: ConnKey) -> bool {
        let place = self.connections.get(key).and_then(unidentified);
        place.is_none_or(|place| place.is_silent_at(self.id.worker, key))
    }

    /// The claim of a connection's client is checked, which takes time.
    pub(super) fn claim_is_checked(&self, key: ConnKey) {
        let place = self.connections.permit(key).and_then(Permit::unidentified);
        if let Some(place) = place {
            place.is_checked();
        }
    }

    /// The claim of a connection's client was refused: it waits for another one, unless
    /// it had to make room in the meantime.
    pub(super) fn claim_is_refused(&mut self, key: ConnKey) {
        let counted = self.connections.counted(key);
        if !self.await_claim(counted) {
            self.make_room(counted);
        }
    }
}
