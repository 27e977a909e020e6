//! Which gateways have subscribers.
//!
//! An owner sends one message per gateway, whatever the number of subscribers
//! there; so it counts subscribers by gateway and knows none of them.

use smallvec::SmallVec;

use crate::key::GatewayId;

/// Subscribers counted by gateway.
#[derive(Debug, Default, Clone)]
pub struct Audience(SmallVec<[(GatewayId, u32); 2]>);

impl Audience {
    /// One more subscriber at `gateway`.
    pub fn add(&mut self, gateway: GatewayId) {
        match self.0.iter_mut().find(|(known, _)| *known == gateway) {
            Some((_, count)) => *count += 1,
            None => self.0.push((gateway, 1)),
        }
    }

    /// One subscriber fewer at `gateway`.
    pub fn remove(&mut self, gateway: GatewayId) {
        if let Some(at) = self.0.iter().position(|(known, _)| *known == gateway)
            && let Some((_, count)) = self.0.get_mut(at)
        {
            *count -= 1;
            if *count == 0 {
                self.0.swap_remove(at);
            }
        }
    }

    /// The gateways with at least one subscriber.
    pub fn gateways(&self) -> impl Iterator<Item = GatewayId> {
        self.0.iter().map(|(gateway, _)| *gateway)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All subscribers.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.iter().map(|(_, count)| *count as usize).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{NodeId, WorkerId};

    fn gateway(worker: u16) -> GatewayId {
        GatewayId {
            node: NodeId(0),
            boot: 1,
            worker: WorkerId(worker),
        }
    }

    #[test]
    fn a_gateway_is_named_once_for_all_its_subscribers() {
        let mut audience = Audience::default();
        let [one, three, seven] = [1, 3, 7].map(gateway);
        for gateway in [three, one, three] {
            audience.add(gateway);
        }
        assert_eq!(audience.gateways().collect::<Vec<_>>(), [three, one]);
        audience.remove(three);
        assert_eq!(audience.count(), 2);
        audience.remove(three);
        audience.remove(seven);
        assert_eq!(audience.gateways().collect::<Vec<_>>(), [one]);
        audience.remove(one);
        assert!(audience.is_empty());
    }
}
