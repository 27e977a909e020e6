//! How fast handshakes of TLS begin, by address: each costs a signature, and its client
//! next to nothing.

use std::collections::HashMap;
use std::net::IpAddr;

use parking_lot::Mutex;

use crate::gateway::admission::counted;
use turntable_core::rate::{Bucket, BucketSettings};
use turntable_core::spare::Spare;

/// So many addresses are known before those are forgotten that have nothing.
const SWEEP_MIN: usize = 1_024;

/// The handshakes at one listener.
#[derive(Debug, Default)]
pub(super) struct HandshakeRate(Mutex<Addresses>);

#[derive(Debug, Default)]
struct Addresses {
    by_address: HashMap<IpAddr, Bucket>,
    /// The size at which the table is swept.
    sweep_at: usize,
}

impl HandshakeRate {
    /// A handshake begins. Returns whether its address may have another one.
    pub(super) fn take(&self, address: IpAddr, rate: BucketSettings, now_ms: u64) -> bool {
        if rate.per_second == 0 {
            return true;
        }
        let mut addresses = self.0.lock();
        addresses.sweep(rate, now_ms);
        let bucket = addresses.by_address.entry(counted(address)).or_default();
        bucket.take(rate, now_ms).is_ok()
    }
}

impl Addresses {
    /// Forgets the addresses that have nothing, once as many as were there after the last
    /// time have come.
    fn sweep(&mut self, rate: BucketSettings, now_ms: u64) {
        if self.by_address.len() < self.sweep_at.max(SWEEP_MIN) {
            return;
        }
        self.by_address
            .retain(|_, bucket| !bucket.is_full(rate, now_ms));
        self.sweep_at = self.by_address.len() * 2;
        self.by_address.give_back();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const RATE: BucketSettings = BucketSettings::new(10, 2);
    const START: u64 = 1_732_000_000_000;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn each_address_has_a_bucket_and_an_ipv6_client_one_for_its_network() {
        let handshakes = HandshakeRate::default();
        let begin = |address, at| handshakes.take(ip(address), RATE, at);
        assert!(begin("2001:db8::1", START) && begin("2001:db8::2", START));
        assert!(!begin("2001:db8::3", START));
        assert!(begin("2001:db8:0:1::1", START) && begin("192.0.2.1", START));
        assert!(begin("2001:db8::3", START + 100));
        let none = BucketSettings::new(0, 1);
        assert!((0..9).all(|_| handshakes.take(ip("192.0.2.2"), none, START)));
    }

    #[test]
    fn addresses_that_have_nothing_are_forgotten() {
        let handshakes = HandshakeRate::default();
        for number in 0..SWEEP_MIN as u32 * 3 {
            let address = std::net::Ipv4Addr::from_bits(0x0a00_0000 + number).into();
            assert!(handshakes.take(address, RATE, START + u64::from(number)));
        }
        assert!(handshakes.0.lock().by_address.len() <= SWEEP_MIN);
    }
}
