//! The accepted values: the range of each number, and checks that involve several
//! keys.

use std::net::SocketAddr;

use toml::{Table, Value};

use super::{Config, channels};
use crate::gateway::inspection::settings::InspectionSettings;
use crate::gateway::transport::engineio::NAMESPACE_BYTES_MAX;
use crate::gateway::transport::engineio::settings::SocketIoSettings;
use crate::gateway::transport::poll::settings::PollSettings;
use crate::gateway::transport::tunnel::settings::TunnelSettings;
use crate::http::allowed;
use crate::http::body::BUFFER_BYTES as BODY_BUFFER_BYTES;
use crate::http::origin::is_host;
use crate::http::settings::ServerSettings;
use crate::log_filter::LogSettings;
use crate::management::settings::ManagementSettings;
use crate::portal::settings::{
    AvatarSettings, CookieSettings, Failures, HttpCheckerSettings, JwtSettings, PasswordSettings,
    PortalSettings, SessionPolicy,
};
use crate::store::settings::StoreSettings;
use crate::webhook::settings::WebhookSettings;
use turntable_core::id::is_realm;
use turntable_core::model::attribute_rule::AttributeRules;
use turntable_core::model::game::GameSettings;
use turntable_core::model::namespace::NamespaceSettings;
use turntable_core::model::room::RoomSettings;
use turntable_core::model::service::ServiceSettings;
use turntable_core::model::service::function::FunctionSettings;
use turntable_core::model::settings::{ChannelSettings, PresenceSettings};
use turntable_core::session::clock::settings::TimeSettings;
use turntable_core::session::settings::{BucketSettings, SessionSettings};

/// The range of the number at `path`; `None` if it is not a number.
#[must_use]
pub fn range(path: &[&str]) -> Option<(u64, u64)> {
    let (ranges, key) = match *path {
        ["server", key] => (ServerSettings::RANGES, key),
        ["management", key] => (ManagementSettings::RANGES, key),
        ["log", key] => (LogSettings::RANGES, key),
        ["tunnel", key] => (TunnelSettings::RANGES, key),
        ["poll", key] => (PollSettings::RANGES, key),
        ["portal", "address_failures" | "user_failures", key]
        | ["portal", "password", "sign_ups", key] => (Failures::RANGES, key),
        ["portal", "cookie", key] => (CookieSettings::RANGES, key),
        ["portal", "http", key] => (HttpCheckerSettings::RANGES, key),
        ["portal", "jwt", key] => (JwtSettings::RANGES, key),
        ["portal", "password", key] => (PasswordSettings::RANGES, key),
        ["portal", key] => (PortalSettings::RANGES, key),
        ["socketio", key] => (SocketIoSettings::RANGES, key),
        ["session", key] => (SessionSettings::RANGES, key),
        ["inspection", key] => (InspectionSettings::RANGES, key),
        [
            "limits",
            "bytes" | "address_bytes" | "address_publish" | "address_deliveries",
            key,
        ] => (BucketSettings::BYTE_RANGES, key),
        ["channel" | "room", "bytes", key] => (BucketSettings::BYTE_RANGES, key),
        ["limits", _, key]
        | [
            "room",
            "invites_to_user" | "new_by_address" | "results",
            key,
        ]
        | ["channel", "new_by_user" | "new_by_address", key]
        | ["channels", _, "publish_rate", key] => (BucketSettings::RANGES, key),
        ["avatar", key] => (AvatarSettings::RANGES, key),
        ["webhooks", key] => (WebhookSettings::RANGES, key),
        ["time", key] => (TimeSettings::RANGES, key),
        ["presence", key] => (PresenceSettings::RANGES, key),
        ["store", key] => (StoreSettings::RANGES, key),
        ["channel", key] => (ChannelSettings::RANGES, key),
        ["room", key] => (RoomSettings::RANGES, key),
        ["channels", _, key] => (NamespaceSettings::RANGES, key),
        ["games", _, key] => (GameSettings::RANGES, key),
        ["services", _, key] => (ServiceSettings::RANGES, key),
        ["functions", key] => (FunctionSettings::RANGES, key),
        _ => return None,
    };
    let (_, least, greatest) = ranges.iter().find(|(name, _, _)| *name == key)?;
    Some((*least, *greatest))
}

/// The accepted values of the key at `path`, for a `written` value that is none; `None` if
/// the parser's message is better. `known` is the table of all defaults.
#[must_use]
pub fn accepted(path: &[&str], written: &Value, known: &Table) -> Option<String> {
    if let Some((least, greatest)) = range(path) {
        return Some(format!("accepted is a whole number, {least} to {greatest}"));
    }
    let game = Value::try_from(GameSettings::default()).ok()?;
    let service = Value::try_from(ServiceSettings::default()).ok()?;
    let namespace = Value::try_from(NamespaceSettings::default()).ok()?;
    let value = match *path {
        [section] => known.get(section)?,
        // The parser lists what is accepted.
        ["channels", _, "join" | "publish"] | ["roles", ..] | ["avatar", "attributes", ..] => {
            return None;
        }
        ["portal", "sessions"] => return Some(SessionPolicy::ACCEPTED.to_owned()),
        ["games", _] => &game,
        ["games", _, key] => game.get(key)?,
        ["services", _] => &service,
        ["services", _, key] => service.get(key)?,
        ["channels", _] => &namespace,
        ["channels", _, key] => namespace.get(key)?,
        [section, key] => known.get(section)?.get(key)?,
        ["portal", part, key] => known.get("portal")?.get(part)?.get(key)?,
        _ => return None,
    };
    Some(match value {
        Value::Boolean(_) => "accepted is true or false".to_owned(),
        // The parser tells which element is wrong.
        Value::Array(_) if written.is_array() => return None,
        Value::Array(_) => r#"accepted is a list, like ["a", "b"]"#.to_owned(),
        Value::Table(_) => format!("accepted is a section, [{}]", path.join(".")),
        Value::String(text) if text.parse::<SocketAddr>().is_ok() => {
            "accepted is ADDRESS:PORT, like 127.0.0.1:8080 or [::1]:0".to_owned()
        }
        Value::String(text) if !written.is_str() => {
            format!("accepted is a string, like {text:?}")
        }
        _ => return None,
    })
}

/// A number out of its range, as its path and a sentence.
pub type OutOfRange = (Vec<String>, String, Value);

/// Every number in `value`, at `path`, that is out of range.
pub fn numbers(path: &[String], value: &Value, found: &mut Vec<OutOfRange>) {
    match value {
        Value::Integer(number) => {
            let names: Vec<&str> = path.iter().map(String::as_str).collect();
            let Some((least, greatest)) = range(&names) else {
                return;
            };
            let fits = u64::try_from(*number).is_ok_and(|n| (least..=greatest).contains(&n));
            if !fits {
                found.push((
                    path.to_vec(),
                    format!("accepted is {least} to {greatest}"),
                    value.clone(),
                ));
            }
        }
        Value::Table(table) => {
            for (key, value) in table {
                let mut path = path.to_vec();
                path.push(key.clone());
                numbers(&path, value, found);
            }
        }
        _ => {}
    }
}

/// A contradiction within a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The keys involved; the first is reported.
    pub keys: Vec<String>,
    /// A sentence: the fault and the accepted form.
    pub message: String,
}

impl Conflict {
    pub(super) fn new(keys: &[&str], message: impl Into<String>) -> Self {
        Self {
            keys: keys.iter().map(|&key| key.to_owned()).collect(),
            message: message.into(),
        }
    }
}

/// The maximum size of a message in an outbox without its data: names, ids, numbers.
pub const ENVELOPE_BYTES: usize = 4_096;

/// Every contradiction in `config`.
#[must_use]
pub fn conflicts(config: &Config) -> Vec<Conflict> {
    let mut found = Vec::new();
    let (public, operator) = (config.server.listen, config.management.listen);
    if collide(public, operator) {
        found.push(Conflict::new(
            &["management.listen", "server.listen"],
            format!("server.listen {public} and management.listen {operator} use the same port"),
        ));
    }
    let management = config.management.conflicts().into_iter();
    found.extend(management.map(|(key, message)| Conflict::new(&[&key], message)));
    let log = config.log.check().err();
    found.extend(log.map(|message| Conflict::new(&["log.filter"], message)));
    for (key, bytes) in [
        ("server.max_message_bytes", config.server.max_message_bytes),
        ("room.tick_bytes_max", config.room.tick_bytes_max),
    ] {
        let needed = bytes + ENVELOPE_BYTES;
        if config.session.outbox_bytes_max < needed {
            found.push(Conflict::new(
                &["session.outbox_bytes_max", key],
                format!(
                    "session.outbox_bytes_max must be at least {needed}: \
                     {key} and {ENVELOPE_BYTES} for the envelope"
                ),
            ));
        }
    }
    let needed = config.server.max_message_bytes + BODY_BUFFER_BYTES;
    if config.server.incomplete_bytes_per_address_max < needed {
        found.push(Conflict::new(
            &[
                "server.incomplete_bytes_per_address_max",
                "server.max_message_bytes",
            ],
            format!(
                "server.incomplete_bytes_per_address_max must be at least {needed}: \
                 server.max_message_bytes and {BODY_BUFFER_BYTES} for its buffer"
            ),
        ));
    }
    let needed = config
        .server
        .incomplete_bytes_per_address_max
        .saturating_mul(2);
    if (1..needed).contains(&config.server.incomplete_bytes_max) {
        found.push(Conflict::new(
            &[
                "server.incomplete_bytes_max",
                "server.incomplete_bytes_per_address_max",
            ],
            format!(
                "server.incomplete_bytes_max must be at least {needed}: twice \
                 server.incomplete_bytes_per_address_max, so that one address cannot take it all"
            ),
        ));
    }
    for origin in &config.server.allowed_origins {
        if let Some(fault) = allowed::fault(origin) {
            found.push(Conflict::new(
                &["server.allowed_origins"],
                format!(
                    "{origin:?} can match no page: {fault}; accepted is *, same-host, or scheme, \
                     host and port like https://game.example, https://*.game.example or \
                     http://localhost:3000"
                ),
            ));
        }
    }
    for host in &config.server.hosts {
        if host != "*" && !is_host(host) {
            found.push(Conflict::new(
                &["server.hosts"],
                format!(
                    "{host:?} is not a name; accepted is *, or a name with or without a port, \
                     like game.example or game.example:8443"
                ),
            ));
        }
    }
    if config.server.proxy_protocol && config.server.trusted_proxies.is_empty() {
        found.push(Conflict::new(
            &["server.proxy_protocol", "server.trusted_proxies"],
            "only the proxies in server.trusted_proxies may send the header of the PROXY \
             protocol, and there are none",
        ));
    }
    namespaces(&config.socketio, &mut found);
    found.extend(channels::conflicts(&config.channels));
    if let Err((name, error)) = AttributeRules::new(&config.attributes.schema) {
        let key = format!("attributes.schema.{name}");
        found.push(Conflict::new(&[&key], error));
    }
    found.extend(channels::unstored(config));
    portal(&config.portal, &mut found);
    super::services::check(&config.services, &mut found);
    super::services::check_functions(&config.functions, &mut found);
    super::roles::check(config, &mut found);
    super::urls::check(config, &mut found);
    found
}

/// Checks who may identify.
fn portal(settings: &PortalSettings, found: &mut Vec<Conflict>) {
    let realms = settings.realms.iter().map(|realm| ("portal.realms", realm));
    let named = [
        ("portal.default_realm", &settings.default_realm),
        ("portal.guest_realm", &settings.guest_realm),
        (
            "portal.password.sign_up_realm",
            &settings.password.sign_up_realm,
        ),
    ];
    for (key, realm) in realms.chain(named) {
        if !is_realm(realm) {
            let message = format!("{realm:?} is not a realm; {REALM}");
            found.push(Conflict::new(&[key], message));
        }
    }
    let has = |name: &str| settings.checkers.iter().any(|known| known == name);
    sign_up(settings, has, found);
    if has("http") && settings.http.timeout_ms > settings.checker_timeout_ms {
        let message = "portal.http.timeout_ms must be at most portal.checker_timeout_ms";
        found.push(Conflict::new(
            &["portal.http.timeout_ms", "portal.checker_timeout_ms"],
            message,
        ));
    }
    for (index, name) in settings.checkers.iter().enumerate() {
        if settings
            .checkers
            .iter()
            .take(index)
            .any(|known| known == name)
        {
            let message = format!("{name:?} is listed twice");
            found.push(Conflict::new(&["portal.checkers"], message));
        }
    }
}

/// Checks that nobody signs up as a user of another checker.
fn sign_up(settings: &PortalSettings, has: impl Fn(&str) -> bool, found: &mut Vec<Conflict>) {
    let realm = &settings.password.sign_up_realm;
    if !has("password") || !settings.password.sign_up {
        return;
    }
    let of_default = ["session", "jwt", "http", "cookie"];
    let is_default = *realm == settings.default_realm;
    let is_guest = *realm == settings.guest_realm;
    let mut others = of_default.into_iter().filter(|_| is_default || is_guest);
    let other = others.find(|name| has(name));
    let other = other.or_else(|| (is_guest && has("guest")).then_some("guest"));
    if let Some(other) = other {
        let message = format!(
            "{realm:?} has the users of the checker {other:?}, too, and who signs up could be \
             one of them; accepted is a realm that is neither portal.default_realm nor \
             portal.guest_realm"
        );
        let keys = ["portal.password.sign_up_realm", "portal.checkers"];
        found.push(Conflict::new(&keys, message));
    }
}

/// Checks the namespaces of Socket.IO.
fn namespaces(settings: &SocketIoSettings, found: &mut Vec<Conflict>) {
    let keys = &["socketio.namespaces"];
    for (index, name) in settings.namespaces.iter().enumerate() {
        if !is_namespace(name) || settings.namespaces.iter().take(index).any(|n| n == name) {
            found.push(Conflict::new(
                keys,
                format!(
                    "{name:?} is not a namespace; accepted is / and 1 to {} bytes \
                     without commas, question marks and control characters, each once",
                    NAMESPACE_BYTES_MAX - 1
                ),
            ));
        }
    }
    if settings.namespaces.len() > NAMESPACES_MAX {
        found.push(Conflict::new(
            keys,
            format!("at most {NAMESPACES_MAX} namespaces are accepted"),
        ));
    }
}

/// The maximum number of configured namespaces.
const NAMESPACES_MAX: usize = 64;

fn is_namespace(name: &str) -> bool {
    let is_plain = |c: char| c != ',' && c != '?' && !c.is_control();
    (2..=NAMESPACE_BYTES_MAX).contains(&name.len())
        && name.starts_with('/')
        && name.chars().all(is_plain)
}

const REALM: &str = "accepted is 1 to 32 characters of A-Z, a-z, 0-9, _ and -";

/// Whether two listeners would use the same port.
fn collide(a: SocketAddr, b: SocketAddr) -> bool {
    a.port() != 0
        && a.port() == b.port()
        && (a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn listeners_collide_on_a_port_of_the_same_host() {
        for (a, b, expected) in [
            ("127.0.0.1:80", "127.0.0.1:80", true),
            ("0.0.0.0:80", "127.0.0.1:80", true),
            ("127.0.0.1:80", "[::]:80", true),
            ("127.0.0.1:80", "127.0.0.2:80", false),
            ("127.0.0.1:80", "127.0.0.1:81", false),
            ("127.0.0.1:0", "127.0.0.1:0", false),
        ] {
            assert_eq!(
                collide(a.parse().unwrap(), b.parse().unwrap()),
                expected,
                "{a} {b}"
            );
        }
    }

    #[test]
    fn every_number_has_a_range_and_its_default_is_within() {
        fn walk(path: &mut Vec<String>, value: &Value, count: &mut usize) {
            match value {
                Value::Integer(number) => {
                    let names: Vec<&str> = path.iter().map(String::as_str).collect();
                    let (least, greatest) = range(&names).unwrap_or_else(|| panic!("{path:?}"));
                    let number = u64::try_from(*number).unwrap();
                    assert!((least..=greatest).contains(&number), "{}", path.join("."));
                    *count += 1;
                }
                Value::Table(table) => {
                    for (key, value) in table {
                        path.push(key.clone());
                        walk(path, value, count);
                        path.pop();
                    }
                }
                _ => {}
            }
        }
        let mut count = 0;
        let table = Value::try_from(Config::default()).unwrap();
        walk(&mut Vec::new(), &table, &mut count);
        assert!(count > 40);
    }

    #[test]
    fn users_sign_up_in_a_realm_of_their_own() {
        for (checkers, realm, is_refused) in [
            (&["session", "password"][..], "1", true),
            (&["password", "jwt"], "1", true),
            (&["password", "http"], "1", true),
            (&["password", "cookie"], "guest", true),
            (&["password", "guest"], "guest", true),
            (&["password", "guest"], "1", false),
            (&["password", "anonymous"], "1", false),
            (&["session", "password"], "own", false),
            (&["session"], "1", false),
        ] {
            let mut config = Config::default();
            config.portal.checkers = checkers.iter().map(ToString::to_string).collect();
            config.portal.password.sign_up_realm = realm.to_owned();
            assert_eq!(conflicts(&config), [], "{checkers:?}");
            config.portal.password.sign_up = true;
            let keys: Vec<_> = conflicts(&config).into_iter().map(|one| one.keys).collect();
            let key = "portal.password.sign_up_realm".to_owned();
            assert_eq!(
                keys.concat().contains(&key),
                is_refused,
                "{checkers:?} {realm}"
            );
        }
    }

    #[test]
    fn the_defaults_have_no_conflict() {
        assert_eq!(conflicts(&Config::default()), []);
    }
}
