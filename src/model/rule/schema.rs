//! The rule `schema`: `data` fulfils a JSON Schema.
//!
//! The validator is built once per game and shared by its rooms. It loads
//! nothing from elsewhere, and its patterns run in linear time, since clients
//! choose the texts they are held against.

use std::fmt;
use std::sync::Arc;

use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

use super::{Inspection, Refusal, RoomView, Rule};

/// Why a schema cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a usable JSON Schema: {0}")]
pub struct SchemaError(String);

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
