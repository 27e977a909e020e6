//! Services, for a program that embeds the server: calls in the name of the server, and
//! the switch of each.

use std::time::Duration;

use super::Running;
use turntable_core::call::ServiceCall;
use turntable_core::id::UserId;
use turntable_core::model::service::Outcome;
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
