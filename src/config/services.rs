//! Checks of the entries `[services.NAME]`.

use std::collections::BTreeMap;

use super::check::Conflict;
use crate::service::backend::check_url;
use crate::service::direct;
use turntable_core::model::service::ServiceSettings;
use turntable_core::model::service::function::FunctionSettings;
use turntable_core::model::service::settings::{is_name, is_pattern};

/// Finds names and users that have no valid form, tokens without providers, and users with
/// several tokens.
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
    check_tokens(services, found);
}

/// Finds users that would identify with the token of one service and provide another one,
/// which has another token.
fn check_tokens(services: &BTreeMap<String, ServiceSettings>, found: &mut Vec<Conflict>) {
    let mut tokens: BTreeMap<&str, (&str, &str)> = BTreeMap::new();
    let with_token = services
        .iter()
        .filter(|(_, service)| !service.token.is_empty());
    for (name, service) in with_token {
        for user in &service.providers {
            let (first, token) = *tokens.entry(user).or_insert((name, &service.token));
            if token != service.token {
                let message = format!(
                    "{user} provides {first} too, which has another token: with either one it \
                     would provide both; accepted is one token for all services of a user, or a \
                     user for each"
                );
                let key = format!("services.{name}");
                let keys = [format!("{key}.token"), key, "services".to_owned()];
                found.push(Conflict {
                    keys: keys.into(),
                    message,
                });
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn service(user: &str, token: &str) -> ServiceSettings {
        ServiceSettings {
            providers: vec![user.to_owned()],
            token: token.to_owned(),
            ..ServiceSettings::default()
        }
    }

    fn refused(services: &[(&str, &ServiceSettings)]) -> Vec<String> {
        let services = services.iter();
        let services = services.map(|(name, service)| ((*name).to_owned(), (*service).clone()));
        let mut found = Vec::new();
        check(&services.collect(), &mut found);
        let key = |conflict: Conflict| conflict.keys.into_iter().next().unwrap_or_default();
        found.into_iter().map(key).collect()
    }

    #[test]
    fn user_has_one_token_for_all_services_that_it_provides() {
        let (one, two) = (service("service:x1", "tok"), service("service:x1", "tok2"));
        let none = service("service:x1", "");
        let found = refused(&[("chat", &one), ("forum", &two)]);
        assert_eq!(found, ["services.forum.token"]);
        for fine in [&one, &none, &service("service:x2", "tok2")] {
            assert!(refused(&[("chat", &one), ("forum", fine)]).is_empty());
        }
        let open = refused(&[("chat", &service("1:*", "tok"))]);
        assert_eq!(open, ["services.chat.token"]);
    }
}
