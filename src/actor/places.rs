//! Where the sessions of one object are.
//!
//! A model knows its sessions by their keys. The actor around it stores the
//! place of each, which changes when a session is resumed elsewhere.

use smallvec::SmallVec;

use turntable_core::key::{Caller, GatewayId, Place, SessionKey};

/// The places of sessions, in the order of their keys. Most users have one
/// session, so one needs no allocation.
#[derive(Debug, Default)]
pub(super) struct Places(SmallVec<[(SessionKey, Place); 1]>);

impl Places {
    /// The session is at that place from now on.
    pub(super) fn bind(&mut self, caller: Caller) {
        match self.search(caller.key) {
            Ok(at) => self.put(at, caller.place),
            Err(at) => {
                // Doubling would waste as much as a user's sessions take.
                if self.0.len() == self.0.capacity() {
                    self.0.reserve_exact(1);
                }
                self.0.insert(at, (caller.key, caller.place));
            }
        }
    }

    /// The session is at that place from now on, if it is one of these. Returns
    /// whether it is.
    pub(super) fn rebind(&mut self, caller: Caller) -> bool {
        let at = self.search(caller.key);
        if let Ok(at) = at {
            self.put(at, caller.place);
        }
        at.is_ok()
    }

    /// Where a session is.
    pub(super) fn get(&self, key: SessionKey) -> Option<Place> {
        let at = self.search(key).ok()?;
        self.0.get(at).map(|(_, place)| *place)
    }

    /// Forgets a session. Returns where it was.
    pub(super) fn remove(&mut self, key: SessionKey) -> Option<Place> {
        let at = self.search(key).ok()?;
        let (_, place) = self.0.remove(at);
        if self.0.is_empty() {
            self.0.shrink_to_fit();
        }
        Some(place)
    }

    /// Whether a gateway has any of them.
    pub(super) fn are_at(&self, gateway: GatewayId) -> bool {
        self.0.iter().any(|(_, place)| place.gateway == gateway)
    }

    fn search(&self, key: SessionKey) -> Result<usize, usize> {
        self.0.binary_search_by_key(&key, |(known, _)| *known)
    }

    fn put(&mut self, at: usize, place: Place) {
        if let Some((_, known)) = self.0.get_mut(at) {
            *known = place;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use turntable_core::key::{NodeId, SessionSlot, SlotKey as _, WorkerId};

    use super::*;

    fn at(key: u64, worker: u16) -> Caller {
        let gateway = GatewayId {
            node: NodeId(0),
            boot: 1,
            worker: WorkerId(worker),
        };
        Caller {
            key: SessionKey::from_number(key),
            place: Place {
                gateway,
                slot: SessionSlot::new(3, 0),
            },
        }
    }

    #[test]
    fn a_resumed_session_is_found_at_its_new_place() {
        let mut places = Places::default();
        for key in [5, 1, 3] {
            places.bind(at(key, 0));
        }
        assert!(places.rebind(at(3, 7)));
        assert!(!places.rebind(at(4, 7)));
        let worker = |places: &Places, key| {
            let place = places.get(SessionKey::from_number(key));
            place.map(|place| place.gateway.worker.0)
        };
        assert_eq!(
            [1, 3, 4, 5].map(|key| worker(&places, key)),
            [Some(0), Some(7), None, Some(0)]
        );
        assert_eq!(
            places.remove(SessionKey::from_number(3)),
            Some(at(3, 7).place)
        );
        assert_eq!(worker(&places, 3), None);
        assert!(places.are_at(at(1, 0).place.gateway));
        assert!(!places.are_at(at(3, 7).place.gateway));
    }

    #[test]
    fn one_session_costs_at_most_forty_bytes() {
        assert!(size_of::<Places>() <= 40, "{}", size_of::<Places>());
    }
}
