//! The actor of one service.
//!
//! Owns the calls to the service and the state that clients see. Gateways call it
//! through the directory. If it panics its open calls are lost: the gateways answer
//! them `unavailable` and announce the sessions that provide functions to its
//! replacement.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use actix::{Actor, ActorContext, AsyncContext, Context, Handler};

use crate::actor::beginning;
use crate::actor::directory::Unused;
use crate::actor::listing::{OwnerActor, Recovered, Stop};
use crate::actor::owner_call::QueuedCall;
use crate::actor::{ActorSettings, Shared};
use crate::clock;
use crate::log_limit::LogLimit;
use crate::metric::ServiceMetrics;
use crate::service::{Begun, Running, ServiceCaller};
use crate::slow;
use turntable_core::call::{Requester, ServiceCall};
use turntable_core::delivery::{Answer, Delivery};
use turntable_core::key::GatewayId;
use turntable_core::model::interest::Interest;
use turntable_core::model::service::{
    Effect, Instance, Origin, Outcome, Service as Model, ServiceRequest, ServiceSettings, function,
    hide_reasons,
};
use turntable_core::owner::OwnerId;
use turntable_core::packet::{ErrorBody, ReplyData, ServerPacket};
use turntable_core::reason::ErrorCode;

/// Numbers of calls for each ms that a service lives, as a power of two: far more than
/// it can have.
const NUMBERS_A_MS: u32 = 20;

/// Below the numbers of the calls of a service that begins at `now_ms`.
const fn first_number(now_ms: u64) -> u64 {
    now_ms << NUMBERS_A_MS
}

/// Instances may be silent for long.
static PAUSED: LogLimit = LogLimit::new();

/// The label of what users offer, in metrics; no service can have this name.
const FUNCTIONS: &str = "(functions)";

/// The actor.
pub struct Service {
    shared: Shared,
    name: Box<str>,
    model: Model,
    /// The gateways, which want to know the state.
    interest: Interest,
    /// Calls that an implementation in the server carries out.
    running: HashMap<u64, Running>,
    /// When the next deadline is looked at, Unix ms.
    armed_ms: Option<u64>,
    metrics: ServiceMetrics,
    /// What the metrics have of this service: open calls, and discarded answers.
    counted: (i64, u64),
    /// Calls that it has seen.
    seen: u64,
}

impl OwnerActor for Service {
    type Id = Box<str>;
    type Call = ServiceCall;
    type Place = ();

    fn hold(_: Option<beginning::Begun>) {}

    fn make(shared: &Shared, name: Box<str>, _: bool) -> Self {
        let settings = shared.settings();
        // Answers to calls of the service before this one, if it was lost, fit none.
        let mut model = Model::after(first_number(clock::now_ms()));
        if let Some(entry) = settings.services.get(&*name) {
            let local = settings.local_services.get(&name);
            let functions = local.map(|local| local.functions()).unwrap_or_default();
            // A new service has room for one instance.
            let _ = model.provide(Instance::Local, None, functions, entry, clock::now_ms());
        }
        if shared.services_off.borrow().contains(&name) {
            let _ = model.switch(false, &settings_of(&settings, &name), clock::now_ms());
        }
        Self {
            // Users are many: what they offer is counted together.
            metrics: shared.metrics.service(match function::parts(&name) {
                Some(_) => FUNCTIONS,
                None => &name,
            }),
            shared: shared.clone(),
            name,
            model,
            interest: Interest::default(),
            running: HashMap::new(),
            armed_ms: None,
            counted: (0, 0),
            seen: 0,
        }
    }
}

/// The settings of a service, which may be what a user offers.
fn settings_of<'a>(all: &'a ActorSettings, name: &str) -> Cow<'a, ServiceSettings> {
    match (function::parts(name), all.services.get(name)) {
        (Some(_), _) => Cow::Owned(all.functions.service()),
        (None, Some(settings)) => Cow::Borrowed(settings),
        (None, None) => Cow::Owned(ServiceSettings::default()),
    }
}

impl Service {
    fn step(&mut self, call: ServiceCall) {
        let all = self.shared.settings();
        let settings = settings_of(&all, &self.name);
        let (settings, now_ms) = (settings.as_ref(), clock::now_ms());
        let effects = match call {
            ServiceCall::Watch { gateway } => {
                self.interest.add(gateway);
                return self.report(&[gateway]);
            }
            ServiceCall::Provide {
                caller, functions, ..
            } => {
                let instance = Instance::Session(caller.key);
                let place = Some(caller.place);
                match self
                    .model
                    .provide(instance, place, functions, settings, now_ms)
                {
                    Ok(effects) => effects,
                    Err(error) => return self.shared.refuse(caller, error.of("provide"), None),
                }
            }
            ServiceCall::Gone { caller } => {
                let instance = Instance::Session(caller.key);
                self.model.gone(instance, settings, now_ms)
            }
            ServiceCall::Call(request) => {
                self.metrics.calls.inc();
                let mut effects = self.model.call(request, settings, now_ms);
                if function::parts(&self.name).is_some() {
                    hide_reasons(&mut effects);
                }
                effects
            }
            ServiceCall::Reply {
                from,
                number,
                outcome,
            } => {
                self.running.remove(&number);
                self.model.reply(from, number, outcome, settings, now_ms)
            }
            ServiceCall::Returned { from, number } => {
                self.model.returned(from, number, settings, now_ms)
            }
            ServiceCall::Moved { caller } => return self.model.moved(caller),
            ServiceCall::Inspect { requester } => return self.inspect(requester),
            ServiceCall::Switch { is_on } => {
                let mut off = self.shared.services_off.borrow_mut();
                match is_on {
                    true => off.remove(&self.name),
                    false => off.insert(self.name.clone()),
                };
                self.model.switch(is_on, settings, now_ms)
            }
            ServiceCall::EndCalls { gateway, user } => {
                self.model.end_calls(gateway, &user, settings, now_ms)
            }
            ServiceCall::Look => {
                let local = all.local_services.get(&self.name);
                let functions = local.map(|local| local.functions()).unwrap_or_default();
                let provided =
                    self.model
                        .provide(Instance::Local, None, functions, settings, now_ms);
                // Its place is free: other instances leave one for it.
                provided.unwrap_or_default()
            }
            ServiceCall::Announce {
                gateway, providers, ..
            } => {
                let mut effects = Vec::new();
                for (caller, functions) in providers {
                    let instance = Instance::Session(caller.key);
                    let place = Some(caller.place);
                    let provided = self
                        .model
                        .provide(instance, place, functions, settings, now_ms);
                    effects.extend(provided.unwrap_or_default());
                }
                // What a user offers is not announced.
                if function::parts(&self.name).is_none() {
                    self.interest.add(gateway);
                    self.report(&[gateway]);
                }
                effects
            }
        };
        self.apply(effects, settings);
    }

    fn inspect(&self, Requester { gateway, ticket }: Requester) {
        let answer = Answer::Service {
            state: self.model.state(),
            is_off: self.model.is_off(),
            instances: self.model.instances() as u64,
            open: self.model.open() as u64,
        };
        let answered = Delivery::Answered {
            ticket,
            answer: Ok(answer),
        };
        self.shared.bus.send(gateway, answered);
    }

    /// What a user offered and does not any more is forgotten.
    fn end_if_unused(&self) {
        if function::parts(&self.name).is_some() && self.model.is_unused() {
            self.shared.unused(Unused {
                owner: OwnerId::Service(self.name.clone()),
                seen: self.seen,
                last_seen_ms: None,
                watchers: Interest::default(),
            });
        }
    }

    fn apply(&mut self, effects: Vec<Effect>, settings: &ServiceSettings) {
        let mut due = VecDeque::from(effects);
        while let Some(effect) = due.pop_front() {
            match effect {
                Effect::HandOut {
                    place: Some(to),
                    number,
                    request,
                    ..
                } => {
                    let (service, request) = (self.name.clone(), Box::new(request));
                    let call = Delivery::HandOut {
                        to,
                        service,
                        number,
                        request,
                    };
                    self.shared.bus.send(to.gateway, call);
                }
                Effect::HandOut {
                    place: None,
                    number,
                    request,
                    ..
                } => {
                    if let Some(outcome) = self.run(number, request) {
                        let now_ms = clock::now_ms();
                        let reply =
                            self.model
                                .reply(Instance::Local, number, outcome, settings, now_ms);
                        due.extend(reply);
                    }
                }
                Effect::Cancel {
                    place: Some(to),
                    number,
                    ..
                } => {
                    let service = self.name.clone();
                    let cancel = Delivery::Cancel {
                        to,
                        service,
                        number,
                    };
                    self.shared.bus.send(to.gateway, cancel);
                }
                Effect::Cancel { number, .. } => {
                    // Its end aborts it.
                    self.running.remove(&number);
                }
                Effect::Answer {
                    to,
                    outcome,
                    began_ms,
                } => {
                    self.measure(began_ms, clock::now_ms());
                    self.answer(to, outcome);
                }
                Effect::Changed => self.report(self.interest.gateways()),
                Effect::Paused => self.note_pause(),
            }
        }
        self.count(self.model.open() as i64);
    }

    /// A call that began at this time has its answer; a refused one took no time.
    fn measure(&self, began_ms: Option<u64>, now_ms: u64) {
        let Some(began_ms) = began_ms else {
            return;
        };
        let took = Duration::from_millis(now_ms.saturating_sub(began_ms));
        self.metrics.duration.observe_duration(took);
        // How long users take is their matter, and many lines of them would hide those of services.
        if function::parts(&self.name).is_none() {
            slow::note(took, slow::Kind::Service, || {
                format!("a call to the service {}", self.name)
            });
        }
    }

    /// The operator learns of an instance that does not answer.
    fn note_pause(&self) {
        if let Some(left_out) = PAUSED.admit(clock::now_ms()) {
            let name = &self.name;
            log::warn!("service {name}: an instance does not answer, and has a pause{left_out}");
        }
    }

    fn count(&mut self, open: i64) {
        let discarded = self.model.discarded();
        self.metrics.open.inc_by(open - self.counted.0);
        let more = discarded.saturating_sub(self.counted.1);
        self.metrics.discarded.inc_by(more);
        self.counted = (open, discarded);
    }

    /// Has an implementation in the server carry a call out. Returns the answer, where it is
    /// there at once.
    fn run(&mut self, number: u64, request: ServiceRequest) -> Option<Outcome> {
        let settings = self.shared.settings();
        let (name, owners) = (self.name.clone(), self.shared.owners.clone());
        let reply = move |outcome| {
            let call = ServiceCall::Reply {
                from: Instance::Local,
                number,
                outcome,
            };
            owners.service(&name, call);
        };
        let Some(service) = settings.local_services.get(&self.name) else {
            let message = "the implementation of the service is gone";
            return Some(Err(ErrorBody::new(ErrorCode::ServiceDown, message)));
        };
        let caller = ServiceCaller {
            user: request.user,
            number,
        };
        let (function, args) = (request.function, request.args);
        let services = &settings.local_services;
        match services.run(service, caller, function, args, reply) {
            Begun::Answered(outcome) => Some(outcome),
            Begun::Running(running) => {
                self.running.insert(number, running);
                None
            }
        }
    }

    fn answer(&self, to: Origin, outcome: Outcome) {
        if let Err(error) = &outcome {
            self.metrics.fail(error.code);
            if let Some(limit) = error.limit {
                self.shared.metrics.limit(limit);
            }
        }
        let (caller, id) = match to {
            Origin::Session {
                caller,
                id: Some(id),
            } => (caller, id),
            Origin::Session { id: None, .. } => return,
            Origin::Server(Requester { gateway, ticket }) => {
                let answer = outcome.map(Answer::Result).map_err(Box::new);
                let answered = Delivery::Answered { ticket, answer };
                return self.shared.bus.send(gateway, answered);
            }
        };
        let packet = match outcome {
            Ok(result) => ServerPacket::Reply(ReplyData::Value(result)),
            Err(error) => ServerPacket::Error(Box::new(error.of("call"))),
        };
        let to = caller.place;
        let frame = self.shared.frame(&packet, Some(&id));
        let answer = Delivery::Answer { to, frame, id };
        self.shared.bus.send(to.gateway, answer);
    }

    fn report(&self, gateways: &[GatewayId]) {
        let state = self.model.state();
        for gateway in gateways {
            let report = Delivery::Service {
                name: self.name.clone(),
                state: state.clone(),
            };
            self.shared.bus.send(*gateway, report);
        }
    }

    /// Looks at the next deadline when it comes.
    fn arm(&mut self, ctx: &mut Context<Self>) {
        let Some(at_ms) = self.model.next_deadline() else {
            return;
        };
        if self.armed_ms.is_some_and(|armed_ms| armed_ms <= at_ms) {
            return;
        }
        self.armed_ms = Some(at_ms);
        let wait_ms = at_ms.saturating_sub(clock::now_ms());
        ctx.run_later(Duration::from_millis(wait_ms), move |service, ctx| {
            if service.armed_ms == Some(at_ms) {
                service.armed_ms = None;
            }
            let all = service.shared.settings();
            let settings = settings_of(&all, &service.name);
            let effects = service.model.expire(&settings, clock::now_ms());
            service.apply(effects, &settings);
            service.end_if_unused();
            service.arm(ctx);
        });
    }
}

impl Actor for Service {
    type Context = Context<Self>;
}

impl Drop for Service {
    fn drop(&mut self) {
        self.count(0);
        if std::thread::panicking() {
            self.shared.lost(OwnerId::Service(self.name.clone()));
        }
    }
}

impl Handler<QueuedCall<ServiceCall>> for Service {
    type Result = ();

    fn handle(&mut self, queued: QueuedCall<ServiceCall>, ctx: &mut Self::Context) {
        let Some(call) = queued.open() else {
            return;
        };
        // The gateways answer what is lost, when they learn of the loss.
        #[cfg(debug_assertions)]
        self.shared
            .fail_if_requested(&OwnerId::Service(self.name.clone()));
        self.seen += 1;
        self.step(call);
        self.end_if_unused();
        self.arm(ctx);
    }
}

impl Handler<Recovered> for Service {
    type Result = ();

    fn handle(&mut self, _: Recovered, _: &mut Self::Context) {
        self.report(self.interest.gateways());
        self.end_if_unused();
    }
}

impl Handler<Stop> for Service {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_a_service_are_above_all_of_one_that_began_a_ms_before() {
        let now_ms = clock::now_ms();
        let calls_per_ms = 1_000_000;
        assert!(first_number(now_ms) + calls_per_ms < first_number(now_ms + 1));
        // For three centuries more.
        let year_ms = 366 * 86_400_000;
        assert!((now_ms + 300 * year_ms).leading_zeros() >= NUMBERS_A_MS);
    }
}
