//! The service `service`: the services of the configuration, for all users and for one.

use std::collections::BTreeMap;

use serde::Serialize;

use super::method::{Arguments, Call, Kind, Method, Parameter, Type, result};
use super::page::{PAGE, Page};
use super::shape::{Field, Shape};
use crate::management::Management;
use crate::management::role::Role;
use crate::operator::service::ServiceInfo;

const NAME: Parameter = Parameter::new("name", Type::Text);
/// For this user alone.
const USER: Parameter = Parameter::optional("userId", Type::User);

/// A service in an answer.
const SERVICE: Shape = Shape::Object(&[
    Field::new("state", Shape::Text),
    Field::new("functions", Shape::List(&Shape::Text)),
    Field::new("instances", Shape::Count),
    Field::new("open", Shape::Count),
    Field::new("disabled_users", Shape::Count),
]);

/// Its methods.
pub(super) const METHODS: &[Method] = &[
    Method {
        name: "listAll",
        description: "The services, with what they offer and how they are: enabled, disabled (an operator did that), or down (no instance takes calls).",
        role: Role::Read,
        kind: Kind::Look,
        result: Shape::Page("services", &Shape::Map(&SERVICE)),
        parameters: PAGE,
        run: list_all,
    },
    Method {
        name: "enable",
        description: "Enables a service; with userId for this user alone. Returns the service.",
        role: Role::Operate,
        kind: Kind::Change,
        result: SERVICE,
        parameters: &[NAME, USER],
        run: |management, arguments| switch(management, arguments, true),
    },
    Method {
        name: "disable",
        description: "Disables a service; with userId for this user alone. Returns the service.",
        role: Role::Operate,
        kind: Kind::Change,
        result: SERVICE,
        parameters: &[NAME, USER],
        run: |management, arguments| switch(management, arguments, false),
    },
    Method {
        name: "getDisabled",
        description: "The services that are disabled for a user.",
        role: Role::Read,
        kind: Kind::Look,
        result: Shape::List(&Shape::Text),
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

impl From<ServiceInfo> for Service {
    fn from(info: ServiceInfo) -> Self {
        Self {
            state: match (info.is_enabled, info.is_off) {
                (true, _) => "enabled",
                (false, true) => "disabled",
                (false, false) => "down",
            },
            functions: info.functions,
            instances: info.instances,
            open: info.open,
            disabled_users: info.disabled_users,
        }
    }
}

fn list_all(management: &Management, mut arguments: Arguments) -> Call<'_> {
    Box::pin(async move {
        let page = Page::take(&mut arguments, management.list_max)?;
        let (names, next) = page.cut(management.shared.services().into_iter())?;
        let mut of_page = BTreeMap::new();
        for name in names {
            let service = management.shared.inspect_service(&name).await?;
            of_page.insert(name, Service::from(service));
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
        let shared = &management.shared;
        let switched = shared.switch_service(&name, user.as_ref(), is_on);
        result(Service::from(switched.await?))
    })
}
