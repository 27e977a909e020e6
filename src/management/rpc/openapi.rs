//! The services as an OpenAPI 3.1 document: `GET /openapi.json`.
//!
//! Each method has two paths, as calls have: `POST /rpc/SERVICE/METHOD` with named parameters,
//! and `GET /SERVICE/METHOD/ARG1/ARG2`. A path has no optional parts in OpenAPI, so the second
//! is there once for each number of arguments.

use serde_json::{Map, Value, json};

use super::SERVICES;
use super::method::{Method, Parameter, Type};
use super::parameter::NUMBER_MAX;
use super::shape;
use crate::http::fault;
use turntable_core::reason::ErrorCode;

/// What calls may be refused with; `internal` is none that a caller can cause.
const CODES: &[ErrorCode] = &[
    ErrorCode::BadMessage,
    ErrorCode::InvalidId,
    ErrorCode::NotFound,
    ErrorCode::Conflict,
    ErrorCode::Forbidden,
    ErrorCode::Unauthorized,
    ErrorCode::Refused,
    ErrorCode::TooMany,
    ErrorCode::TooLarge,
    ErrorCode::RateLimited,
    ErrorCode::Unavailable,
    ErrorCode::Timeout,
    ErrorCode::ServiceDown,
];

/// A character of an id, as JSON Schema has it: no control character, no blank, none of these.
macro_rules! plain {
    ($but:literal) => {
        concat!(
            "[^\\u0000-\\u0020\\u007f-\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000",
            $but,
            "]"
        )
    };
}

/// A schema of components.
fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// A user: its realm, which may be left out, and its name.
const USER_PATTERN: &str = concat!(
    "^([0-9A-Za-z_-]{1,32}:",
    plain!(""),
    "{1,128}|",
    plain!(":"),
    "{1,128})$"
);
/// A channel: up to 16 segments.
const CHANNEL_PATTERN: &str = concat!(
    "^/?",
    plain!("*>/"),
    "{1,64}(/",
    plain!("*>/"),
    "{1,64}){0,15}$"
);

impl Parameter {
    fn schema(&self) -> Value {
        match self.of {
            Type::User => reference("User"),
            Type::Users => json!({"type": "array", "items": reference("User")}),
            Type::Text => match self.pattern {
                Some(pattern) => json!({"type": "string", "pattern": pattern}),
                None => json!({"type": ["string", "number"]}),
            },
            Type::Secret => json!({"type": ["string", "number"], "format": "password"}),
            Type::Seconds => json!({
                "type": "integer", "minimum": self.least, "maximum": u64::MAX, "description": "seconds",
            }),
            Type::Count => json!({
                "type": "integer", "minimum": self.least, "maximum": u64::MAX,
            }),
            Type::Channel => reference("Channel"),
            Type::Any => json!({}),
            Type::Object => json!({"type": "object"}),
        }
    }

    /// The schema of a part of a path.
    fn schema_in_path(&self) -> Value {
        match self.of {
            Type::Any => json!({
                "type": "string", "minLength": 1, "description": "JSON, or a string if it is none",
            }),
            Type::Object => json!({
                "type": "string", "minLength": 1, "description": "a JSON object",
            }),
            Type::Users => json!({
                "type": "string", "minLength": 1, "description": "a JSON list, or one user",
            }),
            Type::Text if self.pattern.is_some() => self.schema(),
            Type::Text | Type::Secret => json!({"type": "string", "minLength": 1}),
            // A part of a path is an id as it is written, not a number.
            Type::User => json!({"type": "string", "pattern": USER_PATTERN}),
            Type::Channel => json!({"type": "string", "pattern": CHANNEL_PATTERN}),
            _ => self.schema(),
        }
    }
}

/// The statuses of refusals, and the codes that have each.
fn refusals() -> Map<String, Value> {
    let mut refusals: Map<String, Value> = Map::new();
    for code in CODES {
        let status = fault::status(*code).as_u16().to_string();
        let entry = refusals.entry(status).or_insert_with(|| {
            json!({
                "description": "",
                "content": {"application/json": {"schema": reference("Error")}},
            })
        });
        let before = entry.get("description").and_then(Value::as_str);
        let codes = match before {
            Some("") | None => format!("`{}`", code.name()),
            Some(before) => format!("{before}, `{}`", code.name()),
        };
        if let Some(entry) = entry.as_object_mut() {
            entry.insert("description".to_owned(), codes.into());
        }
    }
    refusals
}

fn responses(method: &Method) -> Value {
    let mut responses = refusals();
    responses.insert(
        "200".to_owned(),
        json!({
            "description": "The result.",
            "content": {"application/json": {"schema": method.result.schema()}},
        }),
    );
    responses.into()
}

fn post(service: &str, method: &Method) -> Value {
    let parameters = method.parameters.iter();
    let body = shape::object(parameters.map(|parameter| {
        let schema = match parameter.is_optional && parameter.of != Type::Any {
            // Null is as if it were left out.
            true => json!({"anyOf": [parameter.schema(), {"type": "null"}]}),
            false => parameter.schema(),
        };
        (parameter.name, schema, parameter.is_optional)
    }));
    let is_needed = method.parameters.iter().any(|of| !of.is_optional);
    json!({"post": {
        "operationId": format!("{service}.{}", method.name),
        "tags": [service],
        "summary": method.description,
        "x-role": method.role.name(),
        "requestBody": {
            "required": is_needed,
            "content": {"application/json": {"schema": body}},
        },
        "responses": responses(method),
    }})
}

fn get(service: &str, method: &Method, arguments: &[Parameter]) -> Value {
    let parameters = arguments.iter().map(|parameter| {
        json!({
            "name": parameter.name,
            "in": "path",
            "required": true,
            "schema": parameter.schema_in_path(),
        })
    });
    json!({"get": {
        "operationId": format!("{service}.{}.get{}", method.name, arguments.len()),
        "tags": [service],
        "summary": method.description,
        "x-role": method.role.name(),
        "parameters": parameters.collect::<Vec<_>>(),
        "responses": responses(method),
    }})
}

/// The paths of a method, and what is there.
fn paths(service: &str, method: &Method) -> Vec<(String, Value)> {
    let name = method.name;
    let mut paths = vec![(format!("/rpc/{service}/{name}"), post(service, method))];
    let parameters = method.parameters;
    if parameters.iter().any(|of| of.of == Type::Secret) {
        return paths;
    }
    let needed = parameters.iter().filter(|of| !of.is_optional).count();
    for len in needed..=parameters.len() {
        let arguments = parameters.get(..len).unwrap_or(parameters);
        let mut path = format!("/{service}/{name}");
        for argument in arguments {
            path.push_str(&format!("/{{{}}}", argument.name));
        }
        paths.push((path, get(service, method, arguments)));
    }
    paths
}

/// The document.
pub(super) fn document() -> Value {
    let methods = SERVICES.iter().flat_map(|(service, methods)| {
        let methods = methods.iter();
        methods.flat_map(move |method| paths(service, method))
    });
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "turntable management",
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        // Without one: on a loopback address, unless management.token_required is set.
        "security": [{"token": []}, {}],
        "paths": methods.collect::<Map<_, _>>(),
        "components": {"securitySchemes": {
            "token": {
                "type": "http",
                "scheme": "bearer",
                "description": "A token of management.tokens, whose role is at least x-role. A \
                    loopback address needs none, unless management.token_required is set.",
            },
        }, "schemas": {
            "User": {
                "description": "A user id, REALM:NAME; without a realm it has portal.default_realm.",
                "type": ["string", "integer"],
                "minimum": 0,
                "maximum": NUMBER_MAX,
                "pattern": USER_PATTERN,
            },
            "Channel": {
                "description": "The path of a channel: segments of 1 to 64 bytes, joined by /.",
                "type": ["string", "integer"],
                "minimum": 0,
                "maximum": NUMBER_MAX,
                "pattern": CHANNEL_PATTERN,
            },
            "Error": shape::object(
                [("error", error(), false)].into_iter(),
            ),
        }},
    })
}

fn error() -> Value {
    json!({
        "type": "object",
        "properties": {
            "code": {"type": "string"},
            "message": {"type": "string"},
            "details": {"type": "object"},
        },
        "required": ["code", "message"],
    })
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn method_is_there_by_both_ways_of_a_call() {
        let paths = &document()["paths"];
        assert_eq!(paths["/rpc/user/ban"]["post"]["operationId"], "user.ban");
        for path in [
            "/user/ban/{userId}/{seconds}",
            "/user/ban/{userId}/{seconds}/{reason}",
        ] {
            assert_eq!(paths[path]["get"]["tags"], json!(["user"]), "{path}");
        }
        let of_secrets = paths.as_object().into_iter().flat_map(Map::keys);
        let mut of_secrets = of_secrets.filter(|path| path.starts_with("/user/setPassword"));
        assert_eq!(of_secrets.next(), None, "a secret is no part of an address");
    }

    #[test]
    fn forms_of_ids_are_those_that_are_accepted() {
        let document = document();
        let schema = |name: &str| {
            let schema = &document["components"]["schemas"][name];
            jsonschema::draft202012::new(schema).unwrap()
        };
        let (user, channel) = (schema("User"), schema("Channel"));
        for text in [
            "7",
            "1:7",
            "fb:a:b",
            "",
            "a b:c",
            "1:",
            "é",
            "1:a\u{a0}b",
            "x:\u{3000}",
            "1:\n",
        ] {
            let parameter = Parameter::new("p", Type::User);
            let is_accepted = parameter.read_text(text, "1").is_ok();
            assert_eq!(user.is_valid(&json!(text)), is_accepted, "{text:?}");
        }
        for text in [
            "a",
            "/a/b",
            "a/",
            "",
            "a//b",
            "a b",
            "a*",
            "chat/é",
            "a\u{2028}",
            &"a/".repeat(17),
        ] {
            let parameter = Parameter::new("p", Type::Channel);
            let is_accepted = parameter.read_text(text, "1").is_ok();
            assert_eq!(channel.is_valid(&json!(text)), is_accepted, "{text:?}");
        }
    }

    #[test]
    fn arguments_have_their_limits() {
        let paths = &document()["paths"];
        let body = |path: &str, name: &str| {
            let post = &paths[path]["post"]["requestBody"]["content"]["application/json"];
            post["schema"]["properties"][name].clone()
        };
        assert_eq!(body("/rpc/user/listAll", "limit")["anyOf"][0]["minimum"], 1);
        assert_eq!(body("/rpc/user/ban", "seconds")["minimum"], 0);
        let session = body("/rpc/session/get", "session");
        assert_eq!(session["pattern"], "^[0-9A-Fa-f]{16}$");
    }

    #[test]
    fn token_is_one_way_to_call() {
        let document = document();
        let token = &document["components"]["securitySchemes"]["token"];
        assert_eq!(
            (&token["type"], &token["scheme"]),
            (&json!("http"), &json!("bearer"))
        );
        assert_eq!(document["security"], json!([{"token": []}, {}]));
    }

    #[test]
    fn refusals_are_listed_by_their_status() {
        let refusals = refusals();
        let codes = &refusals["404"]["description"];
        assert_eq!(codes, "`not_found`");
        assert!(!refusals.contains_key("200"));
    }
}
