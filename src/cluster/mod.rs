//! How calls reach owners and deliveries reach gateways.
//!
//! One process is one node here: both go through mailboxes. [`Owners`] and
//! [`Bus`] are the seams where links to other nodes will be.

pub mod burst;
pub mod bus;
#[cfg(debug_assertions)]
mod bytes;
pub mod envelope;
pub mod local;
pub mod mailbox;
pub mod owners;
pub mod probe;
pub mod request;

use std::sync::Arc;

use bus::Bus;
use local::{LocalBus, LocalOwners};
use owners::Owners;

/// The ways to the owners and gateways of this process.
#[must_use]
pub fn ways(owners: Arc<LocalOwners>, bus: Arc<LocalBus>) -> (Arc<dyn Owners>, Arc<dyn Bus>) {
    #[cfg(debug_assertions)]
    if bytes::is_requested() {
        log::warn!("calls and deliveries pass the codec: this is a test");
        return (
            Arc::new(bytes::BytesOwners(owners)),
            Arc::new(bytes::BytesBus(bus)),
        );
    }
    (owners, bus)
}
