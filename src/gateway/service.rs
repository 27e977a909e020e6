//! Services at a gateway: calls of its clients, functions that its sessions provide,
//! and the state of each service, which clients that may call it are sent.
//!
//! A session that provides a service is one instance of it. While it has no
//! connection it is none: its open calls are answered, and it gets no others until
//! it is resumed.

mod direct;
mod disabled;
mod give_back;
mod reply;

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use crate::clock;
use crate::gateway::Gateway;
use crate::gateway::delivery::frame::Frame;
use crate::gateway::session::pending::Awaited;
use crate::gateway::session::permission::{may_call, seen_service as seen};
use crate::gateway::settings::GatewaySettings;
use crate::gateway::turn::Timer;
use turntable_core::call::ServiceCall;
use turntable_core::id::UserId;
use turntable_core::key::{Caller, Generation, Place, SessionSlot};
use turntable_core::model::permission::{Need, Who};
use turntable_core::model::service::direct::DIRECT;
use turntable_core::model::service::function::{self, owner_name};
use turntable_core::model::service::{Origin, ServiceRequest, ServiceSettings, ServiceState};
use turntable_core::packet::{ErrorBody, ReplyData, RequestId, ServerPacket};
use turntable_core::payload::Payload;
use turntable_core::rate::Bucket;
use turntable_core::reason::ErrorCode;

/// How soon after its start a gateway asks for the states, in ms.
pub(crate) const WATCH_FIRST_MS: u64 = 20;
/// How often it asks for those that are still unknown, in ms.
const WATCH_MS: u64 = 1_000;
/// Services, the client's own among them, that one session provides.
const PROVIDED_MAX: usize = 32;
/// Bytes of the names of functions of one service.
const FUNCTIONS_BYTES_MAX: usize = 16_384;
/// How much later than the service's deadline an answer is given up, in ms.
const MARGIN_MS: u64 = 2_000;

/// The last known states of the services.
pub(crate) type States = BTreeMap<Box<str>, ServiceState>;

/// What a session provides.
#[derive(Debug, Default)]
pub(crate) struct Providing {
    services: BTreeMap<Box<str>, Vec<Box<str>>>,
    /// The calls that it has, by the ids that it was sent.
    open: FxHashMap<u64, (Box<str>, u64)>,
    last: u64,
    /// Answers that may come although they are not awaited any more.
    late: u64,
    /// Answers to calls that it was not given.
    strays: Bucket,
}

impl Providing {
    /// The services of the configuration that it provides.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let names = self.services.keys().map(|name| &**name);
        names.filter(|name| function::parts(name).is_none())
    }

    /// How many services it provides, its user's own among them.
    pub(super) fn count(&self) -> usize {
        self.services.len()
    }

    /// It provides nothing any more. The ids of its calls go on: answers to those before
    /// may still come.
    pub(super) fn forget_services(&mut self) {
        self.services = BTreeMap::new();
    }
}

impl Gateway {
    /// Asks for the states that are unknown, and later again.
    pub(crate) fn watch_services(&mut self, now_ms: u64) {
        for name in self.settings.services.keys() {
            if !self.services.contains_key(&**name) {
                let gateway = self.id;
                let call = ServiceCall::Watch { gateway };
                self.shared.owners.service(name, call);
            }
        }
        self.wheel.set(now_ms + WATCH_MS, Timer::Services);
    }

    /// The services that a user may call, for its `welcome`.
    pub(crate) fn manifest(&self, who: Who<'_>) -> Vec<(Box<str>, ServiceState)> {
        let services = self.settings.services.iter();
        let may_call = services.filter(|(name, settings)| may_call(settings, name, who));
        let state = |name: &str| self.state_for(name, who);
        may_call
            .map(|(name, _)| (name.as_str().into(), state(name)))
            .collect()
    }

    /// A service has this state now: the clients that may call it are notified.
    pub(crate) fn service_changed(&mut self, name: Box<str>, state: ServiceState) {
        let settings = self.settings.clone();
        let Some(service) = settings.services.get(&*name) else {
            return;
        };
        let before = self.services.insert(name.clone(), state.clone());
        if before.unwrap_or_default() != state {
            self.send_service(&name, service, &self.state_of(&name));
        }
    }

    /// The configuration has a service no more: the clients that could call it are notified.
    pub(super) fn service_removed(&mut self, name: &str, before: &ServiceSettings) {
        if self.services.remove(name).unwrap_or_default().is_enabled {
            self.send_service(name, before, &ServiceState::default());
        }
    }

    /// Sends the clients that may call a service its state.
    fn send_service(&mut self, name: &str, service: &ServiceSettings, state: &ServiceState) {
        let frame = |state| {
            let changed = vec![(name.into(), state)];
            Frame::message(&ServerPacket::Service(changed), None)
        };
        // One for all but those that see a part of the functions.
        let of_all = frame(state.clone());
        let frame_for = |(slot, entry): (SessionSlot, &super::session::SessionEntry)| {
            let who = entry.session.who();
            let may_know = entry.session.life().is_admitted()
                && may_call(service, name, who)
                && !self.shared.disabled.has(who.user(), name);
            may_know.then(|| match who.is_free() {
                true => (slot, of_all.clone()),
                false => (slot, frame(seen(name, state.clone(), who))),
            })
        };
        let frames: Vec<_> = self.sessions.iter().filter_map(frame_for).collect();
        for (session, frame) in frames {
            self.send_frame(session, frame, None);
        }
    }

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
        let settings = self.settings.clone();
        let (name, function) = f.split_once(':').unwrap_or((f, ""));
        let who = entry.session.who();
        let callable = match &whose {
            None => callable(&settings.services, (name, function), who)
                .map(|service| (name.into(), service.timeout_ms)),
            Some(whose) => may_reach(&settings, &user, whose, f).and_then(|()| {
                match self.shared.blocked.blocks(whose, &user) {
                    // As a user that is not there.
                    true => Err(function::absent()),
                    false => Ok((owner_name(whose, name), settings.functions.timeout_ms)),
                }
            }),
        };
        if whose.is_none() && callable.is_ok() && self.shared.disabled.has(&user, name) {
            return self.answer_disabled(session, id);
        }
        let (owner, timeout_ms): (Box<str>, u64) = match callable {
            Ok(callable) => callable,
            Err(error) => return self.refuse(session, error.of("call"), id),
        };
        if let Some(id) = &id {
            let awaited = Awaited::Call {
                session,
                service: owner.clone(),
                id: id.clone(),
            };
            let ticket = self.pending.add(awaited);
            let at_ms = clock::now_ms() + timeout_ms + MARGIN_MS;
            self.wheel.set(at_ms, Timer::Answer(ticket));
        }
        let request = ServiceRequest {
            origin: Origin::Session { caller, id },
            user: Some(user),
            address: self.address(session),
            function: function.into(),
            args,
            timeout_ms: None,
        };
        let call = ServiceCall::Call(request);
        self.shared.owners.service(&owner, call);
    }

    /// `provide`: services that the user may provide, and functions of its own under
    /// other names.
    pub(crate) fn provide(
        &mut self,
        session: SessionSlot,
        services: Vec<(Box<str>, Vec<Box<str>>)>,
        id: Option<RequestId>,
    ) {
        let settings = self.settings.clone();
        let caller = self.sessions.caller(session);
        let (Some(caller), Some(entry)) = (caller, self.sessions.get_mut(session)) else {
            return;
        };
        let user = entry.session.user.clone();
        let is_long = |(_, functions): &(Box<str>, Vec<Box<str>>)| {
            functions.iter().map(|name| name.len() + 16).sum::<usize>() > FUNCTIONS_BYTES_MAX
        };
        let providing = entry.providing.get_or_insert_default();
        let is_new = |name: &str| {
            let services = &providing.services;
            !services.contains_key(name) && !services.contains_key(&owner_name(&user, name))
        };
        let new = services.iter().filter(|(name, _)| is_new(name)).count();
        if services.iter().any(is_long) || providing.services.len() + new > PROVIDED_MAX {
            let error = ErrorBody::new(
                ErrorCode::TooMany,
                format!(
                    "a session provides at most {PROVIDED_MAX} services with {FUNCTIONS_BYTES_MAX} \
                     bytes of names of functions each"
                ),
            );
            return self.refuse(session, error.of("provide"), id);
        }
        let is_connected = entry.session.connection().is_some();
        let (mut of_server, mut own) = (Vec::new(), Vec::new());
        for (name, functions) in services {
            let service = settings.services.get(&*name);
            let owner = if service.is_some_and(|service| service.may_provide(&user)) {
                of_server.push(name.clone());
                name
            } else {
                let owner = owner_name(&user, &name);
                own.push(name);
                owner
            };
            if is_connected {
                let functions = functions.clone();
                let call = ServiceCall::Provide { caller, functions };
                self.shared.owners.service(&owner, call);
            }
            if functions.is_empty() {
                providing.services.remove(&owner);
            } else {
                providing.services.insert(owner, functions);
            }
        }
        let answer = serde_json::json!({ "services": of_server, "own": own });
        self.reply(session, ReplyData::Value(answer.into()), id);
    }

    /// A session lost its connection, has one again, or ends.
    pub(crate) fn report_providing(&mut self, session: SessionSlot, is_connected: bool) {
        let settings = self.settings.clone();
        let caller = self.sessions.caller(session);
        let (Some(caller), Some(entry)) = (caller, self.sessions.get_mut(session)) else {
            return;
        };
        let user = &entry.session.user;
        let Some(providing) = &mut entry.providing else {
            return;
        };
        if !is_connected {
            providing.late += providing.open.len() as u64;
            providing.open = FxHashMap::default();
        }
        for (name, functions) in &providing.services {
            let service = settings.services.get(&**name);
            let is_own = function::parts(name).is_some();
            let may_provide = service.is_some_and(|service| service.may_provide(user)) || is_own;
            // One that may not any more goes all the same.
            let call = match is_connected && may_provide {
                true => ServiceCall::Provide {
                    caller,
                    functions: functions.clone(),
                },
                false => ServiceCall::Gone { caller },
            };
            self.shared.owners.service(name, call);
        }
    }

    /// A session may provide these services no more.
    pub(super) fn withdraw_providing(&mut self, session: SessionSlot, names: &[Box<str>]) {
        let caller = self.sessions.caller(session);
        let entry = self.sessions.get_mut(session);
        if let Some(providing) = entry.and_then(|entry| entry.providing.as_mut())
            && let Some(caller) = caller
        {
            for name in names {
                providing.services.remove(name);
                let call = ServiceCall::Gone { caller };
                self.shared.owners.service(name, call);
            }
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
        let waiting_bytes = entry.session.outbox.waiting_bytes() + request.bytes();
        if waiting_bytes > self.settings.session.outbox_bytes_max / 4 * 3 {
            // It may provide several services, and get other messages too.
            return self.give_back(session, &service, number, give_back::behind());
        }
        let backups = entry.backups.as_ref();
        let is_hidden = backups.is_some_and(|backups| backups.avatar().is_hidden);
        let is_of_other = request
            .user
            .as_ref()
            .is_some_and(|user| *user != entry.session.user && !is_service(&self.settings, user));
        if is_of_other && is_hidden && function::parts(&service).is_some() {
            return self.give_back(session, &service, number, function::absent());
        }
        let providing = entry.providing.get_or_insert_default();
        providing.last += 1;
        let id = providing.last;
        let name = function::parts(&service).map_or(&*service, |(_, name)| name);
        let f = format!("{name}:{}", request.function);
        let settings = self.settings.services.get(&*service);
        let may_repeat = settings.is_some_and(|s| s.is_idempotent(&request.function));
        providing.open.insert(id, (service, number));
        let packet = ServerPacket::Call {
            f: f.into(),
            args: request.args,
            user: request.user,
            key: may_repeat.then(|| number.to_string().into()),
        };
        let id = RequestId(id.to_string().into());
        self.send_frame(session, Frame::message(&packet, Some(&id)), None);
    }

    /// The answer of a session to a call is not awaited any more.
    pub(crate) fn cancel(&mut self, to: Place, service: &str, number: u64) {
        let session = self.sessions.addressee(to);
        let Some((session, entry)) =
            session.and_then(|session| Some((session, self.sessions.get_mut(session)?)))
        else {
            return;
        };
        let Some(providing) = &mut entry.providing else {
            return;
        };
        let is_meant =
            |(_, (name, of)): &(&u64, &(Box<str>, u64))| **name == *service && *of == number;
        let Some(id) = providing.open.iter().find(is_meant).map(|(id, _)| *id) else {
            return;
        };
        providing.open.remove(&id);
        providing.late += 1;
        let args = serde_json::json!({ "id": id });
        let packet = ServerPacket::Call {
            f: "$av:cancel".into(),
            args: Some(args.into()),
            user: None,
            key: None,
        };
        self.send(session, &packet, None);
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
        let settings = self.settings.clone();
        let service = settings.services.get(name);
        let whose = function::parts(name).map(|(user, _)| user);
        let mut providers: Vec<(Caller, Vec<Box<str>>)> = Vec::new();
        for (slot, entry) in self.sessions.iter() {
            let provided = entry.providing.as_ref().and_then(|p| p.services.get(name));
            let user = &entry.session.user;
            let may_provide = || match whose {
                Some(whose) => user.as_str() == whose,
                None => service.is_some_and(|service| service.may_provide(user)),
            };
            let is_connected = entry.session.connection().is_some();
            if let (Some(functions), Some(caller)) = (provided, self.sessions.caller(slot))
                && is_connected
                && may_provide()
            {
                providers.push((caller, functions.clone()));
            }
        }
        let announcement = ServiceCall::Announce {
            gateway: self.id,
            generation,
            providers,
        };
        self.shared.owners.service(name, announcement);
    }
}

/// Whether a user is a service that identifies with a token.
fn is_service(settings: &GatewaySettings, user: &UserId) -> bool {
    let mut services = settings.services.values();
    services.any(|service| !service.token.is_empty() && service.may_provide(user))
}

/// Whether a user may call this function of another user. Services may; what others may
/// is the configuration's word.
fn may_reach(
    settings: &GatewaySettings,
    user: &UserId,
    whose: &UserId,
    f: &str,
) -> Result<(), ErrorBody> {
    if user == whose || is_service(settings, user) || settings.functions.may_call(user, f) {
        return Ok(());
    }
    let message = "this user may not call the function of another user";
    Err(ErrorBody::new(ErrorCode::Forbidden, message))
}

/// The service of a name, if the session may call this function of it.
fn callable<'a>(
    services: &'a BTreeMap<String, ServiceSettings>,
    (name, function): (&str, &str),
    who: Who<'_>,
) -> Result<&'a ServiceSettings, ErrorBody> {
    let need = Need::Call {
        service: name,
        function,
    };
    match services.get(name) {
        Some(service) if service.may_call(who) => who.check(need).map(|()| service),
        Some(_) => {
            let message = "this user may not call the service";
            Err(ErrorBody::new(ErrorCode::Forbidden, message))
        }
        None => {
            let may_call = services
                .iter()
                .filter(|(name, service)| may_call(service, name, who));
            let names: Vec<&str> = may_call.map(|(name, _)| name.as_str()).collect();
            let names = match names.is_empty() {
                true => "there is none".to_owned(),
                false => format!("the services are {}", names.join(", ")),
            };
            let message =
                format!("a call names SERVICE:FUNCTION, and no such service exists; {names}");
            Err(ErrorBody::new(ErrorCode::NotFound, message))
        }
    }
}

#[cfg(test)]
mod tests;
