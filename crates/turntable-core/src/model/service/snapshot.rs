//! A service as a value, with remaining times.

use serde::{Deserialize, Serialize};

use super::{Instance, Open, Provider, Service, ServiceRequest};
use crate::key::Place;

/// Instance, place, functions, and when it was given a call last.
type SavedProvider = (Instance, Option<Place>, Vec<Box<str>>, u64);

/// A service's state as a value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServiceSnapshot {
    providers: Vec<SavedProvider>,
    /// Number, call, remaining ms, instance.
    open: Vec<(u64, ServiceRequest, u64, Option<Instance>)>,
    waiting: Vec<u64>,
    last: u64,
    is_off: bool,
    is_direct_only: bool,
    discarded: u64,
}

impl Service {
    /// The service as a value, at `now_ms`.
    #[must_use]
    pub fn save(&self, now_ms: u64) -> ServiceSnapshot {
        let providers = self.providers.iter();
        let open = self.open.iter().map(|(number, open)| {
            let left_ms = open.deadline_ms.saturating_sub(now_ms);
            (*number, open.request.clone(), left_ms, open.at)
        });
        ServiceSnapshot {
            providers: providers
                .map(|(instance, p)| (*instance, p.place, p.functions.clone(), p.given))
                .collect(),
            open: open.collect(),
            waiting: self.waiting.iter().copied().collect(),
            last: self.last,
            is_off: self.is_off,
            is_direct_only: self.is_direct_only,
            discarded: self.discarded,
        }
    }

    /// The service of a value.
    #[must_use]
    pub fn restore(snapshot: ServiceSnapshot, now_ms: u64) -> Self {
        let mut service = Self {
            waiting: snapshot.waiting.into_iter().collect(),
            last: snapshot.last,
            is_off: snapshot.is_off,
            is_direct_only: snapshot.is_direct_only,
            discarded: snapshot.discarded,
            ..Self::default()
        };
        for (instance, place, functions, given) in snapshot.providers {
            let provider = Provider {
                place,
                functions,
                in_flight: 0,
                given,
            };
            service.providers.insert(instance, provider);
        }
        for (number, request, left_ms, at) in snapshot.open {
            let deadline_ms = now_ms.saturating_add(left_ms);
            service.deadlines.insert((deadline_ms, number));
            match at.and_then(|instance| service.providers.get_mut(&instance)) {
                Some(provider) => provider.in_flight += 1,
                None => service.waiting_bytes += request.bytes(),
            }
            let open = Open {
                request,
                deadline_ms,
                at,
            };
            service.open.insert(number, open);
        }
        service.reported = service.state();
        service
    }
}
