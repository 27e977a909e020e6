//! Services: their state, and their switch, for all users or for one.

use crate::gateway::Shared;
use crate::gateway::question::unexpected;
use turntable_core::call::{Call, ServiceCall};
use turntable_core::delivery::Answer;
use turntable_core::id::UserId;
use turntable_core::packet::ErrorBody;
use turntable_core::reason::ErrorCode;

/// A service as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceInfo {
    /// Whether it has an instance and is not switched off.
    pub is_enabled: bool,
    /// Whether an operator has switched it off.
    pub is_off: bool,
    /// What its instances offer.
    pub functions: Vec<Box<str>>,
    /// Sessions and backends that provide it.
    pub instances: u64,
    /// Calls that were not answered yet.
    pub open: u64,
    /// Users for which it is disabled.
    pub disabled_users: usize,
}

impl Shared {
    /// The names of the services, in order.
    pub(crate) fn services(&self) -> Vec<String> {
        self.settings.get().services.keys().cloned().collect()
    }

    /// The state of a service.
    ///
    /// # Errors
    /// `not_found` where the configuration has none of that name; `unavailable` where it
    /// does not answer in time.
    pub(crate) async fn inspect_service(&self, name: &str) -> Result<ServiceInfo, ErrorBody> {
        self.check_service(name)?;
        let owner: Box<str> = name.into();
        let call = |requester| Call::Service(owner, ServiceCall::Inspect { requester });
        match self.ask(call).await? {
            Answer::Service {
                state,
                is_off,
                instances,
                open,
            } => Ok(ServiceInfo {
                is_enabled: state.is_enabled,
                is_off,
                functions: state.functions,
                instances,
                open,
                disabled_users: self.disabled.users(name),
            }),
            _ => Err(unexpected()),
        }
    }

    /// Switches a service on or off, for all users or for one. Returns its state then, for
    /// that user.
    ///
    /// # Errors
    /// As [`Self::inspect_service`]; `too_many` over `avatar.disabled_users_max`.
    pub(crate) async fn switch_service(
        &self,
        name: &str,
        user: Option<&UserId>,
        is_on: bool,
    ) -> Result<ServiceInfo, ErrorBody> {
        self.check_service(name)?;
        let Some(user) = user else {
            self.owners.service(name, ServiceCall::Switch { is_on });
            return self.inspect_service(name).await;
        };
        match is_on {
            true => self.enable_service_of(user, name),
            false => self.disable_service_of(user, name)?,
        };
        let mut service = self.inspect_service(name).await?;
        let is_off = self.disabled.has(user, name);
        service.is_enabled &= !is_off;
        service.is_off |= is_off;
        Ok(service)
    }

    fn check_service(&self, name: &str) -> Result<(), ErrorBody> {
        let settings = self.settings.get();
        if settings.services.contains_key(name) {
            return Ok(());
        }
        let names: Vec<&str> = settings.services.keys().map(String::as_str).collect();
        let message = match names.is_empty() {
            true => "there are no services in the configuration".to_owned(),
            false => format!("no such service; the services are {}", names.join(", ")),
        };
        Err(ErrorBody::new(ErrorCode::NotFound, message))
    }
}
