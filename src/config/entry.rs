//! One value of a configuration, from a file or from the environment.
//!
//! A file becomes a list of entries with their positions, a variable becomes one
//! entry; both are then processed alike. Both functions are pure.

use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};
use toml::{Table, Value};

use super::problem::{Origin, Problem};

/// The prefix of the variables.
pub const PREFIX: &str = "TURNTABLE_";

/// The variable that names the file; it is not a key.
pub const FILE_VARIABLE: &str = "TURNTABLE_CONFIG";

/// The variable with the token of `turntable call`; it is not a key.
pub const TOKEN_VARIABLE: &str = "TURNTABLE_TOKEN";

/// One value, not yet validated.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The path of the key.
    pub path: Vec<String>,
    /// The value as it was written.
    pub text: String,
    /// The possible values of the text, the most likely first; never empty. A file has
    /// one. A variable has no quotes, so `true` is a boolean or a string, depending on
    /// its key.
    pub readings: Vec<Value>,
    /// The position where it was written.
    pub origin: Origin,
}

/// The entries of the file `name` with the content `text`. `known` is the table of
/// all sections; it distinguishes a section from a value.
///
/// # Errors
/// Every position with invalid TOML.
pub fn from_file(name: &str, text: &str, known: &Table) -> Result<Vec<Entry>, Vec<Problem>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        return Err(errors
            .into_iter()
            .map(|error| Problem {
                origin: Some(Origin::in_file(
                    name,
                    text,
                    error.span().map_or(0, |span| span.start),
                )),
                key: String::new(),
                value: None,
                message: error.message().to_owned(),
            })
            .collect());
    }
    let mut entries = Vec::new();
    for (section, value) in table.into_inner() {
        split(&[], section, value, known, &mut |path, place, value| {
            let written = text.get(value.span()).unwrap_or_default();
            let entry = Entry {
                path,
                text: written.to_owned(),
                origin: Origin::in_file(name, text, place.start),
                readings: vec![read(value, written)],
            };
            entries.push((place.start, entry));
        });
    }
    // The parser sorts by key; errors are reported in the order of the file.
    entries.sort_by_key(|(start, _)| *start);
    Ok(entries.into_iter().map(|(_, entry)| entry).collect())
}

/// A value without its positions. A number beyond 64 bits remains text, which no
/// numeric key accepts.
fn read(value: Spanned<DeValue<'_>>, text: &str) -> Value {
    Value::deserialize(ValueDeserializer::from(value))
        .unwrap_or_else(|_| Value::String(text.to_owned()))
}

/// Splits sections into their keys: one level, two in `[limits]`, `[games]`, `[services]`,
/// `[channels]` and `[roles]`, three in the attributes and channels of a role.
fn split(
    above: &[String],
    key: Spanned<toml::de::DeString<'_>>,
    value: Spanned<DeValue<'_>>,
    known: &Table,
    emit: &mut impl FnMut(Vec<String>, Range<usize>, Spanned<DeValue<'_>>),
) {
    let place = key.span();
    let mut path = above.to_vec();
    path.push(key.into_inner().into_owned());
    let within = match value.get_ref() {
        DeValue::Table(table) if is_section(&path, known) => !table.is_empty(),
        _ => false,
    };
    if !within {
        return emit(path, place, value);
    }
    if let DeValue::Table(table) = value.into_inner() {
        for (key, value) in table {
            split(&path, key, value, known, emit);
        }
    }
}

/// Whether the value at `path` is a section, whose keys are entries of their own.
pub(super) fn is_section(path: &[String], known: &Table) -> bool {
    match path {
        [section] => known.get(section).is_some_and(Value::is_table),
        [section, _] if matches!(&**section, "games" | "services" | "channels" | "roles") => true,
        [section, _, key] if section == "roles" => key == "attributes" || key == "channels",
        [section, key] => known
            .get(section)
            .and_then(|section| section.get(key))
            .is_some_and(Value::is_table),
        _ => false,
    }
}

/// The entry of one variable; `None` if `name` does not begin with [`PREFIX`], or is
/// [`FILE_VARIABLE`] or [`TOKEN_VARIABLE`].
///
/// `known` contains the existing names, which match in any case.
#[must_use]
pub fn from_variable(name: &str, text: &str, known: &Table) -> Option<Entry> {
    if matches!(name, FILE_VARIABLE | TOKEN_VARIABLE) {
        return None;
    }
    let mut below = Some(known);
    let mut path = Vec::new();
    for part in name.strip_prefix(PREFIX)?.split("__") {
        let key = below
            .into_iter()
            .flat_map(Table::keys)
            .find(|key| key.eq_ignore_ascii_case(part))
            .cloned()
            .unwrap_or_else(|| part.to_ascii_lowercase());
        below = below
            .and_then(|table| table.get(&key))
            .and_then(Value::as_table);
        path.push(key);
    }
    let literal = ValueDeserializer::parse(text)
        .and_then(Value::deserialize)
        .ok()
        .filter(|value| !value.is_str() && !value.is_datetime());
    Some(Entry {
        path,
        text: text.to_owned(),
        readings: literal
            .into_iter()
            .chain([Value::String(text.to_owned())])
            .collect(),
        origin: Origin::Variable(name.to_owned()),
    })
}
