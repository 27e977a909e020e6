//! The service `service`: the services of the configuration, for all users and for one.

use std::collections::BTreeMap;

use serde::Serialize;

use super::method::{Arguments, Call, Method, Parameter, Type, result};
use super::page::{PAGE, Page};
use crate::gateway::question::unexpected;
use crate::management::Management;
use turntable_core::call::{self, ServiceCall};
use turntable_core::delivery::Answer;
use turntable_core::packet::ErrorBody;
use turntable_core::reason::ErrorCode;

const NAME: Parameter = Parameter::new("name", Type::Text);
/// For this user alone.
const USER: Parameter = Parameter::optional("userId", Type::User);

/// Its methods.
pub(super) const METHODS: &[Method] = &[
    Method {
        name: "listAll",
        parameters: PAGE,
        run: list_all,
    },
    Method {
        name: "enable",
        parameters: &[NAME, USER],
        run: |management, arguments| switch(management, arguments, true),
    },
    Method {
        name: "disable",
        parameters: &[NAME, USER],
        run: |management, arguments| switch(management, arguments, false),
    },
    Method {
        name: "getDisabled",
        parameters: &[Parameter::new("userId", Type::User)],
        run: get_disabled,
    },
];

/// A service as the operator sees it.
#[derive(Serialize)]
struct Service {
    state: &'static str,
    functions: Vec<Box<str>>,
    /// Sessions and backends that provide it.
    instances: u64,
    /// Calls that were not answered yet.
    open: u64,
    /// Users for which it is disabled.
    disabled_users: usize,
}

async fn inspect(management: &Management, name: &str) -> Result<Service, ErrorBody> {
    let owner: Box<str> = name.into();
    let call = |requester| call::Call::Service(owner, ServiceCall::Inspect { requester });
    match management.shared.ask(call).await? {
        Answer::Service {
            state,
            instances,
            open,
        } => Ok(Service {
            state: match state.is_enabled {
                true => "enabled",
                false => "disabled",
            },
            functions: state.functions,
            instances,
            open,
            disabled_users: management.shared.disabled.users(name),
        }),
        _ => Err(unexpected()),
    }
}

fn list_all(management: &Management, mut arguments: Arguments) -> Call<'_> {
    Box::pin(async move {
        let page = Page::take(&mut arguments, management.list_max)?;
        let settings = management.shared.settings.get();
        let (names, next) = page.cut(settings.services.keys().cloned())?;
        let mut of_page = BTreeMap::new();
        for name in names {
            let service = inspect(management, &name).await?;
            of_page.insert(name, service);
        }
        page.answer("services", of_page, next)
    })
}

/// The services that are disabled for a user.
fn get_disabled(management: &Management, mut arguments: Arguments) -> Call<'_> {
    Box::pin(async move {
        let user = arguments.user()?;
        result(management.shared.disabled.of(&user))
    })
}

/// Switches a service on or off, for all users or for one. The result is its state then.
fn switch(management: &Management, mut arguments: Arguments, is_on: bool) -> Call<'_> {
    Box::pin(async move {
        let (name, user) = (arguments.text()?, arguments.optional_user()?);
        let settings = management.shared.settings.get();
        if !settings.services.contains_key(&name) {
            let names: Vec<&str> = settings.services.keys().map(String::as_str).collect();
            let message = match names.is_empty() {
                true => "there are no services in the configuration".to_owned(),
                false => format!("no such service; the services are {}", names.join(", ")),
            };
            return Err(ErrorBody::new(ErrorCode::NotFound, message));
        }
        let shared = &management.shared;
        let Some(user) = user else {
            shared.owners.service(&name, ServiceCall::Switch { is_on });
            return result(inspect(management, &name).await?);
        };
        match is_on {
            true => shared.enable_service_of(&user, &name),
            false => shared.disable_service_of(&user, &name)?,
        };
        let mut service = inspect(management, &name).await?;
        if shared.disabled.has(&user, &name) {
            service.state = "disabled";
        }
        result(service)
    })
}
