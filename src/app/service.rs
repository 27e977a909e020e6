//! Services, for a program that embeds the server: calls in the name of the server, and
//! the switch of each.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Running;
pub use crate::operator::service::ServiceInfo;
use turntable_core::call::ServiceCall;
use turntable_core::id::UserId;
use turntable_core::model::service::Outcome;
use turntable_core::packet::ErrorBody;
use turntable_core::payload::Payload;

impl Running {
    /// Calls a function that the clients of a user offer, as `friends:newFriend`. The
    /// session of the user that has the fewest calls gets it. [`Avatar::call_within`](super::Avatar::call_within) has
    /// another deadline than `functions.timeout_ms`.
    ///
    /// # Errors
    /// As in [`Avatar::call`](super::Avatar::call).
    pub async fn call_user(&self, user: &UserId, f: &str, args: Option<Payload>) -> Outcome {
        self.avatar(user).call(f, args).await
    }

    /// Calls a function of a service, as `forum:createPost`, in the name of the server.
    ///
    /// # Errors
    /// What the service answered, or why it did not.
    pub async fn call_service(&self, f: &str, args: Option<Payload>) -> Outcome {
        self.shared.call_service_of_server(f, args, None).await
    }

    /// The same, with another deadline than that of the service: 10 ms to 10 minutes. An
    /// HTTP backend has its `timeout_ms` at most.
    ///
    /// # Errors
    /// What the service answered, or why it did not.
    pub async fn call_service_within(
        &self,
        f: &str,
        args: Option<Payload>,
        timeout: Duration,
    ) -> Outcome {
        let shared = &self.shared;
        shared.call_service_of_server(f, args, Some(timeout)).await
    }

    /// The services of the configuration, by name.
    ///
    /// # Errors
    /// `unavailable` where one does not answer in time.
    pub async fn services(&self) -> Result<BTreeMap<String, ServiceInfo>, ErrorBody> {
        let mut services = BTreeMap::new();
        for name in self.shared.services() {
            let service = self.service(&name).await?;
            services.insert(name, service);
        }
        Ok(services)
    }

    /// The state of a service.
    ///
    /// # Errors
    /// `not_found` where the configuration has none of that name; `unavailable` where it
    /// does not answer in time.
    pub async fn service(&self, name: &str) -> Result<ServiceInfo, ErrorBody> {
        self.shared.inspect_service(name).await
    }

    /// Switches a service off: its open calls are answered `service_down`, and clients
    /// that may call it get `service`. Other services go on.
    pub fn disable_service(&self, name: &str) {
        let call = ServiceCall::Switch { is_on: false };
        self.shared.owners.service(name, call);
    }

    /// Switches a service on again.
    pub fn enable_service(&self, name: &str) {
        let call = ServiceCall::Switch { is_on: true };
        self.shared.owners.service(name, call);
    }
}
