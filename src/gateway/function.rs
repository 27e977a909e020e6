//! Calls of the server itself: to functions that the clients of a user offer, and to
//! services.

use crate::gateway::Shared;
use turntable_core::call::{Asker, Call, ServiceCall};
use turntable_core::delivery::Answer;
use turntable_core::id::UserId;
use turntable_core::model::service::function::owner_name;
use turntable_core::model::service::{Origin, Outcome, ServiceRequest};
use turntable_core::packet::ErrorBody;
use turntable_core::payload::Payload;
use turntable_core::reason::ErrorCode;

/// The call of a function of this owner.
fn call(
    owner: Box<str>,
    function: Box<str>,
    args: Option<Payload>,
) -> impl FnOnce(Asker) -> Call + Send {
    move |asker| {
        let request = ServiceRequest {
            origin: Origin::Server(asker),
            user: None,
            function,
            args,
        };
        Call::Service(owner, ServiceCall::Call(request))
    }
}

impl Shared {
    /// Calls a function that the clients of a user offer.
    ///
    /// # Errors
    /// What the client answered, or why it did not.
    pub async fn call_user(&self, user: &UserId, f: &str, args: Option<Payload>) -> Outcome {
        let (service, function) = parts(f)?;
        let call = call(owner_name(user, service), function.into(), args);
        result(self.ask(call).await?)
    }

    /// Calls a function of a service in the name of the server.
    ///
    /// # Errors
    /// What the service answered, or why it did not.
    pub async fn call_service_of_server(&self, f: &str, args: Option<Payload>) -> Outcome {
        let (service, function) = parts(f)?;
        if !self.settings.get().services.contains_key(service) {
            let message = format!("there is no service {service:?} in the configuration");
            return Err(ErrorBody::new(ErrorCode::NotFound, message));
        }
        let call = call(service.into(), function.into(), args);
        result(self.ask(call).await?)
    }
}

fn parts(f: &str) -> Result<(&str, &str), ErrorBody> {
    f.split_once(':')
        .ok_or_else(|| ErrorBody::new(ErrorCode::BadMessage, "f is SERVICE:FUNCTION"))
}

fn result(answer: Answer) -> Outcome {
    match answer {
        Answer::Result(result) => Ok(result),
        _ => Err(ErrorBody::new(
            ErrorCode::Internal,
            "the owner answered something else",
        )),
    }
}
