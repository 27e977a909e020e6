//! What differs between two configurations, key by key.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::problem::Origin;
use super::{Config, key, restart, secret};
use crate::management::configuration::{Change, Layer};

/// Where values come from: the path of each written entry with its origin, in the order of
/// the layers. `base` is the layer of all other keys.
#[derive(Debug, Clone, PartialEq)]
pub struct Origins {
    base: Layer,
    written: Vec<(Vec<String>, Origin)>,
}

impl Origins {
    /// Those of these entries.
    #[must_use]
    pub const fn new(base: Layer, written: Vec<(Vec<String>, Origin)>) -> Self {
        Self { base, written }
    }

    /// The origin of the value at `path`; `None` where it is not written. An entry may be
    /// for more than this value, or for a part of it.
    #[must_use]
    pub fn of(&self, path: &[String]) -> Option<&Origin> {
        let mut latest = self.written.iter().rev();
        let found = latest.find(|(of, _)| of.starts_with(path) || path.starts_with(of));
        found.map(|(_, origin)| origin)
    }

    /// The layer of the value at `path`.
    #[must_use]
    pub fn layer(&self, path: &[String]) -> Layer {
        match self.of(path) {
            None => self.base,
            Some(Origin::File { .. }) => Layer::File,
            Some(Origin::Variable(_)) => Layer::Environment,
            Some(Origin::Api) => Layer::Api,
        }
    }
}

/// A configuration as JSON. Keys without a value are left out.
#[must_use]
pub fn json(config: &Config) -> Value {
    // A struct of settings is always an object; null satisfies the compiler.
    serde_json::to_value(config).unwrap_or_default()
}

/// Each key with another value, in the order of their names; secrets are hidden. An entry that
/// is new, or gone, is one change.
#[must_use]
pub fn between(from: &Config, to: &Config, origins: &Origins) -> Vec<Change> {
    let mut found = Vec::new();
    compare(&mut Vec::new(), &json(from), &json(to), origins, &mut found);
    found
}

fn compare(
    path: &mut Vec<String>,
    from: &Value,
    to: &Value,
    origins: &Origins,
    found: &mut Vec<Change>,
) {
    if let (Value::Object(from), Value::Object(to)) = (from, to) {
        let names: BTreeSet<&String> = from.keys().chain(to.keys()).collect();
        for name in names {
            let value = |of: &Map<String, Value>| of.get(name).cloned().unwrap_or_default();
            path.push(name.clone());
            compare(path, &value(from), &value(to), origins, found);
            path.pop();
        }
    } else if from != to {
        found.push(Change {
            key: key::join(path),
            from: shown(path, from),
            to: shown(path, to),
            layer: origins.layer(path),
            restart: restart::is_needed(path),
        });
    }
}

/// A value without its secrets, and without keys that have none.
#[must_use]
pub fn shown(path: &[String], value: &Value) -> Value {
    let mut value = value.clone();
    let names: Vec<&str> = path.iter().map(String::as_str).collect();
    secret::hide(&names, &mut value);
    drop_null(&mut value);
    value
}

fn drop_null(value: &mut Value) {
    if let Value::Object(fields) = value {
        fields.retain(|_, value| !value.is_null());
        fields.values_mut().for_each(drop_null);
    }
}

/// Each key of a configuration with its value, secrets hidden.
#[must_use]
pub fn settings(config: &Config) -> Vec<(Vec<String>, Value)> {
    let mut found = Vec::new();
    let all = shown(&[], &json(config));
    flatten(&mut Vec::new(), &all, &mut found);
    found
}

fn flatten(path: &mut Vec<String>, value: &Value, found: &mut Vec<(Vec<String>, Value)>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, value) in fields {
                path.push(name.clone());
                flatten(path, value, found);
                path.pop();
            }
        }
        value => found.push((path.clone(), value.clone())),
    }
}

/// A change in a line of the log.
#[must_use]
pub fn line(change: &Change) -> String {
    /// Characters of a value that are shown.
    const VALUE_CHARACTERS: usize = 60;
    let short = |value: &Value| {
        let text = match value {
            Value::Null => "nothing".to_owned(),
            value => value.to_string(),
        };
        match text.char_indices().nth(VALUE_CHARACTERS) {
            None => text,
            Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        }
    };
    let (from, to, layer) = (short(&change.from), short(&change.to), change.layer.name());
    format!("{} {from} -> {to} ({layer})", change.key)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::secret::HIDDEN;
    use crate::config::source::Sources;

    fn composed(file: &str, variables: &[(&str, &str)]) -> (Config, Origins) {
        let composed = Sources::of(file, variables).compose().unwrap();
        (composed.config, composed.origins)
    }

    #[test]
    fn change_has_both_values_and_the_layer_of_the_new_one() {
        let (before, _) = composed("presence.watch_max = 7\nserver.workers = 3", &[]);
        let keys = [("TURNTABLE_SERVER__HOSTS", "[\"a.example\"]")];
        let (after, origins) = composed("server.workers = 2\ngames.chess.tick_ms = 50", &keys);
        let changes = between(&before, &after, &origins);
        let found: Vec<_> = changes
            .iter()
            .map(|change| (change.key.as_str(), change.layer, change.restart))
            .collect();
        assert_eq!(
            found,
            [
                ("games.chess", Layer::File, false),
                ("presence.watch_max", Layer::Default, false),
                ("server.hosts", Layer::Environment, false),
                ("server.workers", Layer::File, true),
            ]
        );
        let chess = changes.first().unwrap();
        assert_eq!(chess.from, Value::Null);
        assert_eq!(chess.to.get("tick_ms"), Some(&json!(50)));
        let watch = changes.get(1).unwrap();
        assert_eq!(
            line(watch),
            format!(
                "presence.watch_max 7 -> {} (default)",
                after.presence.watch_max
            )
        );
        assert_eq!(between(&after, &after, &origins), []);
    }

    #[test]
    fn changed_secret_is_a_change_without_its_value() {
        let service = |token: &str| {
            let file =
                format!("[services.forum]\nproviders = [\"service:forum\"]\ntoken = \"{token}\"\n");
            composed(&file, &[])
        };
        let (before, _) = service("geheim-one");
        let (after, origins) = service("geheim-two");
        let changes = between(&before, &after, &origins);
        let [change] = changes.as_slice() else {
            unreachable!("{changes:?}");
        };
        assert_eq!(change.key, "services.forum.token");
        assert_eq!((&change.from, &change.to), (&json!(HIDDEN), &json!(HIDDEN)));
        let removed = between(&after, &Config::default(), &origins);
        assert!(!format!("{removed:?}").contains("geheim"), "{removed:?}");
    }

    #[test]
    fn every_key_is_among_the_settings() {
        let all = settings(&Config::default());
        let text = |(path, value): &(Vec<String>, Value)| (key::join(path), value.clone());
        let all: Vec<(String, Value)> = all.iter().map(text).collect();
        assert!(all.len() > 150, "{}", all.len());
        for expected in [
            ("server.listen", json!("127.0.0.1:8080")),
            ("games.strike.tick_ms", json!(20)),
            ("services", json!({})),
        ] {
            let (key, value) = expected;
            assert!(all.contains(&(key.to_owned(), value)), "{key}");
        }
    }
}
