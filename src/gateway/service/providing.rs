//! What one session provides, and the calls that it has: which of its offers are services
//! of the configuration, which are functions of its user, and what the owners of both have
//! to be sent. Pure: it knows no gateway, and what it returns is carried out elsewhere.
//!
//! A session that provides a service is one instance of it. While it has no connection it
//! is none: the owners answer its open calls, and its own answers to them come too late.

mod export;

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use crate::service::credential;
use turntable_core::address::Address;
use turntable_core::call::ServiceCall;
use turntable_core::id::UserId;
use turntable_core::key::{Caller, SessionKey};
use turntable_core::model::service::answer::outcome;
use turntable_core::model::service::function::{self, owner_name};
use turntable_core::model::service::{Instance, ServiceRequest, ServiceSettings};
use turntable_core::packet::{ErrorBody, RequestId, ServerPacket};
use turntable_core::payload::Payload;
use turntable_core::rate::{Bucket, BucketSettings};
use turntable_core::reason::ErrorCode;

pub use export::ProvidingExport;

/// Services, the client's own among them, that one session provides.
const PROVIDED_MAX: usize = 32;
/// Bytes of the names of functions of one service.
const FUNCTIONS_BYTES_MAX: usize = 16_384;
/// What the name of a function takes beside its bytes.
const FUNCTION_BYTES: usize = 16;

/// Answers to calls that a session was not given, as those that come twice: ten at once,
/// and one in ten seconds from then on. An instance that works sends none.
const STRAYS: BucketSettings = BucketSettings::new(1, 100);
/// What one of them takes.
const STRAY: u32 = 10;

/// Calls, each with the owner that gets it.
pub(super) type OwnerCalls = Vec<(Box<str>, ServiceCall)>;

/// The services that a `provide` names, with their functions.
pub(crate) type Offer = Vec<(Box<str>, Vec<Box<str>>)>;

/// A session as the one that provides.
#[derive(Debug, Clone, Copy)]
pub(super) struct Provider<'a> {
    /// The session, as owners know it.
    pub(super) caller: Caller,
    /// The address of its client.
    pub(super) address: Option<Address>,
    /// Its user.
    pub(super) user: &'a UserId,
    /// The services of the configuration.
    pub(super) services: &'a BTreeMap<String, ServiceSettings>,
}

impl Provider<'_> {
    /// Whether it may provide a service of the configuration.
    fn may_provide_of_server(&self, name: &str) -> bool {
        let service = self.services.get(name);
        service.is_some_and(|service| service.may_provide(self.user))
    }

    /// The owners of what an offer has under names of the user's own.
    pub(super) fn own_owners(&self, offer: &Offer) -> Vec<Box<str>> {
        let provided = offer.iter().filter(|(_, functions)| !functions.is_empty());
        let own = provided.filter(|(name, _)| !self.may_provide_of_server(name));
        own.map(|(name, _)| owner_name(self.user, name)).collect()
    }

    /// Whether it may provide what this owner has: every user may offer functions of its own.
    fn may_provide(&self, owner: &str) -> bool {
        match function::parts(owner) {
            Some((user, _)) => user == self.user.as_str(),
            None => self.may_provide_of_server(owner),
        }
    }
}

/// What of a `provide` was taken.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// Names of services of the configuration.
    of_server: Vec<Box<str>>,
    /// Names under which the session's user has functions of its own.
    own: Vec<Box<str>>,
    /// What owners are sent.
    pub(super) calls: OwnerCalls,
}

impl Taken {
    /// The answer to the `provide`.
    pub(super) fn answer(&self) -> Payload {
        serde_json::json!({ "services": self.of_server, "own": self.own }).into()
    }
}

/// Why a session does not get a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotTaken {
    /// Its client is behind with reading: another instance may take the call.
    Behind,
    /// Its user is invisible for the caller.
    Absent,
}

impl NotTaken {
    /// What the owner of the call is sent.
    pub(super) fn call(self, from: SessionKey, number: u64) -> ServiceCall {
        let from = Instance::Session(from);
        match self {
            Self::Behind => ServiceCall::Returned { from, number },
            Self::Absent => ServiceCall::Reply {
                from,
                number,
                outcome: Err(function::absent()),
            },
        }
    }
}

/// A session as the one that a call is handed out to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Recipient<'a> {
    /// Its user.
    pub(super) user: &'a UserId,
    /// Whether its user is invisible.
    pub(super) is_hidden: bool,
    /// Bytes that its client has not read.
    pub(super) waiting_bytes: usize,
    /// How many may wait.
    pub(super) waiting_bytes_max: usize,
    /// The services of the configuration.
    pub(super) services: &'a BTreeMap<String, ServiceSettings>,
}

impl Recipient<'_> {
    /// Whether the session gets a call of this owner.
    ///
    /// # Errors
    /// Why it does not.
    pub(super) fn takes(&self, owner: &str, request: &ServiceRequest) -> Result<(), NotTaken> {
        // It may provide several services, and get other messages too.
        if self.waiting_bytes + request.bytes() > self.waiting_bytes_max / 4 * 3 {
            return Err(NotTaken::Behind);
        }
        let is_own = function::parts(owner).is_some();
        if is_own && self.is_hidden && self.is_of_other(request) {
            return Err(NotTaken::Absent);
        }
        Ok(())
    }

    /// Whether a call comes from another user, which is no service.
    fn is_of_other(&self, request: &ServiceRequest) -> bool {
        let is_other =
            |user: &UserId| user != self.user && !credential::is_service(self.services, user);
        request.user.as_ref().is_some_and(is_other)
    }
}

/// What becomes of an answer of a session.
#[derive(Debug)]
pub(super) enum Replied {
    /// It is sent to the owner that gave the call.
    Answer(Box<str>, ServiceCall),
    /// The call has ended before.
    Late,
    /// The session was not given such a call.
    Stray {
        /// Whether it has sent too many of them.
        is_over: bool,
    },
}

/// What a session provides.
#[derive(Debug, Default)]
pub(crate) struct Providing {
    /// Functions by the owners of their services.
    services: BTreeMap<Box<str>, Vec<Box<str>>>,
    /// The calls that it has, by the ids that it was sent.
    open: FxHashMap<u64, (Box<str>, u64)>,
    /// The last id.
    last: u64,
    /// Answers that may come although they are not awaited any more.
    late: u64,
    /// Answers to calls that it was not given.
    strays: Bucket,
}

impl Providing {
    /// How many services it provides, its user's own among them.
    pub(in crate::gateway) fn count(&self) -> usize {
        self.services.len()
    }

    /// Their names.
    pub(in crate::gateway) fn names(&self) -> impl Iterator<Item = &str> {
        self.services.keys().map(|name| &**name)
    }

    /// Takes an offer, in place of the functions that it had under the same names. Where
    /// the session has no connection, owners are sent it with its next one.
    ///
    /// # Errors
    /// `too_many` where it is beyond what one session may provide; nothing of it is taken.
    pub(super) fn offer(
        &mut self,
        offer: Offer,
        by: &Provider<'_>,
        is_connected: bool,
    ) -> Result<Taken, ErrorBody> {
        if !self.has_room(&offer, by.user) {
            let message = format!(
                "a session provides at most {PROVIDED_MAX} services with {FUNCTIONS_BYTES_MAX} \
                 bytes of names of functions each"
            );
            return Err(ErrorBody::new(ErrorCode::TooMany, message));
        }
        let mut taken = Taken::default();
        for (name, functions) in offer {
            let owner = if by.may_provide_of_server(&name) {
                taken.of_server.push(name.clone());
                name
            } else {
                let owner = owner_name(by.user, &name);
                taken.own.push(name);
                owner
            };
            if is_connected {
                let call = ServiceCall::Provide {
                    caller: by.caller,
                    functions: functions.clone(),
                    address: by.address,
                };
                taken.calls.push((owner.clone(), call));
            }
            if functions.is_empty() {
                self.services.remove(&owner);
            } else {
                self.services.insert(owner, functions);
            }
        }
        Ok(taken)
    }

    fn has_room(&self, offer: &Offer, user: &UserId) -> bool {
        let is_new = |name: &str| {
            !self.services.contains_key(name)
                && !self.services.contains_key(&owner_name(user, name))
        };
        let new = offer.iter().filter(|(name, _)| is_new(name)).count();
        let are_short = offer.iter().all(|(_, functions)| is_short(functions));
        are_short && self.services.len() + new <= PROVIDED_MAX
    }

    /// The session has a connection again: what owners are sent. One that may not provide
    /// a service any more is no instance of it.
    pub(super) fn connected(&self, by: &Provider<'_>) -> OwnerCalls {
        let calls = self.services.iter().map(|(owner, functions)| {
            let caller = by.caller;
            let call = match by.may_provide(owner) {
                true => ServiceCall::Provide {
                    caller,
                    functions: functions.clone(),
                    address: by.address,
                },
                false => ServiceCall::Gone { caller },
            };
            (owner.clone(), call)
        });
        calls.collect()
    }

    /// The session has no connection any more, or ends: what owners are sent. They answer
    /// the calls that it has.
    pub(super) fn disconnected(&mut self, caller: Caller) -> OwnerCalls {
        self.late += self.open.len() as u64;
        self.open = FxHashMap::default();
        let owners = self.services.keys();
        owners
            .map(|owner| (owner.clone(), ServiceCall::Gone { caller }))
            .collect()
    }

    /// The services of the configuration that a user provides and may not any more.
    pub(in crate::gateway) fn without_right(
        &self,
        user: &UserId,
        services: &BTreeMap<String, ServiceSettings>,
    ) -> Vec<Box<str>> {
        let may = |name: &str| services.get(name).is_some_and(|all| all.may_provide(user));
        let names = self.services.keys();
        names
            .filter(|name| function::parts(name).is_none() && !may(name))
            .cloned()
            .collect()
    }

    /// It does not provide these services any more: what their owners are sent.
    pub(super) fn withdraw(&mut self, names: &[Box<str>], caller: Caller) -> OwnerCalls {
        for name in names {
            self.services.remove(name);
        }
        let names = names.iter();
        names
            .map(|name| (name.clone(), ServiceCall::Gone { caller }))
            .collect()
    }

    /// It provides nothing any more. The ids of its calls go on: answers to those before
    /// may still come.
    pub(in crate::gateway) fn forget_services(&mut self) {
        self.services = BTreeMap::new();
    }

    /// The functions that it provides of what an owner has, if it may.
    pub(super) fn functions(&self, owner: &str, by: &Provider<'_>) -> Option<&[Box<str>]> {
        let functions = self.services.get(owner)?;
        by.may_provide(owner).then_some(functions)
    }

    /// The session is given a call: the message for its client. One whose function may be
    /// repeated has a key, by which instances know it again.
    pub(super) fn hand_out(
        &mut self,
        owner: Box<str>,
        number: u64,
        request: ServiceRequest,
        services: &BTreeMap<String, ServiceSettings>,
    ) -> (ServerPacket, RequestId) {
        self.last += 1;
        let id = RequestId(self.last.to_string().into());
        let name = function::parts(&owner).map_or(&*owner, |(_, name)| name);
        let f = format!("{name}:{}", request.function);
        let settings = services.get(&*owner);
        let may_repeat = settings.is_some_and(|all| all.is_idempotent(&request.function));
        self.open.insert(self.last, (owner, number));
        let packet = ServerPacket::Call {
            f: f.into(),
            args: request.args,
            user: request.user,
            key: may_repeat.then(|| number.to_string().into()),
        };
        (packet, id)
    }

    /// The answer to a call is not awaited any more: the message for the client, if it has
    /// the call.
    pub(super) fn cancel(&mut self, owner: &str, number: u64) -> Option<ServerPacket> {
        let mut open = self.open.iter();
        let (id, _) = open.find(|(_, (of, known))| **of == *owner && *known == number)?;
        let id = *id;
        self.open.remove(&id);
        self.late += 1;
        Some(ServerPacket::Call {
            f: "$av:cancel".into(),
            args: Some(serde_json::json!({ "id": id }).into()),
            user: None,
            key: None,
        })
    }

    /// The session answers the call that it got with this id.
    pub(super) fn reply(
        &mut self,
        id: Option<&RequestId>,
        result: Payload,
        from: SessionKey,
        now_ms: u64,
    ) -> Replied {
        let id = id.and_then(|id| id.0.parse::<u64>().ok());
        if let Some((owner, number)) = id.and_then(|id| self.open.remove(&id)) {
            let call = ServiceCall::Reply {
                from: Instance::Session(from),
                number,
                outcome: outcome(result),
            };
            return Replied::Answer(owner, call);
        }
        if id.is_some_and(|id| id <= self.last) && self.late > 0 {
            self.late -= 1;
            return Replied::Late;
        }
        let taken = self.strays.take_many(STRAY, STRAYS, now_ms);
        Replied::Stray {
            is_over: taken.is_err(),
        }
    }
}

/// Whether the names of the functions of one service take no more than they may.
fn is_short(functions: &[Box<str>]) -> bool {
    let bytes = functions.iter().map(|name| name.len() + FUNCTION_BYTES);
    bytes.sum::<usize>() <= FUNCTIONS_BYTES_MAX
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;
