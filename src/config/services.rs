//! Checks of the entries `[services.NAME]`.

use std::collections::BTreeMap;

use super::check::Conflict;
use crate::service::backend::check_url;
use crate::service::direct;
use turntable_core::model::service::ServiceSettings;
use turntable_core::model::service::function::FunctionSettings;
use turntable_core::model::service::settings::{is_name, is_pattern};

/// Finds names and users that have no valid form, and tokens without providers.
pub(super) fn check(services: &BTreeMap<String, ServiceSettings>, found: &mut Vec<Conflict>) {
    for (name, service) in services {
        let mut refuse = |key: &str, message: String| {
            found.push(Conflict {
                keys: vec![
                    format!("services.{name}{key}"),
                    format!("services.{name}"),
                    "services".to_owned(),
                ],
                message,
            });
        };
        if !is_name(name) {
            let message = "the name of a service is 1 to 32 of A-Z a-z 0-9 _ -";
            refuse("", message.to_owned());
        }
        for (key, patterns) in [
            (".providers", &service.providers),
            (".callers", &service.callers),
        ] {
            let is_role =
                |pattern: &str| key == ".callers" && pattern.strip_prefix('@').is_some_and(is_name);
            let is_known = |pattern: &&String| is_pattern(pattern) || is_role(pattern);
            for pattern in patterns.iter().filter(|pattern| !is_known(pattern)) {
                let message = "accepted is a user as 1:12345, REALM:* for a realm, or * for all";
                refuse(key, format!("{pattern:?} names no users; {message}"));
            }
        }
        if !service.url.is_empty()
            && let Err(message) = check_url(service)
        {
            refuse(".url", message);
        }
        if !service.url.is_empty() && service.functions.is_empty() {
            let message = "a service with a url has the names of its functions here";
            refuse(".functions", message.to_owned());
        }
        if !service.token.is_empty() && service.providers.is_empty() && service.url.is_empty() {
            let message = "providers names no user that identifies with the token";
            refuse(".token", message.to_owned());
        }
        if let Err((key, message)) = direct::check(service) {
            refuse(&format!(".{key}"), message);
        }
        let is_open = |pattern: &String| pattern == "*" || pattern.ends_with(":*");
        if !service.token.is_empty() && service.providers.iter().any(is_open) {
            let message = "with a token providers are single users, as service:forum: all of a \
                           realm would have to identify with it";
            refuse(".token", message.to_owned());
        }
    }
}

/// Finds callers that name no users, and names that no function has.
pub(super) fn check_functions(functions: &FunctionSettings, found: &mut Vec<Conflict>) {
    for pattern in &functions.callers {
        if !is_pattern(pattern) {
            let accepted = "a user as 1:12345, REALM:* for a realm, or * for all";
            let message = format!("{pattern:?} names no users; accepted is {accepted}");
            found.push(Conflict::new(&["functions.callers"], message));
        }
    }
    for name in &functions.callable {
        if name != "*" && !name.contains(':') {
            let accepted = "SERVICE:FUNCTION, SERVICE:*, or * for all";
            let message = format!("{name:?} names no function; accepted is {accepted}");
            found.push(Conflict::new(&["functions.callable"], message));
        }
    }
}
