//! Calls and deliveries that pass the codec on their way, for tests.
//!
//! Debug builds use this in place of the mailboxes alone where the environment
//! has `TURNTABLE_TEST_BUS=bytes`. Everything that crosses from one thread to
//! another is then written as bytes and read again, as it will be between
//! processes; the same test suite has to pass.

use std::sync::Arc;

use crate::cluster::bus::Bus;
use crate::cluster::local::{LocalBus, LocalOwners};
use crate::cluster::owners::Owners;
use turntable_core::call::Call;
use turntable_core::delivery::Delivery;
use turntable_core::key::{GatewayId, Generation, ShardId};
use turntable_wire::cluster_v1::{
    Limits, decode_call, decode_delivery, encode_call, encode_delivery,
};

/// No call or delivery of a test is longer.
const LIMITS: Limits = Limits {
    bytes_max: 64 << 20,
};

/// Whether the environment requests it.
pub(super) fn is_requested() -> bool {
    std::env::var_os("TURNTABLE_TEST_BUS").is_some_and(|value| value == "bytes")
}

/// Ends the process: a test must not pass where something did not arrive.
fn fail(what: &str) -> ! {
    log::error!("{what} did not pass the codec");
    std::process::abort()
}

/// Calls that are written and read on their way.
#[derive(Debug)]
pub(super) struct BytesOwners(pub(super) Arc<LocalOwners>);

impl Owners for BytesOwners {
    fn call(&self, call: Call) {
        let bytes = encode_call(&self.0.stamp(call)).unwrap_or_else(|_| fail("a call"));
        let call = decode_call(&bytes, &LIMITS).unwrap_or_else(|_| fail("a call"));
        self.0.deliver(call);
    }

    fn learn(&self, shard: ShardId, generation: Generation) {
        self.0.learn(shard, generation);
    }

    fn shards(&self) -> usize {
        self.0.shards()
    }

    fn shard(&self, id: &str) -> Option<ShardId> {
        self.0.shard(id)
    }
}

/// Deliveries that are written and read on their way.
#[derive(Debug)]
pub(super) struct BytesBus(pub(super) Arc<LocalBus>);

impl Bus for BytesBus {
    fn send(&self, to: GatewayId, delivery: Delivery) {
        let bytes = encode_delivery(to, &delivery).unwrap_or_else(|_| fail("a delivery"));
        let (to, delivery) =
            decode_delivery(&bytes, &LIMITS).unwrap_or_else(|_| fail("a delivery"));
        self.0.send(to, delivery);
    }

    fn gateways(&self) -> Vec<GatewayId> {
        self.0.gateways()
    }
}
