//! Where a `call` goes: to the owner of a service, or to that of the functions that a user
//! offers, if the session may call it. Pure.

use std::collections::BTreeMap;

use crate::gateway::session::permission::may_call;
use crate::portal::blocked::Blocked;
use crate::service::credential;
use turntable_core::id::UserId;
use turntable_core::model::permission::{Need, Who};
use turntable_core::model::service::ServiceSettings;
use turntable_core::model::service::function::{self, FunctionSettings, owner_name};
use turntable_core::packet::ErrorBody;
use turntable_core::reason::ErrorCode;

/// The owner that a call goes to.
#[derive(Debug)]
pub(super) struct Target {
    /// Its name.
    pub(super) owner: Box<str>,
    /// Its function.
    pub(super) function: Box<str>,
    /// How long the call may take.
    pub(super) timeout_ms: u64,
}

/// What decides whether a session may call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules<'a> {
    /// The services of the configuration.
    pub(super) services: &'a BTreeMap<String, ServiceSettings>,
    /// The rules of functions that users offer.
    pub(super) functions: &'a FunctionSettings,
    /// Block lists.
    pub(super) blocked: &'a Blocked,
}

impl Rules<'_> {
    /// The target of a call of `f`: of a service, or of a function that the sessions of
    /// `whose` offer.
    ///
    /// # Errors
    /// What the session is refused with.
    pub(super) fn target(
        &self,
        who: Who<'_>,
        f: &str,
        whose: Option<&UserId>,
    ) -> Result<Target, ErrorBody> {
        let (name, function) = f.split_once(':').unwrap_or((f, ""));
        let (owner, timeout_ms) = match whose {
            None => {
                let service = callable(self.services, (name, function), who)?;
                (name.into(), service.timeout_ms)
            }
            Some(whose) => {
                self.may_reach(who.user(), whose, f)?;
                (owner_name(whose, name), self.functions.timeout_ms)
            }
        };
        Ok(Target {
            owner,
            function: function.into(),
            timeout_ms,
        })
    }

    /// Whether a user may call this function of another user. Services may; what others
    /// may is the configuration's word. A user that blocks the caller is as one that is
    /// not there.
    fn may_reach(&self, user: &UserId, whose: &UserId, f: &str) -> Result<(), ErrorBody> {
        let may_call = user == whose
            || credential::is_service(self.services, user)
            || self.functions.may_call(user, f);
        if !may_call {
            let message = "this user may not call the function of another user";
            return Err(ErrorBody::new(ErrorCode::Forbidden, message));
        }
        match self.blocked.blocks(whose, user) {
            true => Err(function::absent()),
            false => Ok(()),
        }
    }
}

/// The service of a name, if the session may call this function of it.
///
/// # Errors
/// `forbidden` where it may not, `not_found` where there is no such service.
pub(super) fn callable<'a>(
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
            let why = match names.is_empty() {
                true => "there is no service that this user may call".to_owned(),
                false => format!(
                    "no such service exists; the services are {}",
                    names.join(", ")
                ),
            };
            let message = format!("a call names SERVICE:FUNCTION, and {why}");
            Err(ErrorBody::new(ErrorCode::NotFound, message))
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::gateway::testing::user;
    use crate::portal::blocked::{BlockedMaxima, ChangedBy};
    use crate::store::memory::MemoryStore;

    #[test]
    fn call_goes_to_a_service_or_to_a_user_where_the_session_may() {
        let service = |caller: &str, provider: &str, token: &str| ServiceSettings {
            callers: vec![caller.to_owned()],
            providers: vec![provider.to_owned()],
            token: token.to_owned(),
            timeout_ms: 70,
            ..ServiceSettings::default()
        };
        let services = BTreeMap::from([
            ("chat".to_owned(), service("1:*", "s:1", "secret")),
            ("admin".to_owned(), service("9:9", "s:2", "")),
        ]);
        let functions = FunctionSettings {
            callers: vec!["1:1".to_owned()],
            callable: vec!["friends:*".to_owned()],
            timeout_ms: 80,
            ..FunctionSettings::default()
        };
        let blocked = Blocked::open(Arc::new(MemoryStore::new(0)), 0).unwrap();
        let rules = Rules {
            services: &services,
            functions: &functions,
            blocked: &blocked,
        };
        let call = |by: &str, f: &str, whose: Option<&str>| {
            let (by, whose) = (user(by), whose.map(user));
            let target = rules.target(Who::of(&by), f, whose.as_ref());
            target.map(|target| (target.owner, target.function, target.timeout_ms))
        };
        let to = |owner: &str, function: &str, ms| Ok((owner.into(), function.into(), ms));
        assert_eq!(call("1:1", "chat:send", None), to("chat", "send", 70));
        assert_eq!(call("1:1", "chat", None), to("chat", "", 70));
        let code = |by: &str, f: &str, whose: Option<&str>| call(by, f, whose).unwrap_err().code;
        assert_eq!(code("2:1", "chat:send", None), ErrorCode::Forbidden);
        let error = call("1:1", "nosuch:f", None).unwrap_err();
        assert_eq!(error.code, ErrorCode::NotFound);
        assert!(
            error.message.ends_with("the services are chat"),
            "{error:?}"
        );
        let of_other = to("1:2 friends", "new", 80);
        let whose = Some("1:2");
        // A caller of the configuration, the user itself, and a service with a token.
        for by in ["1:1", "1:2", "s:1"] {
            assert_eq!(call(by, "friends:new", whose), of_other, "{by}");
        }
        let by = ChangedBy::default();
        let maxima = BlockedMaxima {
            each: 9,
            lists: 9,
            total: 9,
            address: 9,
        };
        let add = |list: &mut Vec<UserId>| list.push(user("1:1"));
        blocked.change(&user("1:2"), add, by, maxima).unwrap();
        assert_eq!(call("1:1", "friends:new", whose), Err(function::absent()));
        assert_eq!(call("s:1", "friends:new", whose), of_other);
        for (by, f) in [
            ("1:1", "chat:x"),
            ("1:3", "friends:new"),
            ("s:2", "friends:new"),
        ] {
            assert_eq!(code(by, f, whose), ErrorCode::Forbidden, "{by} {f}");
        }
    }
}
