//! The way from owners to gateways.
//!
//! An owner decides about an order. What it sends to one gateway arrives in that
//! order, so a session that an owner puts on a topic gets everything that is
//! published from then on and nothing from before.

use std::fmt;

use turntable_core::delivery::{Delivery, Meta, Topic};
use turntable_core::frame::SharedFrame;
use turntable_core::key::GatewayId;

/// Deliveries to gateways: to those of this process by their mailboxes.
pub trait Bus: fmt::Debug + Send + Sync {
    /// Sends to one gateway. A delivery to a gateway that does not run is lost.
    fn send(&self, to: GatewayId, delivery: Delivery);

    /// Sends a message to every session on a topic: once to each gateway that
    /// has any, never once per session.
    fn publish(&self, to: &[GatewayId], topic: &Topic, frame: &SharedFrame, meta: Meta) {
        for gateway in to {
            let publication = Delivery::Publish {
                topic: topic.clone(),
                frame: frame.clone(),
                meta,
            };
            self.send(*gateway, publication);
        }
    }

    /// The gateways that run.
    fn gateways(&self) -> Vec<GatewayId>;
}
