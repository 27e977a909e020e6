//! Services at a gateway: calls of its clients, functions that its sessions provide,
//! and the state of each service, which clients that may call it are sent.
//!
//! The rules are values: where a call goes (`target`), what a session provides
//! (`providing`), and the states as sessions see them (`states`). The gateway looks up what
//! they need and carries out what they say.

mod direct;
mod disabled;
mod export;
mod providing;
mod reply;
mod states;
mod target;

use crate::actor::not_offered;
use crate::clock;
use crate::gateway::Gateway;
use crate::gateway::delivery::frame::Frame;
use crate::gateway::session::SessionEntry;
use crate::gateway::session::pending::Awaited;
use crate::gateway::turn::Timer;
use turntable_core::call::ServiceCall;
use turntable_core::id::UserId;
use turntable_core::key::{Caller, Generation, Place, SessionSlot};
use turntable_core::model::permission::Who;
use turntable_core::model::service::direct::DIRECT;
use turntable_core::model::service::{Origin, ServiceRequest, ServiceSettings, ServiceState};
use turntable_core::packet::{ErrorBody, ReplyData, RequestId};
use turntable_core::payload::Payload;
use turntable_core::reason::ErrorCode;

use providing::{Offer, OwnerCalls, Provider, Recipient};
use states::{Change, View};

pub(crate) use providing::Providing;
pub use providing::ProvidingExport;
pub(crate) use states::States;

/// How soon after its start a gateway asks for the states, in ms.
pub(crate) const WATCH_FIRST_MS: u64 = 20;
/// How often it asks for those that are still unknown, in ms.
const WATCH_MS: u64 = 1_000;
/// How much later than the service's deadline an answer is given up, in ms.
const MARGIN_MS: u64 = 2_000;

/// States of services: what clients see of them.
impl Gateway {
    /// Asks for the states that are unknown, and later again.
    pub(crate) fn watch_services(&mut self, now_ms: u64) {
        for name in self.services.unknown(&self.settings.services) {
            let call = ServiceCall::Watch { gateway: self.id };
            self.shared.owners.service(name, call);
        }
        self.wheel.set(now_ms + WATCH_MS, Timer::Services);
    }

    /// The services that a user may call, for its `welcome`.
    pub(crate) fn manifest(&self, who: Who<'_>) -> Vec<(Box<str>, ServiceState)> {
        self.services.manifest(&self.view(), who)
    }

    /// What decides which states sessions see.
    fn view(&self) -> View<'_> {
        View {
            services: &self.settings.services,
            disabled: &self.shared.disabled,
        }
    }

    /// A service has this state now: the clients that may call it are notified.
    pub(crate) fn service_changed(&mut self, name: Box<str>, state: ServiceState) {
        let settings = self.settings.clone();
        let Some(service) = settings.services.get(&*name) else {
            return;
        };
        if self.services.changed(name.clone(), state) {
            self.send_service(&name, service, self.state_of(&name));
        }
    }

    /// The configuration has a service no more: the clients that could call it are notified.
    pub(super) fn service_removed(&mut self, name: &str, before: &ServiceSettings) {
        if self.services.removed(name) {
            self.send_service(name, before, ServiceState::default());
        }
    }

    /// Sends the clients that may call a service its state.
    fn send_service(&mut self, name: &str, service: &ServiceSettings, state: ServiceState) {
        let change = Change::new(name, service, state);
        let frame_for = |(slot, entry): (SessionSlot, &SessionEntry)| {
            let session = Some(&entry.session).filter(|session| session.life().is_admitted())?;
            let frame = change.seen_by(session.who(), &self.shared.disabled)?;
            Some((slot, frame))
        };
        let frames: Vec<_> = self.sessions.iter().filter_map(frame_for).collect();
        for (session, frame) in frames {
            self.send_frame(session, frame, None);
        }
    }
}

/// Calls of sessions.
impl Gateway {
    /// `call`: of a service, or of a function that the sessions of `whose` offer.
    pub(crate) fn call_service(
        &mut self,
        session: SessionSlot,
        f: &str,
        args: Option<Payload>,
        whose: Option<UserId>,
        id: Option<RequestId>,
    ) {
        let (Some(caller), Some(entry)) =
            (self.sessions.caller(session), self.sessions.get(session))
        else {
            return;
        };
        if f == DIRECT && whose.is_none() {
            return self.direct(session, args.as_ref(), id);
        }
        let user = entry.session.user.clone();
        let rules = target::Rules {
            services: &self.settings.services,
            functions: &self.settings.functions,
            blocked: &self.shared.blocked,
        };
        let target = match rules.target(entry.session.who(), f, whose.as_ref()) {
            Ok(target) => target,
            Err(error) => return self.refuse(session, error.of("call"), id),
        };
        if whose.is_none() && self.shared.disabled.has(&user, &target.owner) {
            return self.answer_disabled(session, id);
        }
        if let Some(id) = &id {
            self.await_call(session, &target.owner, id.clone(), target.timeout_ms);
        }
        let request = ServiceRequest {
            origin: Origin::Session { caller, id },
            user: Some(user),
            address: self.address(session),
            function: target.function,
            args,
            timeout_ms: None,
        };
        let call = ServiceCall::Call(request);
        self.shared.owners.service(&target.owner, call);
    }

    /// The answer to a call is awaited.
    fn await_call(&mut self, session: SessionSlot, service: &str, id: RequestId, timeout_ms: u64) {
        let awaited = Awaited::Call {
            session,
            service: service.into(),
            id,
        };
        let ticket = self.pending.add(awaited);
        let at_ms = clock::now_ms() + timeout_ms + MARGIN_MS;
        self.wheel.set(at_ms, Timer::Answer(ticket));
    }
}

/// What sessions provide, and the calls that they are given.
impl Gateway {
    /// `provide`: services that the user may provide, and functions of its own under
    /// other names.
    pub(crate) fn provide(&mut self, session: SessionSlot, offer: Offer, id: Option<RequestId>) {
        let (caller, address) = (self.sessions.caller(session), self.address(session));
        let (Some(caller), Some(entry)) = (caller, self.sessions.get_mut(session)) else {
            return;
        };
        let by = Provider {
            caller,
            address,
            user: &entry.session.user,
            services: &self.settings.services,
        };
        let is_connected = entry.session.connection().is_some();
        let max = self.settings.functions.services_max;
        // Directories refuse what is beyond that, too, but know no `id` to answer.
        let offered = &self.shared.offered;
        if let Err(no_room) = offered.check(&by.own_owners(&offer), address, max) {
            let error = not_offered(no_room, &self.shared.metrics, max).of("provide");
            return self.refuse(session, error, id);
        }
        let extras = entry.extras.get_or_insert_default();
        let providing = extras.providing.get_or_insert_default();
        match providing.offer(offer, &by, is_connected) {
            Ok(taken) => {
                let answer = ReplyData::Value(taken.answer());
                self.call_services(taken.calls);
                self.reply(session, answer, id);
            }
            Err(error) => self.refuse(session, error.of("provide"), id),
        }
    }

    /// A session lost its connection, has one again, or ends.
    pub(crate) fn report_providing(&mut self, session: SessionSlot, is_connected: bool) {
        let (caller, address) = (self.sessions.caller(session), self.address(session));
        let (Some(caller), Some(entry)) = (caller, self.sessions.get_mut(session)) else {
            return;
        };
        let extras = entry.extras.as_mut();
        let Some(providing) = extras.and_then(|extras| extras.providing.as_mut()) else {
            return;
        };
        let calls = match is_connected {
            true => providing.connected(&Provider {
                caller,
                address,
                user: &entry.session.user,
                services: &self.settings.services,
            }),
            false => providing.disconnected(caller),
        };
        self.call_services(calls);
    }

    /// A session may provide these services no more.
    pub(super) fn withdraw_providing(&mut self, session: SessionSlot, names: &[Box<str>]) {
        let caller = self.sessions.caller(session);
        let extras = self.sessions.get_mut(session);
        let extras = extras.and_then(|entry| entry.extras.as_mut());
        let providing = extras.and_then(|extras| extras.providing.as_mut());
        if let (Some(providing), Some(caller)) = (providing, caller) {
            let calls = providing.withdraw(names, caller);
            self.call_services(calls);
        }
    }

    /// A session gets a call to a service that it provides. One without a connection
    /// does not: the service has been notified that it is gone.
    pub(crate) fn hand_out(
        &mut self,
        to: Place,
        service: Box<str>,
        number: u64,
        request: ServiceRequest,
    ) {
        let Some(session) = self.sessions.addressee(to) else {
            return;
        };
        let Some(entry) = self.sessions.get_mut(session) else {
            return;
        };
        if entry.session.connection().is_none() {
            return;
        }
        let backups = entry.backups.as_ref();
        let recipient = Recipient {
            user: &entry.session.user,
            is_hidden: backups.is_some_and(|backups| backups.avatar().is_hidden),
            waiting_bytes: entry.session.outbox.waiting_bytes(),
            waiting_bytes_max: self.settings.session.outbox_bytes_max,
            services: &self.settings.services,
        };
        if let Err(why) = recipient.takes(&service, &request) {
            let call = why.call(entry.session.key, number);
            return self.shared.owners.service(&service, call);
        }
        let extras = entry.extras.get_or_insert_default();
        let providing = extras.providing.get_or_insert_default();
        let services = &self.settings.services;
        let (packet, id) = providing.hand_out(service, number, request, services);
        self.send_frame(session, Frame::message(&packet, Some(&id)), None);
    }

    /// The answer of a session to a call is not awaited any more.
    pub(crate) fn cancel(&mut self, to: Place, service: &str, number: u64) {
        let Some(session) = self.sessions.addressee(to) else {
            return;
        };
        let extras = self.sessions.get_mut(session);
        let extras = extras.and_then(|entry| entry.extras.as_mut());
        let providing = extras.and_then(|extras| extras.providing.as_mut());
        let packet = providing.and_then(|providing| providing.cancel(service, number));
        if let Some(packet) = packet {
            self.send(session, &packet, None);
        }
    }

    /// A service was lost: its callers are answered, and its replacement is notified of
    /// the sessions that provide it.
    pub(crate) fn announce_service(&mut self, name: &str, generation: Generation) {
        let error = ErrorBody::new(
            ErrorCode::Unavailable,
            "the service was lost to a fault; it may have carried the call out or not",
        )
        .of("call");
        let (of_sessions, of_server) = self.pending.take_calls(name);
        for responder in of_server {
            responder.answer(Err(error.clone()));
        }
        for (session, id) in of_sessions {
            self.send_error(session, error.clone(), Some(id));
        }
        let provider = |(slot, entry): (SessionSlot, &SessionEntry)| {
            entry.session.connection()?;
            let by = Provider {
                caller: self.sessions.caller(slot)?,
                // What is announced exists, and counts for the address that began it.
                address: None,
                user: &entry.session.user,
                services: &self.settings.services,
            };
            let functions = entry.providing()?.functions(name, &by)?;
            Some((by.caller, functions.to_vec()))
        };
        let providers: Vec<(Caller, Vec<Box<str>>)> =
            self.sessions.iter().filter_map(provider).collect();
        let announcement = ServiceCall::Announce {
            gateway: self.id,
            generation,
            providers,
        };
        self.shared.owners.service(name, announcement);
    }

    fn call_services(&mut self, calls: OwnerCalls) {
        // Each is work for its owner, and sessions that come or go together have many.
        self.intake.names(calls.len());
        for (owner, call) in calls {
            self.shared.owners.service(&owner, call);
        }
    }
}

#[cfg(test)]
mod tests;
