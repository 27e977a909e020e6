//! The shapes of results, from which their JSON Schema (draft 2020-12) comes.

use serde_json::{Map, Value, json};

/// The shape of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Any JSON.
    Any,
    /// `true` or `false`.
    Boolean,
    /// A whole number, 0 or more.
    Count,
    /// A number, 0 or more.
    Number,
    /// A string.
    Text,
    /// This, or null.
    Nullable(&'static Self),
    /// A list of values of one shape.
    List(&'static Self),
    /// An object with any names and values of one shape.
    Map(&'static Self),
    /// An object with these fields.
    Object(&'static [Field]),
    /// What a method that lists returns (`page`): all of it, or an object with one page in a
    /// field of this name.
    Page(&'static str, &'static Self),
}

/// A field of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    pub(crate) is_optional: bool,
}

impl Field {
    /// A field that is always there.
    pub(crate) const fn new(name: &'static str, shape: Shape) -> Self {
        Self {
            name,
            shape,
            is_optional: false,
        }
    }

    /// A field that may be left out.
    pub(crate) const fn optional(name: &'static str, shape: Shape) -> Self {
        Self {
            name,
            shape,
            is_optional: true,
        }
    }
}

impl Shape {
    /// Its JSON Schema.
    pub(super) fn schema(&self) -> Value {
        match self {
            Self::Any => json!({}),
            Self::Boolean => json!({"type": "boolean"}),
            Self::Count => json!({"type": "integer", "minimum": 0}),
            Self::Number => json!({"type": "number", "minimum": 0}),
            Self::Text => json!({"type": "string"}),
            Self::Nullable(shape) => json!({"anyOf": [shape.schema(), {"type": "null"}]}),
            Self::List(shape) => json!({"type": "array", "items": shape.schema()}),
            Self::Map(shape) => {
                json!({"type": "object", "additionalProperties": shape.schema()})
            }
            Self::Object(fields) => {
                let fields = fields.iter();
                object(fields.map(|field| (field.name, field.shape.schema(), field.is_optional)))
            }
            Self::Page(name, all) => {
                let page = [
                    (*name, all.schema(), false),
                    ("next", Self::Text.schema(), true),
                ];
                json!({"anyOf": [all.schema(), object(page.into_iter())]})
            }
        }
    }
}

/// The JSON Schema of an object with these fields and no others: of each its name, its schema
/// and whether it may be left out.
pub(super) fn object(fields: impl Iterator<Item = (&'static str, Value, bool)>) -> Value {
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for (name, schema, is_optional) in fields {
        if !is_optional {
            required.push(name);
        }
        properties.insert(name.to_owned(), schema);
    }
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

#[cfg(test)]
#[allow(clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn object_has_its_fields_and_says_which_are_required() {
        const SHAPE: Shape = Shape::Object(&[
            Field::new("id", Shape::Text),
            Field::optional("ends_ms", Shape::Count),
        ]);
        let expected = json!({
            "type": "object",
            "properties": {
                "id": {"type": "string"},
                "ends_ms": {"type": "integer", "minimum": 0},
            },
            "required": ["id"],
            "additionalProperties": false,
        });
        assert_eq!(SHAPE.schema(), expected);
    }

    #[test]
    fn list_comes_whole_or_as_a_page() {
        const SHAPE: Shape = Shape::Page("users", &Shape::List(&Shape::Text));
        let list = json!({"type": "array", "items": {"type": "string"}});
        let schema = SHAPE.schema();
        assert_eq!(schema["anyOf"][0], list);
        assert_eq!(schema["anyOf"][1]["properties"]["users"], list);
        assert_eq!(schema["anyOf"][1]["required"], json!(["users"]));
    }
}
