//! Which gateways have sessions that want everything published below a path.
//!
//! Every worker has the whole table: the actor of a channel looks up its own
//! ancestors without a call to anything else.

use std::collections::HashMap;

use smallvec::SmallVec;

use turntable_core::id::ChannelId;
use turntable_core::key::GatewayId;
use turntable_core::model::interest::Interest;
use turntable_core::spare::Spare;

/// Gateways by path.
#[derive(Debug, Default)]
pub struct Prefixes(HashMap<ChannelId, Interest>);

/// Gateways that a publication goes to.
pub type Gateways = SmallVec<[GatewayId; 4]>;

impl Prefixes {
    /// `gateway` wants everything at and below `path`.
    pub fn add(&mut self, path: &ChannelId, gateway: GatewayId) {
        self.0.entry(path.clone()).or_default().add(gateway);
    }

    /// `gateway` does not want it any more.
    pub fn remove(&mut self, path: &ChannelId, gateway: GatewayId) {
        if let Some(gateways) = self.0.get_mut(path) {
            gateways.remove(gateway);
            if gateways.is_empty() {
                self.0.remove(path);
                self.0.give_back();
            }
        }
    }

    /// Whether any gateway wants what is published on `path`.
    pub fn want(&self, path: &ChannelId) -> bool {
        let mut gateways = Gateways::new();
        self.extend(path, &mut gateways);
        !gateways.is_empty()
    }

    /// Adds to `gateways` those that want what is published on `path`.
    pub fn extend(&self, path: &ChannelId, gateways: &mut Gateways) {
        if self.0.is_empty() {
            return;
        }
        for path in std::iter::once(path.as_str()).chain(path.ancestors()) {
            for gateway in self.0.get(path).map_or(&[][..], Interest::gateways) {
                if !gateways.contains(gateway) {
                    gateways.push(*gateway);
                }
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use turntable_core::key::{NodeId, WorkerId};

    use super::*;

    fn gateway(worker: u16) -> GatewayId {
        GatewayId {
            node: NodeId(0),
            boot: 1,
            worker: WorkerId(worker),
        }
    }

    fn found(prefixes: &Prefixes, path: &str) -> Vec<u16> {
        let mut gateways = Gateways::new();
        prefixes.extend(&ChannelId::parse(path).unwrap(), &mut gateways);
        gateways.iter().map(|gateway| gateway.worker.0).collect()
    }

    #[test]
    fn a_path_is_found_from_below_and_not_from_beside() {
        let mut prefixes = Prefixes::default();
        let a = ChannelId::parse("a").unwrap();
        let ab = ChannelId::parse("a/b").unwrap();
        prefixes.add(&a, gateway(1));
        prefixes.add(&a, gateway(1));
        prefixes.add(&ab, gateway(2));
        prefixes.add(&ab, gateway(1));
        assert_eq!(found(&prefixes, "a"), [1]);
        assert_eq!(found(&prefixes, "a/b/c"), [2, 1]);
        assert!(found(&prefixes, "ab").is_empty());
        assert!(prefixes.want(&ab));
        assert!(!prefixes.want(&ChannelId::parse("ab").unwrap()));
        prefixes.remove(&a, gateway(1));
        prefixes.remove(&ab, gateway(1));
        assert_eq!(found(&prefixes, "a/b/c"), [2]);
        prefixes.remove(&ab, gateway(2));
        assert!(prefixes.0.is_empty());
    }
}
