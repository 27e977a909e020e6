//! The service `service`: the services of the configuration.

use std::collections::BTreeMap;

use serde::Serialize;

use super::method::{Arguments, Call, Method, Parameter, Type, result};
use crate::management::Management;
use turntable_core::call::{self, ServiceCall};
use turntable_core::delivery::Answer;
use turntable_core::packet::ErrorBody;
use turntable_core::reason::ErrorCode;

const NAME: Parameter = Parameter::new("name", Type::Text);

/// Its methods.
pub(super) const METHODS: &[Method] = &[
    Method {
        name: "listAll",
        parameters: &[],
        run: list_all,
    },
    Method {
        name: "enable",
        parameters: &[NAME],
        run: |management, arguments| switch(management, arguments, true),
    },
    Method {
        name: "disable",
        parameters: &[NAME],
        run: |management, arguments| switch(management, arguments, false),
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
}

async fn inspect(management: &Management, name: &str) -> Result<Service, ErrorBody> {
    let owner: Box<str> = name.into();
    let call = |asker| call::Call::Service(owner, ServiceCall::Inspect { asker });
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
        }),
        _ => Err(ErrorBody::new(
            ErrorCode::Internal,
            "the owner answered something else",
        )),
    }
}

fn list_all(management: &Management, _: Arguments) -> Call<'_> {
    Box::pin(async move {
        let settings = management.shared.settings.get();
        let mut all = BTreeMap::new();
        for name in settings.services.keys() {
            all.insert(name, inspect(management, name).await?);
        }
        result(all)
    })
}

/// Switches a service on or off. The result is its state then.
fn switch(management: &Management, mut arguments: Arguments, is_on: bool) -> Call<'_> {
    Box::pin(async move {
        let name = arguments.text()?;
        let settings = management.shared.settings.get();
        if !settings.services.contains_key(&name) {
            let names: Vec<&str> = settings.services.keys().map(String::as_str).collect();
            let message = match names.is_empty() {
                true => "there are no services in the configuration".to_owned(),
                false => format!("no such service; the services are {}", names.join(", ")),
            };
            return Err(ErrorBody::new(ErrorCode::NotFound, message));
        }
        let owners = &management.shared.owners;
        owners.service(&name, ServiceCall::Switch { is_on });
        result(inspect(management, &name).await?)
    })
}
