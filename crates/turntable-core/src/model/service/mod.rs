//! A service: the instances that provide it, and the calls that wait for them.
//!
//! A call is given to the instance with the fewest calls that offers its function,
//! or waits until one has room. Each call is answered exactly once: by the instance
//! that it was given to, or by an error (deadline, loss of the instance, switched
//! off). Answers that come late, twice or from another instance are discarded and
//! counted.

mod admit;
pub mod answer;
mod behind;
pub mod direct;
mod end;
#[cfg(test)]
mod fair_tests;
pub mod function;
mod hand_out;
mod pause;
mod queue;
pub mod settings;
mod snapshot;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::call::Requester;
use crate::id::UserId;
use crate::key::{Caller, Place, SessionKey};
use crate::limit::Limit;
use crate::packet::{ErrorBody, RequestId};
use crate::payload::Payload;
use crate::reason::ErrorCode;
pub use admit::hide_reasons;
use admit::lost;
pub use direct::Direct;
use pause::Health;
use queue::{Load, Queue, Sender};
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
    /// The address of its client; `None`: unknown, or the server.
    pub address: Option<Address>,
    /// The function.
    pub function: Box<str>,
    /// The arguments.
    pub args: Option<Payload>,
    /// How long the call may take; `None`: as long as the service's calls.
    pub timeout_ms: Option<u64>,
}

/// What a call has beside its texts, as it is sent to an instance.
const CALL_BYTES: usize = 128;

impl ServiceRequest {
    /// About how many bytes an instance is sent for it.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let args = self.args.as_ref().map_or(0, |args| args.as_json().len());
        let user = self.user.as_ref().map_or(0, |user| user.as_str().len());
        CALL_BYTES + self.function.len() + user + args
    }

    fn sender(&self) -> Sender {
        Sender {
            address: self.address,
            user: self.user.clone(),
        }
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
        /// When the call began, Unix ms; `None` for one that was refused.
        began_ms: Option<u64>,
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
    in_flight: Load,
    /// What it has of each address.
    by_address: BTreeMap<Address, Load>,
    /// When it was given a call last, as a count of calls.
    given: u64,
    health: Health,
    /// Until when others are given calls first, Unix ms: it is behind with reading.
    behind_until_ms: Option<u64>,
}

#[derive(Debug, Clone, PartialEq)]
struct Open {
    request: ServiceRequest,
    deadline_ms: u64,
    /// How long it may take in all.
    timeout_ms: u64,
    /// The instance that has it; `None` while it waits.
    at: Option<Instance>,
    /// How long before the deadline the instance was given it.
    allowed_ms: u64,
    /// Whether an instance had it that is gone: it may have carried it out.
    was_given: bool,
}

impl Open {
    /// The answer to one that waits no longer: `why`, which says that it was not carried
    /// out, unless that is not known.
    fn unless_given(&self, why: ErrorBody) -> ErrorBody {
        match self.was_given {
            true => lost(),
            false => why,
        }
    }

    /// Whether the instance that has it was given it early enough to be blamed if it does
    /// not answer in time.
    const fn is_fair(&self) -> bool {
        self.allowed_ms >= self.timeout_ms / 2
    }

    /// Whether so little time is left that no instance is given it any more.
    const fn is_late(&self, now_ms: u64) -> bool {
        self.deadline_ms.saturating_sub(now_ms) < self.timeout_ms / 4
    }
}

/// The state of one service.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Service {
    providers: BTreeMap<Instance, Provider>,
    open: BTreeMap<u64, Open>,
    deadlines: BTreeSet<(u64, u64)>,
    /// The instances that have a pause, by its end.
    pauses: BTreeSet<(u64, Instance)>,
    /// The instances that are behind, by the end of that.
    behind: BTreeSet<(u64, Instance)>,
    waiting: Queue,
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

    /// Whether an operator has disabled it.
    #[must_use]
    pub const fn is_off(&self) -> bool {
        self.is_off
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

    /// When the next call has to be answered, or the next instance gets calls again, Unix ms.
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        let deadline = self.deadlines.first().map(|(at_ms, _)| *at_ms);
        let ends = [&self.pauses, &self.behind].map(|ends| ends.first().map(|(at_ms, _)| *at_ms));
        deadline.into_iter().chain(ends.into_iter().flatten()).min()
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
        now_ms: u64,
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
                    in_flight: Load::default(),
                    by_address: BTreeMap::new(),
                    given: 0,
                    health: Health::default(),
                    behind_until_ms: None,
                };
                self.providers.insert(instance, provider);
            }
        }
        let mut effects = Vec::new();
        self.is_stale = true;
        self.drop_drained(instance);
        self.settle(settings, now_ms, &mut effects);
        Ok(effects)
    }

    /// A session that calls is at another place: the answers to its open calls go there.
    pub fn moved(&mut self, caller: Caller) {
        for open in self.open.values_mut() {
            if let Origin::Session { caller: of, .. } = &mut open.request.origin
                && of.key == caller.key
            {
                *of = caller;
            }
        }
    }

    /// A withdrawn instance that has answered everything is forgotten.
    fn drop_drained(&mut self, instance: Instance) {
        let is_drained = |p: &Provider| p.functions.is_empty() && p.in_flight.calls == 0;
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
        self.forget_behind(instance, provider.behind_until_ms);
        self.is_stale = true;
        true
    }

    /// An instance is gone. Its calls go to others if they may be repeated.
    pub fn gone(
        &mut self,
        instance: Instance,
        settings: &ServiceSettings,
        now_ms: u64,
    ) -> Vec<Effect> {
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
                open.was_given = true;
                let (from, bytes) = (open.request.sender(), open.request.bytes());
                self.waiting.push(&from, number, bytes, true);
            } else {
                self.answer(number, Err(lost()), &mut effects);
            }
        }
        self.settle(settings, now_ms, &mut effects);
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
        let may_call = self.may_call(&request);
        let admitted = may_call.and_then(|()| self.make_room(&request, settings, &mut effects));
        if let Err(error) = admitted {
            effects.push(Effect::Answer {
                to: request.origin,
                outcome: Err(error.of("call")),
                began_ms: None,
            });
            return effects;
        }
        self.last += 1;
        let number = self.last;
        let timeout_ms = request.timeout_ms.unwrap_or(settings.timeout_ms);
        let deadline_ms = now_ms.saturating_add(timeout_ms);
        self.waiting
            .push(&request.sender(), number, request.bytes(), false);
        self.deadlines.insert((deadline_ms, number));
        let open = Open {
            request,
            deadline_ms,
            timeout_ms,
            at: None,
            allowed_ms: 0,
            was_given: false,
        };
        self.open.insert(number, open);
        self.settle(settings, now_ms, &mut effects);
        effects
    }

    /// An instance answers a call.
    pub fn reply(
        &mut self,
        from: Instance,
        number: u64,
        outcome: Outcome,
        settings: &ServiceSettings,
        now_ms: u64,
    ) -> Vec<Effect> {
        let mut effects = Vec::new();
        if self.open.get(&number).and_then(|open| open.at) != Some(from) {
            self.discarded += 1;
            return effects;
        }
        self.note_answer(from);
        self.answer(number, outcome, &mut effects);
        self.settle(settings, now_ms, &mut effects);
        effects
    }
}
