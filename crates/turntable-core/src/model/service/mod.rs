//! A service: the instances that provide it, and the calls that wait for them.
//!
//! A call is given to the instance with the fewest calls that offers its function,
//! or waits until one has room. Each call is answered exactly once: by the instance
//! that it was given to, or by an error (deadline, loss of the instance, switched
//! off). Answers that come late, twice or from another instance are discarded and
//! counted.

pub mod answer;
pub mod direct;
pub mod function;
mod hand_out;
mod pause;
pub mod settings;
mod snapshot;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use crate::call::Requester;
use crate::id::UserId;
use crate::key::{Caller, GatewayId, Place, SessionKey};
use crate::limit::Limit;
use crate::packet::{ErrorBody, RequestId};
use crate::payload::Payload;
use crate::reason::ErrorCode;
pub use direct::Direct;
use pause::Health;
pub use settings::{Protocol, ServiceSettings};
pub use snapshot::ServiceSnapshot;

/// The answer to a call.
pub type Outcome = Result<Payload, ErrorBody>;

/// An instance of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Instance {
    /// A session that provides functions.
    Session(SessionKey),
    /// An implementation in the server, or a backend that the server calls.
    Local,
}

/// Who calls, and gets the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    /// A session.
    Session {
        /// Which.
        caller: Caller,
        /// What the command carried; without one no answer is sent.
        id: Option<RequestId>,
    },
    /// The server itself: the operator, or a program that embeds it.
    Server(Requester),
}

/// A call to a function.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServiceRequest {
    /// Who calls.
    pub origin: Origin,
    /// The user of the session that calls; `None`: the server.
    pub user: Option<UserId>,
    /// The function.
    pub function: Box<str>,
    /// The arguments.
    pub args: Option<Payload>,
    /// How long the call may take; `None`: as long as the service's calls.
    pub timeout_ms: Option<u64>,
}

impl ServiceRequest {
    fn bytes(&self) -> usize {
        let args = self.args.as_ref().map_or(0, |args| args.as_json().len());
        let user = self.user.as_ref().map_or(0, |user| user.as_str().len());
        self.function.len() + user + args
    }
}

/// What has to happen.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// An instance gets a call.
    HandOut {
        /// The instance.
        to: Instance,
        /// Where it is, if it is a session.
        place: Option<Place>,
        /// The call's number, which the answer carries.
        number: u64,
        /// The call.
        request: ServiceRequest,
    },
    /// An instance's answer to a call is not awaited any more.
    Cancel {
        /// The instance.
        to: Instance,
        /// Where it is, if it is a session.
        place: Option<Place>,
        /// The call's number.
        number: u64,
    },
    /// A caller gets its answer.
    Answer {
        /// Who called.
        to: Origin,
        /// The answer.
        outcome: Outcome,
    },
    /// The state or the functions have changed.
    Changed,
    /// An instance does not answer, and gets no calls for a while.
    Paused,
}

/// The state that clients see.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ServiceState {
    /// Whether calls are accepted.
    pub is_enabled: bool,
    /// The functions, in alphabetical order.
    pub functions: Vec<Box<str>>,
    /// Where clients may connect to it directly.
    pub direct: Option<Box<Direct>>,
}

#[derive(Debug, Clone, PartialEq)]
struct Provider {
    place: Option<Place>,
    functions: Vec<Box<str>>,
    in_flight: usize,
    /// When it was given a call last, as a count of calls.
    given: u64,
    health: Health,
}

#[derive(Debug, Clone, PartialEq)]
struct Open {
    request: ServiceRequest,
    deadline_ms: u64,
    /// The instance that has it; `None` while it waits.
    at: Option<Instance>,
}

/// The state of one service.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Service {
    providers: BTreeMap<Instance, Provider>,
    open: BTreeMap<u64, Open>,
    deadlines: BTreeSet<(u64, u64)>,
    /// The instances that have a pause, by its end.
    pauses: BTreeSet<(u64, Instance)>,
    waiting: VecDeque<u64>,
    waiting_bytes: usize,
    last: u64,
    /// Whether it was switched off.
    is_off: bool,
    /// Whether clients connect to it directly and in no other way.
    is_direct_only: bool,
    /// The state that was reported last.
    reported: ServiceState,
    /// Whether it may be another one by now.
    is_stale: bool,
    /// Answers to no open call of their sender.
    discarded: u64,
}

fn down(message: &'static str) -> ErrorBody {
    ErrorBody::new(ErrorCode::ServiceDown, message).of("call")
}

/// The service is disabled for the user who calls.
#[must_use]
pub fn disabled_for_user() -> ErrorBody {
    ErrorBody::new(
        ErrorCode::ServiceDown,
        "the service is disabled for this user",
    )
}

impl Service {
    /// A service whose calls have numbers above `last`.
    #[must_use]
    pub fn after(last: u64) -> Self {
        Self {
            last,
            ..Self::default()
        }
    }

    /// The state that clients see, without the address for direct connections.
    #[must_use]
    pub fn state(&self) -> ServiceState {
        let serving = self.providers.values().filter(|p| !p.is_paused());
        let functions: BTreeSet<&Box<str>> = serving.flat_map(|p| &p.functions).collect();
        ServiceState {
            is_enabled: !self.is_off && (self.is_direct_only || !functions.is_empty()),
            functions: functions.into_iter().cloned().collect(),
            direct: None,
        }
    }

    /// Whether it has no instance and no call.
    #[must_use]
    pub fn is_unused(&self) -> bool {
        self.providers.is_empty() && self.open.is_empty()
    }

    /// Instances, those that have withdrawn and answer their last calls among them.
    #[must_use]
    pub fn instances(&self) -> usize {
        self.providers.len()
    }

    /// Calls that were not answered yet.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.len()
    }

    /// Answers that were discarded.
    #[must_use]
    pub const fn discarded(&self) -> u64 {
        self.discarded
    }

    /// When the next call has to be answered, or the next pause ends, Unix ms.
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        let deadline = self.deadlines.first().map(|(at_ms, _)| *at_ms);
        let pause = self.pauses.first().map(|(at_ms, _)| *at_ms);
        deadline.into_iter().chain(pause).min()
    }

    /// An instance provides these functions from now on, in place of those before;
    /// none withdraws it: it gets no more calls and may answer those it has.
    ///
    /// # Errors
    /// `too_many` instances.
    pub fn provide(
        &mut self,
        instance: Instance,
        place: Option<Place>,
        mut functions: Vec<Box<str>>,
        settings: &ServiceSettings,
    ) -> Result<Vec<Effect>, ErrorBody> {
        if !settings.functions.is_empty() {
            functions.retain(|name| settings.functions.iter().any(|known| **known == **name));
        }
        functions.sort_unstable();
        functions.dedup();
        let (count, max) = (self.providers.len(), settings.instances_max);
        match self.providers.get_mut(&instance) {
            Some(provider) => {
                provider.place = place;
                provider.functions = functions;
            }
            None if functions.is_empty() => {}
            // What the server itself provides is one, and the configuration's.
            None if count >= max && instance != Instance::Local => {
                let error = ErrorBody::new(
                    ErrorCode::TooMany,
                    format!("the service has {max} instances"),
                );
                return Err(error.with("max", max as u64).by(Limit::ServiceInstances));
            }
            None => {
                let provider = Provider {
                    place,
                    functions,
                    in_flight: 0,
                    given: 0,
                    health: Health::default(),
                };
                self.providers.insert(instance, provider);
            }
        }
        let mut effects = Vec::new();
        self.is_stale = true;
        self.drop_drained(instance);
        self.settle(settings, &mut effects);
        Ok(effects)
    }

    /// A withdrawn instance that has answered everything is forgotten.
    fn drop_drained(&mut self, instance: Instance) {
        let is_drained = |p: &Provider| p.functions.is_empty() && p.in_flight == 0;
        if self.providers.get(&instance).is_some_and(is_drained) {
            self.remove(instance);
        }
    }

    /// Removes an instance. Returns whether there was one.
    fn remove(&mut self, instance: Instance) -> bool {
        let Some(provider) = self.providers.remove(&instance) else {
            return false;
        };
        self.forget_pause(instance, &provider.health);
        self.is_stale = true;
        true
    }

    /// An instance is gone. Its calls go to others if they may be repeated.
    pub fn gone(&mut self, instance: Instance, settings: &ServiceSettings) -> Vec<Effect> {
        let mut effects = Vec::new();
        if !self.remove(instance) {
            return effects;
        }
        let of = |(number, open): (&u64, &Open)| (open.at == Some(instance)).then_some(*number);
        let numbers: Vec<u64> = self.open.iter().filter_map(of).collect();
        for number in numbers.into_iter().rev() {
            let Some(open) = self.open.get_mut(&number) else {
                continue;
            };
            if settings.is_idempotent(&open.request.function) {
                open.at = None;
                self.waiting_bytes += open.request.bytes();
                self.waiting.push_front(number);
            } else {
                let error = down(
                    "the instance of the service that had the call is gone; it may have carried it out or not",
                );
                self.answer(number, Err(error), &mut effects);
            }
        }
        self.settle(settings, &mut effects);
        effects
    }

    /// A session calls a function.
    pub fn call(
        &mut self,
        request: ServiceRequest,
        settings: &ServiceSettings,
        now_ms: u64,
    ) -> Vec<Effect> {
        let mut effects = Vec::new();
        if let Err(error) = self.may_call(&request, settings) {
            effects.push(Effect::Answer {
                to: request.origin,
                outcome: Err(error.of("call")),
            });
            return effects;
        }
        self.last += 1;
        let number = self.last;
        let timeout_ms = request.timeout_ms.unwrap_or(settings.timeout_ms);
        let deadline_ms = now_ms.saturating_add(timeout_ms);
        self.waiting_bytes += request.bytes();
        self.waiting.push_back(number);
        self.deadlines.insert((deadline_ms, number));
        let open = Open {
            request,
            deadline_ms,
            at: None,
        };
        self.open.insert(number, open);
        self.settle(settings, &mut effects);
        effects
    }

    fn may_call(
        &self,
        request: &ServiceRequest,
        settings: &ServiceSettings,
    ) -> Result<(), ErrorBody> {
        if self.is_off {
            return Err(down("the service is disabled"));
        }
        let is_down = self.providers.values().all(|p| p.functions.is_empty());
        if is_down && self.is_direct_only {
            return Err(down(
                "the service is not called through the server; $av:direct has its address",
            ));
        }
        if is_down {
            return Err(down("the service is down: it has no instance"));
        }
        let mut providers = self.providers.values();
        let is_offered = self.is_offered(&request.function);
        if !is_offered && providers.any(|p| p.is_paused() && p.has(&request.function)) {
            return Err(down(
                "the service is down: its instances have not answered lately",
            ));
        }
        if !is_offered {
            let offered = self.state().functions.join(", ");
            let mut message = format!("the service has no such function; it has {offered}");
            message.truncate(message.floor_char_boundary(512));
            return Err(ErrorBody::new(ErrorCode::NotFound, message));
        }
        let bytes = self.waiting_bytes + request.bytes();
        let is_full = self.waiting.len() >= settings.queue_max;
        let is_heavy = !self.waiting.is_empty() && bytes > settings.queue_bytes_max;
        if (is_full && !self.has_room(&request.function, settings)) || is_heavy {
            let error = ErrorBody::new(
                ErrorCode::Unavailable,
                "too many calls wait for the service; try again later",
            );
            return Err(error.by(Limit::ServiceQueue));
        }
        Ok(())
    }

    /// An instance answers a call.
    pub fn reply(
        &mut self,
        from: Instance,
        number: u64,
        outcome: Outcome,
        settings: &ServiceSettings,
    ) -> Vec<Effect> {
        let mut effects = Vec::new();
        if self.open.get(&number).and_then(|open| open.at) != Some(from) {
            self.discarded += 1;
            return effects;
        }
        self.note_answer(from);
        self.answer(number, outcome, &mut effects);
        self.settle(settings, &mut effects);
        effects
    }

    /// The deadlines and pauses of now are over.
    pub fn expire(&mut self, settings: &ServiceSettings, now_ms: u64) -> Vec<Effect> {
        let mut effects = Vec::new();
        while let Some(&(at_ms, number)) = self.deadlines.first()
            && at_ms <= now_ms
        {
            self.cancel(number, &mut effects);
            if let Some(instance) = self.open.get(&number).and_then(|open| open.at) {
                self.note_deadline((instance, number), settings, now_ms, &mut effects);
            }
            let error = ErrorBody::new(ErrorCode::Timeout, "the service did not answer in time");
            self.answer(number, Err(error.of("call")), &mut effects);
        }
        self.end_pauses(now_ms);
        self.settle(settings, &mut effects);
        effects
    }

    /// Switches the service on or off. What is open when it is switched off is
    /// answered `service_down`.
    pub fn switch(&mut self, is_on: bool, settings: &ServiceSettings) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.is_off = !is_on;
        self.is_stale = true;
        if self.is_off {
            let numbers: Vec<u64> = self.open.keys().copied().collect();
            for number in numbers {
                self.cancel(number, &mut effects);
                self.answer(number, Err(down("the service is disabled")), &mut effects);
            }
        }
        self.settle(settings, &mut effects);
        effects
    }

    /// The service is disabled for a user: the calls of its sessions at this gateway, which
    /// sends no more, are answered `service_down`.
    pub fn end_calls(
        &mut self,
        gateway: GatewayId,
        user: &UserId,
        settings: &ServiceSettings,
    ) -> Vec<Effect> {
        let mut effects = Vec::new();
        let is_meant = |request: &ServiceRequest| match &request.origin {
            Origin::Session { caller, .. } => {
                caller.place.gateway == gateway && request.user.as_ref() == Some(user)
            }
            Origin::Server(_) => false,
        };
        let open = self.open.iter();
        let meant = open.filter(|(_, open)| is_meant(&open.request));
        let numbers: Vec<u64> = meant.map(|(number, _)| *number).collect();
        for number in numbers {
            self.cancel(number, &mut effects);
            self.answer(number, Err(disabled_for_user().of("call")), &mut effects);
        }
        self.settle(settings, &mut effects);
        effects
    }

    fn cancel(&self, number: u64, effects: &mut Vec<Effect>) {
        if let Some(to) = self.open.get(&number).and_then(|open| open.at) {
            let place = self.providers.get(&to).and_then(|provider| provider.place);
            effects.push(Effect::Cancel { to, place, number });
        }
    }
}
