//! Merges defaults, file and environment into one validated configuration.
//!
//! `compose` is pure: it takes texts, and returns a configuration or every problem. A
//! later layer overrides an earlier one key by key. Each entry is tried alone on top of
//! the defaults, so that one invalid value hides no other. `load` only reads the texts.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use serde::Deserialize;
use toml::map;
use toml::{Table, Value};

use super::Config;
use super::api::ApiLayer;
use super::check::{self, ENVELOPE_BYTES};
use super::entry::{self, Entry};
use super::problem::{ConfigError, Origin, Problem};
use super::source::Sources;
use super::{secret, whole};

/// The begin of the message about a key that does not exist.
const UNKNOWN: &str = "unknown key";

/// Reads the configuration of a server that starts: `file`, or else the file that the
/// variable `TURNTABLE_CONFIG` names, or else none; then the environment, and what calls
/// have set before.
///
/// # Errors
/// [`ConfigError`] with every problem.
pub fn load(file: Option<&Path>) -> Result<Config, ConfigError> {
    Ok(Sources::read(file)?.compose()?.config)
}

/// Merges the defaults, `file` (its name and content) and `variables` (name and value;
/// those of other programs are ignored). `read` reads the schemas of games; a relative
/// path starts at the file's folder.
///
/// # Errors
/// [`ConfigError`] with every problem.
pub fn compose(
    file: Option<(&str, &str)>,
    variables: &[(String, String)],
    read: &dyn Fn(&Path) -> io::Result<String>,
) -> Result<Config, ConfigError> {
    let folder = file.and_then(|(name, _)| Path::new(name).parent());
    let layers = Layers::new(defaults(), file, variables);
    let composed = layers.finish(folder.unwrap_or(Path::new("")), read);
    Ok(composed?.0)
}

/// The defaults as a table.
#[must_use]
pub fn defaults() -> Table {
    // A struct of settings is always a table; the default satisfies the compiler.
    Table::try_from(Config::default()).unwrap_or_default()
}

/// Where each written value is, in the order of the layers.
pub(super) type Written = Vec<(Vec<String>, Origin)>;

/// The layers so far.
pub(super) struct Layers {
    base: Table,
    merged: Table,
    written: Vec<(String, Entry)>,
    problems: Vec<Problem>,
}

impl Layers {
    /// `base` with a file and variables above it.
    pub(super) fn new(
        base: Table,
        file: Option<(&str, &str)>,
        variables: &[(String, String)],
    ) -> Self {
        let mut layers = Self {
            merged: base.clone(),
            base,
            written: Vec::new(),
            problems: Vec::new(),
        };
        if let Some((name, text)) = file {
            match entry::from_file(name, text, &layers.base) {
                Ok(entries) => entries.into_iter().for_each(|entry| layers.add(entry)),
                Err(problems) => layers.problems = problems,
            }
        }
        let mut variables: Vec<&(String, String)> = variables.iter().collect();
        variables.sort();
        for (name, text) in variables {
            if let Some(entry) = entry::from_variable(name, text, &layers.merged) {
                layers.add(entry);
            }
        }
        layers
    }

    /// What calls have set, above the others.
    pub(super) fn add_api(&mut self, api: &ApiLayer) {
        let entries = api.entries(&self.base).into_iter();
        entries.for_each(|entry| self.add(entry));
    }

    /// The file of the store, as far as it is known.
    pub(super) fn store_path(&self) -> &str {
        let path = self.merged.get("store").and_then(|store| store.get("path"));
        path.and_then(Value::as_str).unwrap_or_default()
    }

    /// Merges one entry, or records its problem.
    fn add(&mut self, entry: Entry) {
        let path: Vec<&str> = entry.path.iter().map(String::as_str).collect();
        let key = path.join(".");
        let mut message = None;
        let mut fitting = None;
        for reading in &entry.readings {
            let mut alone = self.section(&path);
            if let Err(wrong) = set(&mut alone, &path, reading.clone()) {
                message.get_or_insert(wrong);
            } else if let Err(error) = Config::deserialize(alone) {
                message.get_or_insert_with(|| self.explain(&path, reading, error.message()));
            } else {
                fitting = Some(reading.clone());
                break;
            }
        }
        if let Some(value) = fitting {
            let mut wrong = Vec::new();
            check::numbers(&entry.path, &value, &mut wrong);
            if wrong.is_empty() {
                // It could be merged into the defaults, and the merged table has the same
                // structure.
                let _ = set(&mut self.merged, &path, value);
            }
            for (path, message, value) in wrong {
                self.problems.push(Problem {
                    origin: Some(entry.origin.clone()),
                    key: path.join("."),
                    value: Some(value.to_string()),
                    message,
                });
            }
        } else if let Some(message) = message {
            // An unknown key may be the mistyped one of a secret.
            let is_unknown = message.starts_with(UNKNOWN);
            let value = || secret::text(&entry.path, &entry.text);
            self.problems.push(Problem {
                origin: Some(entry.origin.clone()),
                key: key.clone(),
                value: (!is_unknown).then(value),
                message,
            });
        }
        self.written.push((key, entry));
    }

    /// The section of a key, alone: the parser has defaults for the others, and takes its time
    /// for each value.
    fn section(&self, path: &[&str]) -> Table {
        let section = path.first().and_then(|name| self.base.get_key_value(*name));
        let section = section.map(|(name, section)| (name.clone(), section.clone()));
        section.into_iter().collect()
    }

    /// The parser's error in the terms of the configuration.
    fn explain(&self, path: &[&str], written: &Value, error: &str) -> String {
        match error.strip_prefix("unknown field ") {
            Some(rest) => format!("{UNKNOWN} {rest}"),
            None => check::accepted(path, written, &self.base)
                .unwrap_or_else(|| secret::message(path, error)),
        }
    }

    /// The checks that involve several keys, and the result.
    pub(super) fn finish(
        mut self,
        folder: &Path,
        read: &dyn Fn(&Path) -> io::Result<String>,
    ) -> Result<(Config, Written), ConfigError> {
        let mut config = match Config::deserialize(self.merged.clone()) {
            Ok(config) => config,
            Err(error) => {
                self.problems.push(Problem {
                    origin: None,
                    key: String::new(),
                    value: None,
                    message: error.message().to_owned(),
                });
                return Err(ConfigError(self.problems));
            }
        };
        if !self.is_written("session.outbox_bytes_max") {
            raise_outbox(&mut config);
        }
        for game in config.games.values_mut() {
            let schema = game.schema.take();
            let schema = schema.filter(|schema| !schema.as_os_str().is_empty());
            game.schema = schema.map(|schema| folder.join(schema));
        }
        // An invalid key still has its default here, so checks that involve it are
        // skipped.
        let wrong: BTreeSet<&str> = self.problems.iter().map(|p| p.key.as_str()).collect();
        let conflicts: Vec<Problem> = whole::conflicts(&config, read)
            .into_iter()
            .filter(|conflict| !conflict.keys.iter().any(|key| wrong.contains(key.as_str())))
            .map(|conflict| self.blame(conflict))
            .collect();
        self.problems.extend(conflicts);
        if self.problems.is_empty() {
            let written = self.written.into_iter();
            Ok((
                config,
                written.flat_map(|(_, entry)| leaves(entry)).collect(),
            ))
        } else {
            Err(ConfigError(self.problems))
        }
    }

    fn is_written(&self, key: &str) -> bool {
        self.written.iter().any(|(written, _)| written == key)
    }

    /// Reports a contradiction at the first of its keys that is not a default.
    fn blame(&self, conflict: check::Conflict) -> Problem {
        let written = conflict.keys.iter().find_map(|key| {
            let of_key = |(written, _): &&(String, Entry)| written == key;
            self.written.iter().rev().find(of_key)
        });
        let Some((key, entry)) = written else {
            // One of a whole section is where that begins.
            let within = conflict.keys.iter().find_map(|key| {
                let section = format!("{key}.");
                let mut all = self.written.iter();
                all.find(|(written, _)| written.starts_with(&section))
            });
            return Problem {
                origin: within.map(|(_, entry)| entry.origin.clone()),
                ..Problem::from(conflict)
            };
        };
        Problem {
            origin: Some(entry.origin.clone()),
            key: key.clone(),
            value: Some(secret::text(&entry.path, &entry.text)),
            message: conflict.message,
        }
    }
}

/// The values of an entry: of a table each of its own, as the others may be of other layers.
fn leaves(entry: Entry) -> Written {
    fn walk(path: &mut Vec<String>, value: &Value, origin: &Origin, found: &mut Written) {
        match value {
            Value::Table(table) if !table.is_empty() => {
                for (name, value) in table {
                    path.push(name.clone());
                    walk(path, value, origin, found);
                    path.pop();
                }
            }
            _ => found.push((path.clone(), origin.clone())),
        }
    }
    let mut found = Vec::new();
    let mut path = entry.path;
    match entry.readings.first() {
        Some(value) => walk(&mut path, value, &entry.origin, &mut found),
        None => found.push((path, entry.origin)),
    }
    found
}

/// The outbox grows with raised limits unless it is set: it must hold one message, and
/// one tick.
fn raise_outbox(config: &mut Config) {
    let largest = config
        .server
        .max_message_bytes
        .max(config.room.tick_bytes_max);
    let needed = largest + ENVELOPE_BYTES;
    let outbox = &mut config.session.outbox_bytes_max;
    *outbox = (*outbox).max(needed);
}

/// Sets `value` at `path`. A table is merged into an existing table.
fn set(table: &mut Table, path: &[&str], value: Value) -> Result<(), String> {
    let Some((key, above)) = path.split_last() else {
        return Ok(());
    };
    let mut table = table;
    for section in above {
        let below = table
            .entry(*section)
            .or_insert_with(|| Value::Table(Table::new()));
        let Value::Table(below) = below else {
            return Err(format!("unknown key: {section} is a value and has no keys"));
        };
        table = below;
    }
    match (table.entry(*key), value) {
        (map::Entry::Occupied(mut there), Value::Table(more)) if there.get().is_table() => {
            if let Value::Table(there) = there.get_mut() {
                there.extend(more);
            }
        }
        (map::Entry::Occupied(mut there), value) => {
            there.insert(value);
        }
        (map::Entry::Vacant(free), value) => {
            free.insert(value);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
