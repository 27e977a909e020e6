//! Values that are not shown: tokens and keys, and what addresses have behind their path.

use serde_json::Value;

/// In place of a secret.
pub const HIDDEN: &str = "(hidden)";

/// Whether the value at `path` is a secret.
fn is_secret(path: &[&str]) -> bool {
    matches!(
        path,
        ["services", _, "token" | "direct_key"]
            | ["webhooks", "secret" | "previous_secret"]
            | ["management", "tokens", _, "token"]
    )
}

/// Whether the value at `path` is the address of a backend, which may have a key in it.
fn is_address(path: &[&str]) -> bool {
    matches!(
        path,
        ["services", _, "url"]
            | ["portal", "http", "url"]
            | ["portal", "jwt", "jwks_url"]
            | ["presence", "watch_url"]
            | ["avatar" | "webhooks", "url"]
    )
}

/// Hides what is secret in `value`, the value at `path`.
pub fn hide(path: &[&str], value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let mut below = path.to_vec();
                below.push(name);
                hide(&below, value);
            }
        }
        // Nothing can be hidden in an empty one, which says that there is none.
        Value::String(text) if text.is_empty() => {}
        value if is_secret(path) => *value = HIDDEN.into(),
        Value::String(text) if is_address(path) => *text = without_key(text),
        _ => {}
    }
}

/// An address without a user and a query.
fn without_key(address: &str) -> String {
    let (plain, query) = match address.split_once('?') {
        Some((plain, _)) => (plain, format!("?{HIDDEN}")),
        None => (address, String::new()),
    };
    let Some((scheme, rest)) = plain.split_once("://") else {
        return format!("{plain}{query}");
    };
    let end = rest.find('/').unwrap_or(rest.len());
    let (host, path) = rest.split_at(end);
    match host.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://{HIDDEN}@{host}{path}{query}"),
        None => format!("{plain}{query}"),
    }
}

/// The text of a value of a file or a variable, for messages. What may have a secret in it
/// is not shown at all.
#[must_use]
pub fn text(path: &[String], text: &str) -> String {
    let names: Vec<&str> = path.iter().map(String::as_str).collect();
    match has_secret(&names) {
        true => HIDDEN.to_owned(),
        false => text.to_owned(),
    }
}

/// Whether what is written at `path` may have a secret in it.
fn has_secret(path: &[&str]) -> bool {
    match *path {
        // The value of a whole section may be that of a key in it.
        ["services" | "webhooks" | "management" | "portal" | "presence" | "avatar"]
        | ["services", _]
        | ["portal", "http" | "jwt"]
        | ["management", "tokens", ..] => true,
        _ => is_secret(path) || is_address(path),
    }
}

/// The parser's error about the value at `path`. It quotes values, which may be secrets.
#[must_use]
pub fn message(path: &[&str], error: &str) -> String {
    const QUOTING: &[&str] = &["invalid type", "invalid value", "unknown variant"];
    let is_quoting = QUOTING.iter().any(|begin| error.starts_with(begin));
    if !is_quoting || !has_secret(path) {
        return error.to_owned();
    }
    match (path, error.rsplit_once(", expected ")) {
        (["management", "tokens", _], _) => {
            r#"accepted is { token = "...", role = "read", "operate" or "admin" }"#.to_owned()
        }
        (_, Some((_, expected))) => format!("accepted is {expected}"),
        (_, None) => "this is no value of the key".to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::Config;
    use crate::management::role::Role;
    use crate::management::settings::TokenSettings;
    use turntable_core::model::service::ServiceSettings;

    #[test]
    fn secrets_and_keys_in_addresses_are_hidden() {
        let mut value = json!({
            "services": {"forum": {
                "token": "geheim", "direct_key": "", "url": "https://u:geheim@a.example/x?k=geheim",
            }},
            "webhooks": {"secret": "geheim", "url": "https://a.example/hook"},
            "management": {"tokens": {"a": {"token": "geheim", "role": "read"}}},
        });
        hide(&[], &mut value);
        assert!(!value.to_string().contains("geheim"), "{value}");
        let forum = value.pointer("/services/forum").unwrap();
        let expected = json!({
            "token": HIDDEN, "direct_key": "",
            "url": "https://(hidden)@a.example/x?(hidden)",
        });
        assert_eq!(*forum, expected);
        let mut alone = json!("geheim");
        hide(&["webhooks", "previous_secret"], &mut alone);
        assert_eq!(alone, HIDDEN);
    }

    #[test]
    fn every_key_with_the_name_of_a_secret_is_one() {
        fn walk(path: &[&str], value: &Value, found: &mut usize) {
            let Value::Object(fields) = value else {
                return;
            };
            for (name, value) in fields {
                let mut below = path.to_vec();
                below.push(name);
                let sounds = ["token", "secret", "key", "password"];
                let sounds = sounds.iter().any(|part| name.contains(part));
                // Files have names that everybody may know.
                let is_file = name.ends_with("_file") || matches!(below[..], [_, "tls", _]);
                if sounds && value.is_string() && !is_file {
                    assert!(is_secret(&below), "{below:?}");
                    *found += 1;
                }
                walk(&below, value, found);
            }
        }
        let mut config = Config::default();
        let service = ServiceSettings::default();
        config.services.insert("forum".to_owned(), service);
        let token = TokenSettings {
            token: String::new(),
            role: Role::Read,
        };
        config.management.tokens.insert("a".to_owned(), token);
        let mut found = 0;
        walk(&[], &serde_json::to_value(&config).unwrap(), &mut found);
        assert!(found >= 5, "{found}");
    }
}
