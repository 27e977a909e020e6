//! The texts of all layers of a configuration: what a server that runs composes again.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::Table;

use super::Config;
use super::api::ApiLayer;
use super::diff::Origins;
use super::entry::{FILE_VARIABLE, PREFIX};
use super::load::{self, Layers};
use super::problem::{ConfigError, Problem};
use super::saved;
use crate::management::configuration::Layer;
use crate::plain_file;

/// A configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its content.
    pub text: Arc<str>,
}

impl SourceFile {
    /// Whether it says nothing, not even in a comment.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text.trim().is_empty()
    }
}

/// All layers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sources {
    /// The configuration of the program that embeds the server, in place of the defaults.
    pub program: Option<Arc<Config>>,
    /// The file.
    pub file: Option<SourceFile>,
    /// The environment: names and values.
    pub variables: Arc<[(String, String)]>,
    /// What calls have set.
    pub api: ApiLayer,
}

/// A configuration with the origins of its values.
#[derive(Debug, Clone, PartialEq)]
pub struct Composed {
    /// The configuration.
    pub config: Config,
    /// Where its values come from.
    pub origins: Origins,
}

impl Sources {
    /// Reads those of a server that starts: `file`, or else the file that the variable
    /// `TURNTABLE_CONFIG` names, or else none; the environment; and what calls have set and
    /// is saved beside the store.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn read(file: Option<&Path>) -> Result<Self, ConfigError> {
        let named = std::env::var_os(FILE_VARIABLE).filter(|name| !name.is_empty());
        let file = file
            .map(Path::to_owned)
            .or_else(|| named.map(PathBuf::from));
        let file = match file {
            None => None,
            Some(path) => Some(SourceFile {
                text: plain_file::read_text(&path)
                    .map_err(|error| unread(&path, &error))?
                    .into(),
                path,
            }),
        };
        let variables = std::env::vars_os()
            .map(|(name, text)| {
                let plain = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
                (plain(name), plain(text))
            })
            .filter(|(name, _)| name.starts_with(PREFIX) && !is_for_tests(name));
        let sources = Self {
            file,
            variables: variables.collect(),
            ..Self::default()
        };
        sources.with_saved()
    }

    /// Which file it is, for the log and for messages.
    #[must_use]
    pub fn file_line(&self) -> String {
        match &self.file {
            Some(file) => format!("the configuration file is {}", file.path.display()),
            None => "there is no configuration file: the defaults hold".to_owned(),
        }
    }

    /// Sets a variable in place of the environment's, for an option of the command line.
    pub fn set(&mut self, name: &str, value: String) {
        let others = self
            .variables
            .iter()
            .filter(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.variables = others.cloned().chain([(name.to_owned(), value)]).collect();
    }

    /// The same with what calls have set, where that is saved beside the store.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn with_saved(mut self) -> Result<Self, ConfigError> {
        if let Some(path) = self.saved_path() {
            let saved = saved::read(&path).map_err(plain)?;
            self.api = saved.map(|saved| saved.api).unwrap_or_default();
        }
        Ok(self)
    }

    /// The configuration of a program.
    #[must_use]
    pub fn program(config: Config) -> Self {
        Self {
            program: Some(Arc::new(config)),
            ..Self::default()
        }
    }

    /// Where what calls set is saved: beside the store, if that is a file.
    #[must_use]
    pub fn saved_path(&self) -> Option<PathBuf> {
        let path = match &self.program {
            Some(config) => config.store.path.clone(),
            None => self.layers(load::defaults()).store_path().to_owned(),
        };
        saved::beside(&path)
    }

    fn layers(&self, base: Table) -> Layers {
        let name = self
            .file
            .as_ref()
            .map(|file| file.path.display().to_string());
        let texts = self.file.as_ref().map(|file| &*file.text);
        Layers::new(base, name.as_deref().zip(texts), &self.variables)
    }

    /// Merges the layers, and checks the result.
    ///
    /// # Errors
    /// [`ConfigError`] with every problem.
    pub fn compose(&self) -> Result<Composed, ConfigError> {
        let base = match &self.program {
            None => Layer::Default,
            Some(config) if self.api.is_empty() => {
                config.check()?;
                return Ok(Composed {
                    config: (**config).clone(),
                    origins: Origins::new(Layer::Program, Vec::new()),
                });
            }
            Some(_) => Layer::Program,
        };
        let table = match &self.program {
            None => load::defaults(),
            Some(config) => Table::try_from(&**config).map_err(|error| {
                plain(format!(
                    "the program's configuration has what TOML has not: {error}"
                ))
            })?,
        };
        let mut layers = self.layers(table);
        layers.add_api(&self.api);
        let folder = self.file.as_ref().and_then(|file| file.path.parent());
        let read = |path: &Path| plain_file::read_text(path);
        let (config, written) = layers.finish(folder.unwrap_or(Path::new("")), &read)?;
        Ok(Composed {
            config,
            origins: Origins::new(base, written),
        })
    }

    /// A file of this content and variables, for tests.
    #[cfg(test)]
    pub(super) fn of(file: &str, variables: &[(&str, &str)]) -> Self {
        let variables = variables.iter();
        Self {
            file: Some(SourceFile {
                path: "c.toml".into(),
                text: file.into(),
            }),
            variables: variables
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            ..Self::default()
        }
    }
}

/// Whether a variable enables something that only debug builds contain.
fn is_for_tests(name: &str) -> bool {
    cfg!(debug_assertions) && name.starts_with("TURNTABLE_TEST_")
}

/// The problem of a file that cannot be read.
fn unread(path: &Path, error: &io::Error) -> ConfigError {
    plain(format!("{}: {error}", path.display()))
}

/// A problem of no key.
fn plain(message: String) -> ConfigError {
    ConfigError(vec![Problem {
        origin: None,
        key: String::new(),
        value: None,
        message,
    }])
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set(sources: &Sources, keys: serde_json::Value) -> Sources {
        let serde_json::Value::Object(keys) = keys else {
            panic!("no object");
        };
        Sources {
            api: sources.api.with(&keys).unwrap(),
            ..sources.clone()
        }
    }

    fn layer(composed: &Composed, key: &str) -> Layer {
        composed
            .origins
            .layer(&super::super::key::split(key).unwrap())
    }

    #[test]
    fn each_layer_overrides_those_before_it() {
        let file = "presence.watch_max = 1\nserver.workers = 1\ntime.ping_ms = 1000";
        let keys = [
            ("TURNTABLE_PRESENCE__WATCH_MAX", "2"),
            ("TURNTABLE_SERVER__WORKERS", "2"),
        ];
        let sources = set(&Sources::of(file, &keys), json!({"presence.watch_max": 3}));
        let composed = sources.compose().unwrap();
        let config = &composed.config;
        assert_eq!(config.presence.watch_max, 3);
        assert_eq!(layer(&composed, "presence.watch_max"), Layer::Api);
        assert_eq!(config.server.workers, 2);
        assert_eq!(layer(&composed, "server.workers"), Layer::Environment);
        assert_eq!(config.time.ping_ms, 1_000);
        assert_eq!(layer(&composed, "time.ping_ms"), Layer::File);
        assert_eq!(layer(&composed, "time.allowance_ms"), Layer::Default);
        let origin = composed
            .origins
            .of(&["time".to_owned(), "ping_ms".to_owned()]);
        assert_eq!(origin.unwrap().to_string(), "c.toml:3:6");
    }

    #[test]
    fn wrong_value_of_a_call_is_reported_as_such() {
        for (keys, expected) in [
            (
                json!({"presence.watch_max": "many"}),
                "config.set: presence.watch_max = \"many\": accepted is a whole number",
            ),
            (json!({"presence.no": 1}), "unknown key"),
            (json!({"server.workers": 5000}), "accepted is 0 to 1024"),
            (
                json!({"session.outbox_bytes_max": 70_000, "server.max_message_bytes": 80_000}),
                "config.set: session.outbox_bytes_max = 70000: session.outbox_bytes_max must be",
            ),
        ] {
            let error = set(&Sources::of("", &[]), keys).compose().unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
        let token = json!({"management.tokens.a": {"token": "geheimgeheimgeheim", "role": "god"}});
        let error = set(&Sources::of("", &[]), token).compose().unwrap_err();
        assert!(!error.to_string().contains("geheim"), "{error}");
    }

    #[test]
    fn calls_set_keys_above_a_program() {
        let mut config = Config::default();
        config.presence.watch_max = 5;
        config.session.rooms_max = 3;
        let sources = Sources::program(config);
        assert_eq!(
            layer(&sources.compose().unwrap(), "time.ping_ms"),
            Layer::Program
        );
        let composed = set(&sources, json!({"session.rooms_max": 4}))
            .compose()
            .unwrap();
        assert_eq!(composed.config.presence.watch_max, 5);
        assert_eq!(composed.config.session.rooms_max, 4);
        assert_eq!(layer(&composed, "session.rooms_max"), Layer::Api);
    }
}
