//! What the services offer, as JSON: `GET /api`. The forms of the management page and
//! generated clients come from it.

use serde_json::{Map, Value, json};

use super::SERVICES;
use super::method::{Method, Parameter, Type};

impl Type {
    /// Its name in definitions.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Users => "users",
            Self::Text => "string",
            Self::Secret => "secret",
            Self::Seconds => "seconds",
            Self::Count => "count",
            Self::Channel => "channel",
            Self::Any => "any",
            Self::Object => "object",
        }
    }

    /// What it accepts, for the types of other languages.
    pub(crate) const fn accepted(self) -> Accepted {
        match self {
            Self::User | Self::Text => Accepted::TextOrNumber,
            Self::Users => Accepted::List,
            Self::Secret | Self::Channel => Accepted::Text,
            Self::Seconds | Self::Count => Accepted::Count,
            Self::Any => Accepted::Any,
            Self::Object => Accepted::Object,
        }
    }

    /// What it is, for the comments of generated clients.
    pub(crate) const fn about(self) -> &'static str {
        match self {
            Self::User => "a user, REALM:NAME; without a realm it has portal.default_realm",
            Self::Users => "a list of users",
            Self::Text => "a text",
            Self::Secret => "a secret",
            Self::Seconds => "a whole number of seconds",
            Self::Count => "a whole number",
            Self::Channel => "the path of a channel",
            Self::Any => "any JSON",
            Self::Object => "an object, its values any JSON",
        }
    }
}

/// What parameters accept, as other languages distinguish it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accepted {
    /// A string, or a number.
    TextOrNumber,
    /// A list of these.
    List,
    /// A string.
    Text,
    /// A whole number, 0 or more.
    Count,
    /// Any JSON.
    Any,
    /// An object with any values.
    Object,
}

fn parameter(parameter: &Parameter) -> Value {
    let (name, of) = (parameter.name, parameter.of.name());
    match parameter.is_optional {
        true => json!({"name": name, "type": of, "optional": true}),
        false => json!({"name": name, "type": of}),
    }
}

/// The methods of a service: `{METHOD: {description, role, kind, params, result}}`.
pub(crate) fn of_service(methods: &[Method]) -> Value {
    let methods = methods.iter();
    let methods = methods.map(|of| (of.name.to_owned(), method(of)));
    methods.collect::<Map<_, _>>().into()
}

fn method(method: &Method) -> Value {
    let parameters = method.parameters.iter();
    json!({
        "description": method.description,
        "role": method.role.name(),
        "kind": method.kind.name(),
        "params": parameters.map(parameter).collect::<Vec<_>>(),
        "result": method.result.schema(),
    })
}

/// `{SERVICE: {METHOD: {description, role, kind, params: [{name, type, optional?}], result}}}`;
/// `result` is a JSON Schema.
pub(super) fn definitions() -> Value {
    let services = SERVICES.iter();
    let services = services.map(|(name, methods)| ((*name).to_owned(), of_service(methods)));
    services.collect::<Map<String, Value>>().into()
}

#[cfg(test)]
#[allow(clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn definition_has_parameters_in_their_order_and_the_shape_of_the_result() {
        let all = definitions();
        let ban = &all["user"]["ban"];
        let params = json!([
            {"name": "userId", "type": "user"},
            {"name": "seconds", "type": "seconds"},
            {"name": "reason", "type": "string", "optional": true},
        ]);
        assert_eq!(ban["params"], params);
        assert_eq!(ban["role"], "operate");
        assert_eq!(ban["kind"], "change");
        assert_eq!(all["user"]["publish"]["kind"], "message");
        assert_eq!(all["audit"]["listAll"]["kind"], "look");
        assert_eq!(ban["result"], json!({"type": "integer", "minimum": 0}));
    }

    #[test]
    fn parameters_that_may_be_left_out_are_the_last() {
        for (service, methods) in SERVICES {
            for method in *methods {
                let flags = method.parameters.iter().map(|of| of.is_optional);
                assert!(flags.is_sorted(), "{service}/{}", method.name);
            }
        }
    }

    #[test]
    fn every_method_is_described_by_sentences() {
        for (service, methods) in SERVICES {
            for method in *methods {
                let text = method.description;
                let is_sentence = text.ends_with('.') && text.starts_with(char::is_uppercase);
                assert!(is_sentence, "{service}/{}: {text}", method.name);
            }
        }
    }
}
