//! What the values of attributes may be: the entries of `[attributes.schema]`.
//!
//! A rule looks at one value. It is compiled once, when the configuration is read; a
//! value is checked when it is set, before anything changes.

use std::collections::BTreeMap;
use std::fmt;

use regex::Regex;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::payload::Payload;

/// The longest regular expression, in bytes when it is compiled.
const PATTERN_BYTES_MAX: usize = 1_048_576;

/// An entry of `[attributes.schema]`. A value that has no such property passes its key:
/// `min` says nothing of a string.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AttributeRule {
    /// The type.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub of: Option<ValueType>,
    /// The least number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// The greatest number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// The fewest characters of a string, or entries of an array.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length_min: Option<usize>,
    /// The most characters of a string, or entries of an array.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length_max: Option<usize>,
    /// The most bytes of the value as JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_max: Option<usize>,
    /// A regular expression that a whole string matches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// The values; empty: any.
    #[serde(rename = "enum", skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<Scalar>,
}

/// The type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the types of JSON")]
pub enum ValueType {
    String,
    Number,
    /// A number without a fraction.
    Integer,
    Boolean,
    Array,
    Object,
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::String => "a string",
            Self::Number => "a number",
            Self::Integer => "a whole number",
            Self::Boolean => "true or false",
            Self::Array => "an array",
            Self::Object => "an object",
        })
    }
}

/// A value of `enum`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
#[allow(missing_docs, reason = "the types of JSON")]
pub enum Scalar {
    Boolean(bool),
    Integer(i64),
    String(String),
}

impl Scalar {
    fn is(&self, value: &Value) -> bool {
        match self {
            Self::Boolean(known) => value.as_bool() == Some(*known),
            Self::Integer(known) => value.as_i64() == Some(*known),
            Self::String(known) => value.as_str() == Some(known),
        }
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(value) => write!(f, "{value}"),
            Self::Integer(value) => write!(f, "{value}"),
            Self::String(value) => write!(f, "{value:?}"),
        }
    }
}

/// Rules by the names of their attributes, compiled.
#[derive(Debug, Clone, Default)]
pub struct AttributeRules(BTreeMap<Box<str>, (AttributeRule, Option<Regex>)>);

impl AttributeRules {
    /// Compiles rules.
    ///
    /// # Errors
    /// The name of an attribute and what is wrong with its rule.
    pub fn new(rules: &BTreeMap<String, AttributeRule>) -> Result<Self, (String, String)> {
        let compile = |(name, rule): (&String, &AttributeRule)| {
            let pattern = rule.compile().map_err(|error| (name.clone(), error))?;
            Ok((name.as_str().into(), (rule.clone(), pattern)))
        };
        rules
            .iter()
            .map(compile)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether an attribute may have this value.
    ///
    /// # Errors
    /// What is accepted, as the end of a sentence that begins with the name.
    pub fn check(&self, name: &str, value: &Payload) -> Result<(), String> {
        match self.0.get(name) {
            Some((rule, pattern)) => rule.check(value, pattern.as_ref()),
            None => Ok(()),
        }
    }
}

impl AttributeRule {
    fn compile(&self) -> Result<Option<Regex>, String> {
        let bounds = [self.min, self.max].into_iter().flatten();
        if bounds.clone().any(|bound| !bound.is_finite()) {
            return Err("min and max must be finite numbers".to_owned());
        }
        let is_empty = self.min.zip(self.max).is_some_and(|(min, max)| min > max)
            || self
                .length_min
                .zip(self.length_max)
                .is_some_and(|(min, max)| min > max);
        if is_empty {
            return Err("no value is accepted: a minimum is over its maximum".to_owned());
        }
        let compile = |pattern: &String| {
            regex::RegexBuilder::new(&format!("^(?:{pattern})$"))
                .size_limit(PATTERN_BYTES_MAX)
                .build()
                .map_err(|error| format!("pattern: {error}"))
        };
        self.pattern.as_ref().map(compile).transpose()
    }

    fn check(&self, value: &Payload, pattern: Option<&Regex>) -> Result<(), String> {
        if let Some(max) = self.bytes_max
            && value.as_json().len() > max
        {
            return Err(format!("must have at most {max} bytes of JSON"));
        }
        // A payload is valid JSON, but one nested too deep for this reader.
        let parsed: Value = serde_json::from_str(value.as_json())
            .map_err(|_| "must not be nested so deep".to_owned())?;
        if let Some(of) = self.of
            && !is_of(&parsed, of)
        {
            return Err(format!("must be {of}"));
        }
        self.check_number(&parsed)?;
        self.check_length(&parsed)?;
        if let (Some(pattern), Some(text)) = (pattern, parsed.as_str())
            && !pattern.is_match(text)
        {
            let wanted = self.pattern.as_deref().unwrap_or_default();
            return Err(format!("must match the pattern {wanted}"));
        }
        if self.values.is_empty() || self.values.iter().any(|known| known.is(&parsed)) {
            return Ok(());
        }
        let known: Vec<String> = self.values.iter().map(ToString::to_string).collect();
        Err(format!("must be one of {}", known.join(", ")))
    }

    fn check_number(&self, value: &Value) -> Result<(), String> {
        let Some(number) = value.as_f64() else {
            return Ok(());
        };
        match (self.min, self.max) {
            (Some(min), _) if number < min => Err(format!("must be at least {min}")),
            (_, Some(max)) if number > max => Err(format!("must be at most {max}")),
            _ => Ok(()),
        }
    }

    fn check_length(&self, value: &Value) -> Result<(), String> {
        let (length, what) = match value {
            Value::String(text) => (text.chars().count(), "characters"),
            Value::Array(entries) => (entries.len(), "entries"),
            _ => return Ok(()),
        };
        match (self.length_min, self.length_max) {
            (Some(min), _) if length < min => Err(format!("must have at least {min} {what}")),
            (_, Some(max)) if length > max => Err(format!("must have at most {max} {what}")),
            _ => Ok(()),
        }
    }
}

fn is_of(value: &Value, of: ValueType) -> bool {
    match of {
        ValueType::String => value.is_string(),
        ValueType::Number => value.is_number(),
        // 1.0 and 1e3 are whole, too.
        ValueType::Integer => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        ValueType::Boolean => value.is_boolean(),
        ValueType::Array => value.is_array(),
        ValueType::Object => value.is_object(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn rules(text: &str) -> Result<AttributeRules, (String, String)> {
        AttributeRules::new(&BTreeMap::from([(
            "a".to_owned(),
            toml::from_str(text).unwrap(),
        )]))
    }

    #[track_caller]
    fn passes(rule: &str, good: &[&str], bad: &[&str], what: &str) {
        let rules = rules(rule).unwrap();
        for json in good {
            assert_eq!(
                rules.check("a", &Payload::from_json(json)),
                Ok(()),
                "{json}"
            );
        }
        for json in bad {
            let refused = rules.check("a", &Payload::from_json(json));
            assert_eq!(refused, Err(what.to_owned()), "{json}");
        }
        assert_eq!(rules.check("other", &Payload::from_json("[]")), Ok(()));
    }

    #[test]
    fn each_key_refuses_what_it_says() {
        let deep = "[".repeat(200) + &"]".repeat(200);
        let whole = ["1", "-7", "1.0", "1e3", "99999999999999999999"];
        passes(
            "type = 'string'",
            &["\"\"", "\"1\""],
            &["1", "true", "[]", "{}"],
            "must be a string",
        );
        passes(
            "type = 'number'",
            &["1", "1.5"],
            &["\"1\"", "true"],
            "must be a number",
        );
        passes(
            "type = 'integer'",
            &whole,
            &["1.5", "\"1\""],
            "must be a whole number",
        );
        passes(
            "type = 'boolean'",
            &["true"],
            &["0", "\"true\""],
            "must be true or false",
        );
        passes("type = 'array'", &["[1]"], &["{}"], "must be an array");
        passes("type = 'object'", &["{}"], &["[]"], "must be an object");
        passes(
            "min = 0",
            &["0", "1e9", "\"-1\""],
            &["-1", "-0.001"],
            "must be at least 0",
        );
        passes(
            "max = 1.5",
            &["1.5", "-1e99"],
            &["1.51"],
            "must be at most 1.5",
        );
        passes(
            "length_max = 2",
            &["\"äö\"", "[1,2]", "77777"],
            &["\"abc\""],
            "must have at most 2 characters",
        );
        passes(
            "length_min = 1",
            &["\"a\"", "{}"],
            &["[]"],
            "must have at least 1 entries",
        );
        passes(
            "bytes_max = 3",
            &["123", "\"a\""],
            &["1234", "\"ab\""],
            "must have at most 3 bytes of JSON",
        );
        passes(
            "pattern = '#[0-9a-f]{6}'",
            &["\"#00ff00\"", "7"],
            &["\"#00ff001\"", "\"x#00ff00\"", "\"#00ff00\\n\""],
            "must match the pattern #[0-9a-f]{6}",
        );
        passes(
            "enum = ['a', 1, true]",
            &["\"a\"", "1", "true"],
            &["\"b\"", "2", "false", "\"1\""],
            "must be one of \"a\", 1, true",
        );
        passes(
            "type = 'array'",
            &[],
            &[&deep],
            "must not be nested so deep",
        );
    }

    #[test]
    fn rules_that_accept_nothing_or_do_not_compile_are_errors() {
        for wrong in [
            "pattern = '('",
            "min = 2\nmax = 1",
            "length_min = 2\nlength_max = 1",
            "max = nan",
            "pattern = '(a{1000}){1000}'",
        ] {
            assert_eq!(rules(wrong).unwrap_err().0, "a", "{wrong}");
        }
        // An alternative is anchored as a whole.
        passes(
            "pattern = 'a|b'",
            &["\"a\"", "\"b\""],
            &["\"ax\"", "\"xb\""],
            "must match the pattern a|b",
        );
        assert!(toml::from_str::<AttributeRule>("types = 'string'").is_err());
    }
}
