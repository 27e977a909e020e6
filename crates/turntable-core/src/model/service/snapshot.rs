//! A service as a value, with remaining times.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::pause::Health;
use super::queue::{Load, Queue};
use super::{Instance, Open, Provider, Service, ServiceRequest};
use crate::key::Place;

/// An instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct SavedProvider {
    instance: Instance,
    place: Option<Place>,
    functions: Vec<Box<str>>,
    /// When it was given a call last.
    given: u64,
    failures: u32,
    /// What is left of its pause.
    pause_ms: Option<u64>,
    is_on_trial: bool,
    trial: Option<u64>,
    /// How long it is still behind.
    behind_ms: Option<u64>,
}

/// A call that was not answered yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct SavedCall {
    number: u64,
    request: ServiceRequest,
    /// What is left until its deadline.
    left_ms: u64,
    timeout_ms: u64,
    at: Option<Instance>,
    allowed_ms: u64,
    was_given: bool,
}

/// A service's state as a value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServiceSnapshot {
    providers: Vec<SavedProvider>,
    open: Vec<SavedCall>,
    /// Those that wait, by address and user, in turn.
    waiting: Vec<Vec<Vec<u64>>>,
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
        let saved = |(instance, p): (&Instance, &Provider)| SavedProvider {
            instance: *instance,
            place: p.place,
            functions: p.functions.clone(),
            given: p.given,
            failures: p.health.failures,
            pause_ms: left_ms(p.health.paused_until_ms, now_ms),
            is_on_trial: p.health.is_on_trial,
            trial: p.health.trial,
            behind_ms: left_ms(p.behind_until_ms, now_ms),
        };
        let open = self.open.iter().map(|(number, open)| SavedCall {
            number: *number,
            request: open.request.clone(),
            left_ms: open.deadline_ms.saturating_sub(now_ms),
            timeout_ms: open.timeout_ms,
            at: open.at,
            allowed_ms: open.allowed_ms,
            was_given: open.was_given,
        });
        ServiceSnapshot {
            providers: providers.map(saved).collect(),
            open: open.collect(),
            waiting: self.waiting.save(),
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
            waiting: Queue::default(),
            last: snapshot.last,
            is_off: snapshot.is_off,
            is_direct_only: snapshot.is_direct_only,
            discarded: snapshot.discarded,
            ..Self::default()
        };
        for saved in snapshot.providers {
            let until_ms = |left_ms: Option<u64>| left_ms.map(|left| now_ms.saturating_add(left));
            let paused_until_ms = until_ms(saved.pause_ms);
            let behind_until_ms = until_ms(saved.behind_ms);
            let of = |at_ms| (at_ms, saved.instance);
            service.pauses.extend(paused_until_ms.map(of));
            service.behind.extend(behind_until_ms.map(of));
            let provider = Provider {
                place: saved.place,
                functions: saved.functions,
                in_flight: Load::default(),
                by_address: BTreeMap::new(),
                given: saved.given,
                health: Health {
                    failures: saved.failures,
                    paused_until_ms,
                    is_on_trial: saved.is_on_trial,
                    trial: saved.trial,
                },
                behind_until_ms,
            };
            service.providers.insert(saved.instance, provider);
        }
        for saved in snapshot.open {
            let deadline_ms = now_ms.saturating_add(saved.left_ms);
            service.deadlines.insert((deadline_ms, saved.number));
            let at = saved.at;
            if let Some(provider) = at.and_then(|instance| service.providers.get_mut(&instance)) {
                provider.take(&saved.request);
            }
            let open = Open {
                request: saved.request,
                deadline_ms,
                timeout_ms: saved.timeout_ms,
                at,
                allowed_ms: saved.allowed_ms,
                was_given: saved.was_given,
            };
            service.open.insert(saved.number, open);
        }
        for number in snapshot.waiting.into_iter().flatten().flatten() {
            if let Some(open) = service.open.get(&number) {
                let (from, bytes) = (open.request.sender(), open.request.bytes());
                service.waiting.push(&from, number, bytes, false);
            }
        }
        service.reported = service.state();
        service
    }
}

/// What is left of a time.
fn left_ms(until_ms: Option<u64>, now_ms: u64) -> Option<u64> {
    until_ms.map(|until_ms| until_ms.saturating_sub(now_ms))
}
