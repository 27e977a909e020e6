//! Which gateways are interested in an owner.
//!
//! An owner sends one message per gateway, whatever the number of sessions
//! there; so it knows a set of gateways and no sessions. A gateway announces that
//! it is interested with its first session, and that it is not with its last.
//! Repeating an announcement changes nothing, so one that is made again after a
//! loss does no harm.

use smallvec::SmallVec;

use crate::key::GatewayId;

/// A set of gateways.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Interest(SmallVec<[GatewayId; 2]>);

impl Interest {
    /// The gateway is interested. Returns whether it was not.
    pub fn add(&mut self, gateway: GatewayId) -> bool {
        let is_new = !self.0.contains(&gateway);
        if is_new {
            self.0.push(gateway);
        }
        is_new
    }

    /// The gateway is not interested any more.
    pub fn remove(&mut self, gateway: GatewayId) {
        self.0.retain(|known| *known != gateway);
        if self.0.is_empty() {
            self.0.shrink_to_fit();
        }
    }

    /// No gateway is interested any more.
    pub fn clear(&mut self) {
        self.0 = SmallVec::new();
    }

    /// The gateways that are interested.
    #[must_use]
    pub fn gateways(&self) -> &[GatewayId] {
        &self.0
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<GatewayId> for Interest {
    fn from_iter<I: IntoIterator<Item = GatewayId>>(gateways: I) -> Self {
        let mut interest = Self::default();
        for gateway in gateways {
            interest.add(gateway);
        }
        interest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{NodeId, WorkerId};

    #[test]
    fn to_announce_twice_is_to_announce_once() {
        let [a, b] = [1, 2].map(|worker| GatewayId {
            node: NodeId(0),
            boot: 1,
            worker: WorkerId(worker),
        });
        let mut interest = Interest::default();
        assert!(interest.add(a));
        assert!(!interest.add(a));
        assert!(interest.add(b));
        assert_eq!(interest.gateways(), [a, b]);
        interest.remove(a);
        interest.remove(a);
        assert_eq!(interest.gateways(), [b]);
        interest.remove(b);
        assert!(interest.is_empty());
        // Another life of the same worker is another gateway.
        interest.add(a);
        interest.remove(GatewayId { boot: 2, ..a });
        assert_eq!(interest.gateways(), [a]);
    }
}
