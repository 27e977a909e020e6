//! The way from an owner to the gateways: one message per gateway with
//! subscribers, never one per subscriber.
//!
//! The owner decides the order. What it sends to one gateway arrives in that
//! order, so a session that an owner puts on a topic gets everything that is
//! published from then on and nothing from before.

use std::sync::OnceLock;

use actix::Recipient;

use crate::cluster::mail::Mail;
use turntable_core::delivery::Delivery;
use turntable_core::key::GatewayId;

/// The gateways of this node by worker. Owners share one; it is filled while
/// the workers start, before the first connection is accepted.
#[derive(Debug)]
pub struct Outlets(Box<[OnceLock<Outlet>]>);

/// A gateway that runs.
type Outlet = (GatewayId, Recipient<Mail<Delivery>>);

impl Outlets {
    /// Places for the gateways of `workers` workers.
    #[must_use]
    pub fn new(workers: usize) -> Self {
        Self((0..workers).map(|_| OnceLock::new()).collect())
    }

    /// The gateway of a worker runs.
    pub fn connect(&self, id: GatewayId, gateway: Recipient<Mail<Delivery>>) {
        if let Some(place) = self.0.get(id.worker.index()) {
            // A worker that is started anew keeps its first gateway.
            let _ = place.set((id, gateway));
        }
    }

    /// Sends to a gateway.
    pub fn send(&self, to: GatewayId, delivery: Delivery) {
        if let Some((id, gateway)) = self.0.get(to.worker.index()).and_then(OnceLock::get)
            && *id == to
        {
            gateway.do_send(Mail(delivery));
        }
    }
}
