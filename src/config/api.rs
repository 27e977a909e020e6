//! The layer above all others: keys that `config.set` sets while the server runs.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Map;
use toml::{Table, Value};

use super::entry::{self, Entry};
use super::key;
use super::problem::Origin;

/// Keys that no call changes: where the server itself is, and where this layer is stored.
const FIXED: &[[&str; 2]] = &[
    ["server", "listen"],
    ["management", "listen"],
    ["store", "path"],
];

/// The most bytes of all keys that calls have set, as TOML: each version has a copy of them, and
/// each change checks all.
pub const BYTES_MAX: usize = 65_536;

/// The keys that calls have set, in the structure of a file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ApiLayer(Table);

impl ApiLayer {
    /// Whether it sets nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The same with other keys. Objects are merged; null removes a key, and what is below
    /// it, from this layer. The names at the top may be paths (`presence.watch_max`).
    ///
    /// # Errors
    /// A sentence for a key or a value that the layer cannot have.
    pub fn with(&self, keys: &Map<String, serde_json::Value>) -> Result<Self, String> {
        let mut table = self.0.clone();
        let mut given = BTreeSet::new();
        for (name, value) in keys {
            let mut path = key::split(name)?;
            once(&mut path, value, &mut given)?;
            merge(&mut table, &mut path, value)?;
        }
        for [section, name] in FIXED {
            if table.get(*section).is_some_and(|of| of.get(name).is_some()) {
                return Err(format!(
                    "{section}.{name} is not changed by a call: set it in the file or the \
                     environment, and restart the server"
                ));
            }
        }
        let bytes = table.to_string().len();
        if bytes > BYTES_MAX && bytes > self.0.to_string().len() {
            return Err(format!(
                "calls would have set {bytes} bytes, and at most {BYTES_MAX} are accepted: set \
                 more in the file"
            ));
        }
        Ok(Self(table))
    }

    /// Its values, as entries like those of a file. `known` is the table of all sections.
    pub(super) fn entries(&self, known: &Table) -> Vec<Entry> {
        let mut entries = Vec::new();
        for (section, value) in &self.0 {
            split(&mut vec![section.clone()], value, known, &mut entries);
        }
        entries
    }
}

/// The entries of a value at `path`.
fn split(path: &mut Vec<String>, value: &Value, known: &Table, entries: &mut Vec<Entry>) {
    match value {
        Value::Table(table) if !table.is_empty() && entry::is_section(path, known) => {
            for (name, value) in table {
                path.push(name.clone());
                split(path, value, known, entries);
                path.pop();
            }
        }
        value => entries.push(Entry {
            path: path.clone(),
            text: value.to_string(),
            readings: vec![value.clone()],
            origin: Origin::Api,
        }),
    }
}

/// Adds the keys of a value at `path`. The same key may be a path and in an object.
fn once(
    path: &mut Vec<String>,
    value: &serde_json::Value,
    given: &mut BTreeSet<Vec<String>>,
) -> Result<(), String> {
    if let serde_json::Value::Object(fields) = value
        && !fields.is_empty()
    {
        for (name, value) in fields {
            path.push(name.clone());
            once(path, value, given)?;
            path.pop();
        }
    } else if !given.insert(path.clone()) {
        return Err(format!("duplicate key {}", key::join(path)));
    }
    Ok(())
}

/// Sets, or removes, a value at `path`.
fn merge(
    table: &mut Table,
    path: &mut Vec<String>,
    value: &serde_json::Value,
) -> Result<(), String> {
    match value {
        serde_json::Value::Null => remove(table, path),
        serde_json::Value::Object(fields) => {
            place(table, path)?;
            for (name, value) in fields {
                path.push(name.clone());
                merge(table, path, value)?;
                path.pop();
            }
        }
        value => {
            let value = read(value).ok_or_else(|| {
                let key = key::join(path);
                format!("{key}: {value} is no value of a configuration")
            })?;
            if let Some((name, above)) = path.split_last() {
                place(table, above)?.insert(name.clone(), value);
            }
        }
    }
    Ok(())
}

/// The table at `path`, which is made where there is none.
fn place<'t>(table: &'t mut Table, path: &[String]) -> Result<&'t mut Table, String> {
    let mut at = table;
    for (depth, name) in path.iter().enumerate() {
        let below = at.entry(name).or_insert_with(|| Value::Table(Table::new()));
        let Value::Table(below) = below else {
            let key = path.get(..=depth).map(key::join).unwrap_or_default();
            return Err(format!("{key} is a value and has no keys"));
        };
        at = below;
    }
    Ok(at)
}

/// Removes a key, and the tables above it that are empty then.
fn remove(table: &mut Table, path: &[String]) {
    let Some((name, below)) = path.split_first() else {
        return;
    };
    if below.is_empty() {
        table.remove(name);
    } else if let Some(Value::Table(of)) = table.get_mut(name) {
        remove(of, below);
        if of.is_empty() {
            table.remove(name);
        }
    }
}

/// A value of TOML; `None` for one that TOML does not have.
fn read(value: &serde_json::Value) -> Option<Value> {
    Some(match value {
        serde_json::Value::Null => return None,
        serde_json::Value::Bool(value) => Value::Boolean(*value),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(number) => Value::Integer(number),
            None if number.is_f64() => Value::Float(number.as_f64()?),
            None => return None,
        },
        serde_json::Value::String(text) => Value::String(text.clone()),
        serde_json::Value::Array(values) => {
            Value::Array(values.iter().map(read).collect::<Option<_>>()?)
        }
        serde_json::Value::Object(fields) => {
            let fields = fields.iter();
            let fields = fields.map(|(name, value)| Some((name.clone(), read(value)?)));
            Value::Table(fields.collect::<Option<_>>()?)
        }
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use serde_json::json;

    use super::*;

    fn with(layer: &ApiLayer, keys: serde_json::Value) -> Result<ApiLayer, String> {
        let serde_json::Value::Object(keys) = keys else {
            panic!("no object");
        };
        layer.with(&keys)
    }

    #[test]
    fn keys_are_merged_and_null_removes_them() {
        let none = ApiLayer::default();
        let keys = json!({"presence.watch_max": 5, "games": {"strike": {"tick_ms": 30}}});
        let one = with(&none, keys).unwrap();
        let keys = json!({"games.strike.members_max": 4, "server": {"hosts": ["a", "b"]}});
        let two = with(&one, keys).unwrap();
        let expected: Table = "presence.watch_max = 5\nserver.hosts = [\"a\", \"b\"]\n\
                               games.strike = { tick_ms = 30, members_max = 4 }"
            .parse()
            .unwrap();
        assert_eq!(two.0, expected);
        let keys = json!({"games": {"strike": {"members_max": null}}, "server": null});
        assert_eq!(with(&two, keys).unwrap(), one);
        let keys = json!({"games.strike": null, "presence.watch_max": null, "time.no": null});
        assert!(with(&one, keys).unwrap().is_empty());
    }

    #[test]
    fn entry_without_keys_is_one() {
        let layer = with(&ApiLayer::default(), json!({"games.chess": {}})).unwrap();
        let entries = layer.entries(&crate::config::load::defaults());
        let paths: Vec<_> = entries.into_iter().map(|entry| entry.path).collect();
        assert_eq!(paths, [["games", "chess"]]);
    }

    #[test]
    fn calls_set_a_limited_number_of_bytes_and_may_always_set_less() {
        let names = |of: &str, count: u32| {
            let games = (0..count).map(|index| (format!("{of}{index}"), json!({"tick_ms": 50})));
            json!({"games": games.collect::<Map<_, _>>()})
        };
        let some = with(&ApiLayer::default(), names("a", 1_500)).unwrap();
        let error = with(&some, names("b", 1_500)).unwrap_err();
        assert!(error.contains("at most 65536"), "{error}");
        let large = ApiLayer(
            format!("a = \"{}\"", "x".repeat(BYTES_MAX))
                .parse()
                .unwrap(),
        );
        assert!(with(&large, json!({"games.b.tick_ms": 50})).is_err());
        assert!(with(&large, json!({"a": "less"})).is_ok());
    }

    #[test]
    fn what_cannot_be_a_value_is_refused() {
        for (keys, expected) in [
            (json!({"server.listen": "0.0.0.0:80"}), "server.listen"),
            (json!({"management": {"listen": 1}}), "management.listen"),
            (json!({"store.path": "x"}), "store.path"),
            (json!({"server.hosts": [null]}), "server.hosts"),
            (
                json!({"time.ping_ms": 18_446_744_073_709_551_615_u64}),
                "time.ping_ms",
            ),
            (json!({"server..x": 1}), "server..x"),
            (
                json!({"presence": {"watch_max": 1}, "presence.watch_max": 2}),
                "duplicate key presence.watch_max",
            ),
            (
                json!({"server": {"echo": true}, "server.echo.x": 1}),
                "server.echo",
            ),
        ] {
            let error = with(&ApiLayer::default(), keys).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
