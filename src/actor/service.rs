//! The actor of one service.
//!
//! Owns the calls to the service and the state that clients see. Gateways call it
//! through the directory. If it panics its open calls are lost: the gateways answer
//! them `unavailable` and announce the sessions that provide functions to its
//! replacement.

use std::collections::HashMap;
use std::time::Duration;

use actix::{Actor, ActorContext, AsyncContext, Context, Handler};

use crate::actor::Shared;
use crate::actor::letter::Letter;
use crate::actor::listing::{OwnerActor, Recovered, Stop};
use crate::clock;
use crate::metric::ServiceMetrics;
use crate::service::{Running, ServiceCaller};
use turntable_core::call::ServiceCall;
use turntable_core::delivery::Delivery;
use turntable_core::key::{Caller, GatewayId};
use turntable_core::model::interest::Interest;
use turntable_core::model::service::{
    Effect, Instance, Outcome, Service as Model, ServiceRequest, ServiceSettings,
};
use turntable_core::owner::OwnerId;
use turntable_core::packet::{ErrorBody, ReplyData, RequestId, ServerPacket};
use turntable_core::reason::ErrorCode;

/// Numbers of calls for each ms that a service lives, as a power of two: far more than
/// it can have.
const NUMBERS_A_MS: u32 = 20;

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
}

impl OwnerActor for Service {
    type Id = Box<str>;
    type Call = ServiceCall;

    fn make(shared: &Shared, name: Box<str>, _: bool) -> Self {
        let settings = shared.settings();
        // Answers to calls of the service before this one, if it was lost, fit none.
        let mut model = Model::after(clock::now_ms() << NUMBERS_A_MS);
        if let Some(local) = settings.local_services.get(&name)
            && let Some(entry) = settings.services.get(&*name)
        {
            // A new service has room for one instance.
            let _ = model.provide(Instance::Local, None, local.functions(), entry);
        }
        Self {
            metrics: shared.metrics.service(&name),
            shared: shared.clone(),
            name,
            model,
            interest: Interest::default(),
            running: HashMap::new(),
            armed_ms: None,
        }
    }
}

impl Service {
    fn step(&mut self, call: ServiceCall) {
        let all = self.shared.settings();
        let unused = ServiceSettings::default();
        let settings = all.services.get(&*self.name).unwrap_or(&unused);
        let effects = match call {
            ServiceCall::Watch { gateway } => {
                self.interest.add(gateway);
                return self.report(&[gateway]);
            }
            ServiceCall::Provide { caller, functions } => {
                let instance = Instance::Session(caller.key);
                let place = Some(caller.place);
                match self.model.provide(instance, place, functions, settings) {
                    Ok(effects) => effects,
                    Err(error) => return self.shared.refuse(caller, error.of("provide"), None),
                }
            }
            ServiceCall::Gone { caller } => {
                let instance = Instance::Session(caller.key);
                self.model.gone(instance, settings)
            }
            ServiceCall::Call(request) => {
                self.metrics.calls.inc();
                self.model.call(request, settings, clock::now_ms())
            }
            ServiceCall::Reply {
                from,
                number,
                outcome,
            } => {
                self.running.remove(&number);
                self.model.reply(from, number, outcome, settings)
            }
            ServiceCall::Switch { is_on } => self.model.switch(is_on, settings),
            ServiceCall::Look => {
                let local = all.local_services.get(&self.name);
                let functions = local.map(|local| local.functions()).unwrap_or_default();
                let provided = self
                    .model
                    .provide(Instance::Local, None, functions, settings);
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
                    let provided = self.model.provide(instance, place, functions, settings);
                    effects.extend(provided.unwrap_or_default());
                }
                self.interest.add(gateway);
                self.report(&[gateway]);
                effects
            }
        };
        self.apply(effects);
    }

    fn apply(&mut self, effects: Vec<Effect>) {
        for effect in effects {
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
                } => self.run(number, request),
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
                    caller,
                    id,
                    outcome,
                } => self.answer(caller, id, outcome),
                Effect::Changed => self.report(self.interest.gateways()),
            }
        }
        self.metrics.open.set(self.model.open() as i64);
        let discarded = self.model.discarded();
        let counted = self.metrics.discarded.get();
        self.metrics
            .discarded
            .inc_by(discarded.saturating_sub(counted));
    }

    /// Has an implementation in the server carry a call out.
    fn run(&mut self, number: u64, request: ServiceRequest) {
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
            return reply(Err(ErrorBody::new(ErrorCode::ServiceDown, message)));
        };
        let caller = ServiceCaller {
            user: request.user,
            number,
        };
        let running =
            settings
                .local_services
                .run(service, caller, request.function, request.args, reply);
        self.running.insert(number, running);
    }

    fn answer(&self, caller: Caller, id: Option<RequestId>, outcome: Outcome) {
        if let Err(error) = &outcome {
            self.metrics.fail(error.code);
            if let Some(limit) = error.limit {
                self.shared.metrics.limit(limit);
            }
        }
        let Some(id) = id else {
            return;
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
            let unused = ServiceSettings::default();
            let settings = all.services.get(&*service.name).unwrap_or(&unused);
            let effects = service.model.expire(settings, clock::now_ms());
            service.apply(effects);
            service.arm(ctx);
        });
    }
}

impl Actor for Service {
    type Context = Context<Self>;
}

impl Drop for Service {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.shared.lost(OwnerId::Service(self.name.clone()));
        }
    }
}

impl Handler<Letter<ServiceCall>> for Service {
    type Result = ();

    fn handle(&mut self, letter: Letter<ServiceCall>, ctx: &mut Self::Context) {
        let Some(call) = letter.open() else {
            return;
        };
        // The gateways answer what is lost, when they learn of the loss.
        #[cfg(debug_assertions)]
        self.shared
            .fail_if_requested(&OwnerId::Service(self.name.clone()));
        self.step(call);
        self.arm(ctx);
    }
}

impl Handler<Recovered> for Service {
    type Result = ();

    fn handle(&mut self, _: Recovered, _: &mut Self::Context) {
        self.report(self.interest.gateways());
    }
}

impl Handler<Stop> for Service {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Self::Context) {
        ctx.stop();
    }
}
