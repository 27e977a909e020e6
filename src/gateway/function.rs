//! Calls of the server itself: to functions that the clients of a user offer, and to
//! services. Each has a deadline of its own: that of the service, or one that was asked
//! for.

use std::time::Duration;

use crate::gateway::Shared;
use crate::gateway::question::unexpected;
use turntable_core::call::{Call, Requester, ServiceCall};
use turntable_core::delivery::Answer;
use turntable_core::id::UserId;
use turntable_core::model::service::function::owner_name;
use turntable_core::model::service::settings::TIMEOUT_MS;
use turntable_core::model::service::{Origin, Outcome, ServiceRequest};
use turntable_core::packet::ErrorBody;
use turntable_core::payload::Payload;
use turntable_core::reason::ErrorCode;

impl Shared {
    /// Calls a function that the clients of a user offer, within `timeout`, or within
    /// `functions.timeout_ms`.
    ///
    /// # Errors
    /// What the client answered, or why it did not.
    pub async fn call_user(
        &self,
        user: &UserId,
        f: &str,
        args: Option<Payload>,
        timeout: Option<Duration>,
    ) -> Outcome {
        let (service, function) = parts(f)?;
        let usual_ms = self.settings.get().functions.timeout_ms;
        let owner = owner_name(user, service);
        self.call(owner, function, args, asked_ms(timeout), usual_ms)
            .await
    }

    /// Calls a function of a service in the name of the server, within `timeout`, or
    /// within the service's `timeout_ms`.
    ///
    /// # Errors
    /// What the service answered, or why it did not.
    pub async fn call_service_of_server(
        &self,
        f: &str,
        args: Option<Payload>,
        timeout: Option<Duration>,
    ) -> Outcome {
        let (service, function) = parts(f)?;
        let settings = self.settings.get();
        let Some(usual_ms) = settings.services.get(service).map(|s| s.timeout_ms) else {
            let message = format!("there is no service {service:?} in the configuration");
            return Err(ErrorBody::new(ErrorCode::NotFound, message));
        };
        self.call(service.into(), function, args, asked_ms(timeout), usual_ms)
            .await
    }

    async fn call(
        &self,
        owner: Box<str>,
        function: &str,
        args: Option<Payload>,
        asked_ms: Option<u64>,
        usual_ms: u64,
    ) -> Outcome {
        let (service, function) = (owner.clone(), function.into());
        let call = move |requester: Requester| {
            let request = ServiceRequest {
                origin: Origin::Server(requester),
                user: None,
                address: None,
                function,
                args,
                timeout_ms: asked_ms,
            };
            Call::Service(owner, ServiceCall::Call(request))
        };
        let timeout_ms = asked_ms.unwrap_or(usual_ms);
        match self.ask_service(service, timeout_ms, call).await? {
            Answer::Result(result) => Ok(result),
            _ => Err(unexpected()),
        }
    }
}

/// What was requested, in the range of `timeout_ms` of a service.
fn asked_ms(timeout: Option<Duration>) -> Option<u64> {
    let (least, greatest) = TIMEOUT_MS;
    let ms = |timeout: Duration| u64::try_from(timeout.as_millis()).unwrap_or(greatest);
    timeout.map(|timeout| ms(timeout).clamp(least, greatest))
}

fn parts(f: &str) -> Result<(&str, &str), ErrorBody> {
    f.split_once(':')
        .ok_or_else(|| ErrorBody::new(ErrorCode::BadMessage, "f is SERVICE:FUNCTION"))
}
