//! The rule `schema`: `data` fulfils a JSON Schema.
//!
//! The validator is built once per game and shared by its rooms. It loads
//! nothing from elsewhere, and its patterns run in linear time, since clients
//! choose the texts that they are matched with.

use std::fmt;
use std::sync::Arc;

use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

use super::{Inspection, Refusal, RoomView, Rule};

/// Why a schema cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a usable JSON Schema: {0}")]
pub struct SchemaError(pub String);

/// A compiled schema; a clone is a reference count.
#[derive(Clone)]
pub struct Schema(Arc<Validator>);

impl Schema {
    /// Compiles `schema`.
    ///
    /// # Errors
    /// [`SchemaError`] where it is not a JSON Schema, refers to another file,
    /// or has a pattern with look-around or back-references.
    pub fn new(schema: &Value) -> Result<Self, SchemaError> {
        jsonschema::options()
            .offline()
            .with_pattern_options(PatternOptions::regex())
            .build(schema)
            .map(|validator| Self(Arc::new(validator)))
            .map_err(|error| {
                SchemaError(format!("{error} (at {:?})", error.instance_path().as_str()))
            })
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Schema")
    }
}

impl Rule for Schema {
    fn check(
        &mut self,
        _room: &RoomView<'_>,
        action: &Inspection<'_>,
        _now_ms: u64,
    ) -> Result<(), Refusal> {
        self.0.validate(action.data()?).map_err(|error| {
            // The path is in the client's words, so the reason stands first
            // and the cut falls on the path.
            Refusal::invalid(format!(
                "the data does not fulfil the game's schema: {} at data{}",
                error.masked(),
                error.instance_path()
            ))
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::super::tests::ask;
    use super::*;

    fn schema() -> Schema {
        Schema::new(&json!({
            "type": "object",
            "properties": {
                "move": {"type": "array", "items": {"type": "number", "maximum": 9}},
                "name": {"type": "string", "pattern": "^(a+)+$"}
            },
            "required": ["move"]
        }))
        .unwrap()
    }

    #[test]
    fn a_refusal_tells_reason_and_path() {
        let mut rule = schema();
        assert_eq!(ask(&mut rule, "{\"move\":[1,2.5]}"), Ok(()));
        let refusal = ask(&mut rule, "{\"move\":[1,20]}").unwrap_err();
        assert_eq!(refusal.code, crate::reason::ErrorCode::InvalidAction);
        assert!(refusal.message.contains("maximum of 9"), "{refusal}");
        assert!(refusal.message.ends_with("data/move/1"), "{refusal}");
        let refusal = ask(&mut rule, "{}").unwrap_err();
        assert!(refusal.message.contains("move"), "{refusal}");
    }

    #[test]
    fn a_refusal_repeats_no_long_value() {
        let long = format!("{{\"move\":\"{}\"}}", "x".repeat(100_000));
        let refusal = ask(&mut schema(), &long).unwrap_err();
        assert!(refusal.message.len() <= 300, "{}", refusal.message.len());
    }

    #[test]
    fn a_pattern_cannot_be_made_slow() {
        // 2^64 steps for an engine that tracks back.
        let slow = format!("{{\"move\":[],\"name\":\"{}b\"}}", "a".repeat(64));
        assert!(ask(&mut schema(), &slow).is_err());
    }

    #[test]
    fn what_is_no_schema_or_lies_elsewhere_is_refused() {
        assert!(Schema::new(&json!({"type": 7})).is_err());
        let elsewhere = json!({"$ref": "https://example.com/schema.json"});
        assert!(Schema::new(&elsewhere).is_err());
        let file = json!({"$ref": "file:///etc/passwd"});
        assert!(Schema::new(&file).is_err());
        assert!(Schema::new(&json!({"pattern": "(?=a)b"})).is_err());
    }
}
