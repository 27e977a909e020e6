//! From defaults, file and environment to one checked configuration.
//!
//! `compose` is pure: texts in, a configuration or every problem out. A later
//! layer overrides a former one key by key. Each entry is tried alone on top
//! of the defaults, so that one wrong value hides no other. `load` only
//! fetches the texts.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::map;
use toml::{Table, Value};

use super::Config;
use super::check::{self, ENVELOPE_BYTES};
use super::entry::{self, Entry, FILE_VARIABLE, PREFIX};
use super::games;
use super::problem::{ConfigError, Origin, Problem};

/// Reads the configuration: `file`, or else the file that the variable
/// `TURNTABLE_CONFIG` names, or else none; then the environment.
///
/// # Errors
/// [`ConfigError`] with everything that is wrong.
pub fn load(file: Option<&Path>) -> Result<Config, ConfigError> {
    let named = std::env::var_os(FILE_VARIABLE).filter(|name| !name.is_empty());
    let file = file
        .map(Path::to_owned)
        .or_else(|| named.map(PathBuf::from));
    let text = match &file {
        None => None,
        Some(path) => {
            let name = path.display().to_string();
            match std::fs::read_to_string(path) {
                Ok(text) => Some((name, text)),
                Err(error) => {
                    return Err(ConfigError(vec![Problem {
                        origin: None,
                        key: String::new(),
                        value: None,
                        message: format!("{name}: {error}"),
                    }]));
                }
            }
        }
    };
    let variables: Vec<(String, String)> = std::env::vars_os()
        .map(|(name, text)| {
            let plain = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
            (plain(name), plain(text))
        })
        .filter(|(name, _)| name.starts_with(PREFIX))
        .collect();
    compose(
        text.as_ref()
            .map(|(name, text)| (name.as_str(), text.as_str())),
        &variables,
        &|path| std::fs::read_to_string(path),
    )
}

/// The configuration of the defaults, `file` (its name and content) and
/// `variables` (name and value; those of other programs are passed over).
/// `read` fetches the schemas of games; a relative path starts where the file is.
///
/// # Errors
/// [`ConfigError`] with everything that is wrong.
pub fn compose(
    file: Option<(&str, &str)>,
    variables: &[(String, String)],
    read: &dyn Fn(&Path) -> io::Result<String>,
) -> Result<Config, ConfigError> {
    let defaults = defaults();
    let mut layers = Layers {
        merged: defaults.clone(),
        defaults,
        written: Vec::new(),
        problems: Vec::new(),
    };
    if let Some((name, text)) = file {
        match entry::from_file(name, text, &layers.defaults) {
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
    let folder = file.and_then(|(name, _)| Path::new(name).parent());
    layers.finish(folder.unwrap_or(Path::new("")), read)
}

/// The defaults as a table.
#[must_use]
pub fn defaults() -> Table {
    // A struct of settings is always a table; the default is for the compiler.
    Table::try_from(Config::default()).unwrap_or_default()
}

struct Layers {
    defaults: Table,
    merged: Table,
    written: Vec<(String, Entry)>,
    problems: Vec<Problem>,
}

impl Layers {
    /// Takes one entry, or notes what is wrong with it.
    fn add(&mut self, entry: Entry) {
        let path: Vec<&str> = entry.path.iter().map(String::as_str).collect();
        let key = path.join(".");
        let mut message = None;
        let mut fitting = None;
        for reading in &entry.readings {
            let mut alone = self.defaults.clone();
            if let Err(wrong) = set(&mut alone, &path, reading.clone()) {
                message.get_or_insert(wrong);
            } else if let Err(error) = Config::deserialize(alone) {
                message.get_or_insert_with(|| self.explain(&path, error.message()));
            } else {
                fitting = Some(reading.clone());
                break;
            }
        }
        if let Some(value) = fitting {
            let mut wrong = Vec::new();
            check::numbers(&entry.path, &value, &mut wrong);
            if wrong.is_empty() {
                // It could be set in the defaults, and what was merged so far
                // has their shape.
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
            self.problems.push(Problem {
                origin: Some(entry.origin.clone()),
                key: key.clone(),
                value: Some(entry.text.clone()),
                message,
            });
        }
        self.written.push((key, entry));
    }

    /// The parser's error in an operator's words.
    fn explain(&self, path: &[&str], error: &str) -> String {
        match error.strip_prefix("unknown field ") {
            Some(rest) => format!("unknown key {rest}"),
            None => check::accepted(path, &self.defaults).unwrap_or_else(|| error.to_owned()),
        }
    }

    /// The checks between keys, and the result.
    fn finish(
        mut self,
        folder: &Path,
        read: &dyn Fn(&Path) -> io::Result<String>,
    ) -> Result<Config, ConfigError> {
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
            game.schema = game.schema.as_ref().map(|schema| folder.join(schema));
        }
        // A key that is wrong by itself still has its default here, so nothing
        // can be said about how it goes together with others.
        let wrong: BTreeSet<&str> = self.problems.iter().map(|p| p.key.as_str()).collect();
        let games = games::prepare(&config.games, read).err();
        let conflicts: Vec<Problem> = check::conflicts(&config)
            .into_iter()
            .chain(games.into_iter().flatten())
            .filter(|conflict| !conflict.keys.iter().any(|key| wrong.contains(key.as_str())))
            .map(|conflict| self.blame(conflict))
            .collect();
        self.problems.extend(conflicts);
        if self.problems.is_empty() {
            Ok(config)
        } else {
            Err(ConfigError(self.problems))
        }
    }

    fn is_written(&self, key: &str) -> bool {
        self.written.iter().any(|(written, _)| written == key)
    }

    /// A conflict as a problem of the first of its keys that somebody wrote.
    fn blame(&self, conflict: check::Conflict) -> Problem {
        let written = conflict.keys.iter().find_map(|key| {
            let of_key = |(written, _): &&(String, Entry)| written == key;
            self.written.iter().rev().find(of_key)
        });
        let (origin, key, value): (Option<Origin>, _, _) = match written {
            Some((key, entry)) => (
                Some(entry.origin.clone()),
                key.clone(),
                Some(entry.text.clone()),
            ),
            None => (
                None,
                conflict.keys.into_iter().next().unwrap_or_default(),
                None,
            ),
        };
        Problem {
            origin,
            key,
            value,
            message: conflict.message,
        }
    }
}

/// The outbox follows a raised message limit while nobody set it: it must hold
/// at least one message.
fn raise_outbox(config: &mut Config) {
    let needed = config.server.max_message_bytes + ENVELOPE_BYTES;
    let outbox = &mut config.session.outbox_bytes_max;
    *outbox = (*outbox).max(needed);
}

/// Puts `value` at `path`. A table is merged into a table that stands there.
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
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::model::game::GameSettings;

    fn no_schema(_: &Path) -> io::Result<String> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn composed(file: &str, variables: &[(&str, &str)]) -> Result<Config, String> {
        let variables: Vec<(String, String)> = variables
            .iter()
            .map(|&(name, text)| (name.to_owned(), text.to_owned()))
            .collect();
        compose(Some(("c.toml", file)), &variables, &no_schema).map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_written_is_the_defaults() {
        assert_eq!(compose(None, &[], &no_schema), Ok(Config::default()));
        assert_eq!(composed("", &[]), Ok(Config::default()));
        assert_eq!(
            composed("[server]\n[limits.game]\n", &[]),
            Ok(Config::default())
        );
    }

    #[test]
    fn the_environment_overrides_the_file_key_by_key() {
        let config = composed(
            "[server]\nworkers = 3\necho = true\n[limits]\npublish = { burst = 7 }\n",
            &[
                ("TURNTABLE_SERVER__WORKERS", "1"),
                ("TURNTABLE_LIMITS__PUBLISH__PER_SECOND", "10"),
                ("PATH", "/bin"),
                ("TURNTABLE_CONFIG", "c.toml"),
            ],
        )
        .unwrap();
        assert_eq!(config.server.workers, 1);
        assert!(config.server.echo);
        assert_eq!(config.limits.publish.burst, 7);
        assert_eq!(config.limits.publish.per_second, 10);
        let mut rest = config;
        rest.server = Config::default().server;
        rest.limits.publish = Config::default().limits.publish;
        assert_eq!(rest, Config::default());
    }

    #[test]
    fn a_variable_is_read_as_its_key_asks() {
        let config = composed(
            "",
            &[
                ("TURNTABLE_SERVER__LISTEN", "[::1]:0"),
                ("TURNTABLE_SERVER__ECHO", "true"),
                (
                    "TURNTABLE_SERVER__ALLOWED_ORIGINS",
                    r#"["https://a", "https://b:8"]"#,
                ),
                ("TURNTABLE_PORTAL__REALMS", "[]"),
                ("TURNTABLE_SESSION__REPLAY_BYTES_MAX", "1_000"),
                ("TURNTABLE_LIMITS__CALL", "{ burst = 9 }"),
                ("TURNTABLE_Presence__Grace_ms", "0"),
            ],
        )
        .unwrap();
        assert_eq!(config.server.listen, "[::1]:0".parse().unwrap());
        assert!(config.server.echo);
        assert_eq!(config.server.allowed_origins, ["https://a", "https://b:8"]);
        assert_eq!(config.session.replay_bytes_max, 1_000);
        assert_eq!(config.limits.call.burst, 9);
        assert_eq!(config.limits.call.per_second, 50);
        assert_eq!(config.presence.grace_ms, 0);
    }

    #[test]
    fn what_is_wrong_in_a_file_is_told_with_its_place() {
        for (file, expected) in [
            (
                "[server]\nworkers = 9999",
                "c.toml:2:1: server.workers = 9999: accepted is 0 to 1024",
            ),
            (
                "server.workers = -1",
                "c.toml:1:8: server.workers = -1: accepted is a whole number, 0 to 1024",
            ),
            (
                "[server]\n  workers = \"many\"",
                "c.toml:2:3: server.workers = \"many\": accepted is a whole number, 0 to 1024",
            ),
            (
                "[server]\nworkers = 99999999999999999999",
                "c.toml:2:1: server.workers = 99999999999999999999: \
                 accepted is a whole number, 0 to 1024",
            ),
            (
                "[server]\nconnections_max = 0",
                "c.toml:2:1: server.connections_max = 0: accepted is 1 to 10000000",
            ),
            (
                "[server]\necho = 1",
                "c.toml:2:1: server.echo = 1: accepted is true or false",
            ),
            (
                "[server]\nlisten = \"localhost\"",
                "c.toml:2:1: server.listen = \"localhost\": \
                 accepted is ADDRESS:PORT, like 127.0.0.1:8080 or [::1]:0",
            ),
            (
                "[portal]\nrealms = \"1\"",
                "c.toml:2:1: portal.realms = \"1\": accepted is a list, like [\"a\", \"b\"]",
            ),
            (
                "[portal]\nrealms = [\"1:2\"]",
                "c.toml:2:1: portal.realms = [\"1:2\"]: \"1:2\" is no realm; \
                 accepted is 1 to 32 characters of A-Z, a-z, 0-9, _ and -",
            ),
            (
                "[limits]\ngame = { burst = 0 }",
                "c.toml:2:10: limits.game.burst = 0: accepted is 1 to 1000000",
            ),
            (
                "[limits]\ngame = 5",
                "c.toml:2:1: limits.game = 5: accepted is a section, [limits.game]",
            ),
            (
                "server = 5",
                "c.toml:1:1: server = 5: accepted is a section, [server]",
            ),
            (
                "[management]\nlisten = \"127.0.0.1:8080\"",
                "c.toml:2:1: management.listen = \"127.0.0.1:8080\": server.listen \
                 127.0.0.1:8080 and management.listen 127.0.0.1:8080 want the same port",
            ),
            (
                "[server]\nlisten = \"127.0.0.1:8181\"",
                "c.toml:2:1: server.listen = \"127.0.0.1:8181\": server.listen \
                 127.0.0.1:8181 and management.listen 127.0.0.1:8181 want the same port",
            ),
            (
                "[session]\noutbox_bytes_max = 65536",
                "c.toml:2:1: session.outbox_bytes_max = 65536: accepted is at least 69632, \
                 for one message of server.max_message_bytes and its envelope of 4096 bytes",
            ),
        ] {
            assert_eq!(composed(file, &[]), Err(expected.to_owned()), "{file}");
        }
    }

    #[test]
    fn an_unknown_key_is_refused_and_told_the_known_ones() {
        for (file, place) in [
            ("[server]\nlisen = 1", "c.toml:2:1: server.lisen = 1: "),
            ("[sever]\nlisten = 1", "c.toml:1:2: sever = "),
            ("[sever]", "c.toml:1:2: sever"),
            ("listen = 1", "c.toml:1:1: listen = 1: "),
            ("[limits]\ngames.burst = 1", "c.toml:2:1: limits.games = "),
        ] {
            let error = composed(file, &[]).unwrap_err();
            assert!(error.starts_with(place), "{error}");
            assert!(error.contains("unknown key `"), "{error}");
            assert!(error.contains("expected one of `"), "{error}");
            assert_eq!(error.lines().count(), 1, "{error}");
        }
    }

    #[test]
    fn what_is_wrong_in_a_variable_is_told_with_its_name() {
        for (name, text, expected) in [
            (
                "TURNTABLE_SERVER__WORKERS",
                "9999",
                "server.workers = 9999: accepted is 0 to 1024",
            ),
            (
                "TURNTABLE_SERVER__WORKERS",
                "",
                "server.workers = : accepted is a whole number, 0 to 1024",
            ),
            (
                "TURNTABLE_SERVER__WORKERS__X",
                "1",
                "server.workers.x = 1: unknown key: workers is a value and has no keys",
            ),
            (
                "TURNTABLE_SERVER",
                "1",
                "server = 1: accepted is a section, [server]",
            ),
            (
                "TURNTABLE_LIMITS__GAME",
                "{ burst = 0 }",
                "limits.game.burst = 0: accepted is 1 to 1000000",
            ),
        ] {
            assert_eq!(
                composed("", &[(name, text)]),
                Err(format!("{name}: {expected}"))
            );
        }
        for unknown in ["TURNTABLE_SERVER__LISEN", "TURNTABLE_LISTEN", "TURNTABLE_"] {
            let error = composed("", &[(unknown, "1")]).unwrap_err();
            assert!(error.starts_with(&format!("{unknown}: ")), "{error}");
            assert!(error.contains("unknown key `"), "{error}");
        }
    }

    #[test]
    fn all_problems_are_told_together() {
        let error = composed(
            "[session]\nheartbeat_ms = 1\n[server]\nfoo = 1\nworkers = 2000\n\
             [management]\nlisten = \"0.0.0.0:1\"\n",
            &[
                ("TURNTABLE_SERVER__ECHO", "perhaps"),
                ("TURNTABLE_SERVER__WORKERS", "1"),
            ],
        )
        .unwrap_err();
        let begins: Vec<&str> = error
            .lines()
            .map(|line| line.split(" = ").next().unwrap())
            .collect();
        assert_eq!(
            begins,
            [
                "c.toml:2:1: session.heartbeat_ms",
                "c.toml:4:1: server.foo",
                "c.toml:5:1: server.workers",
                "TURNTABLE_SERVER__ECHO: server.echo",
                "c.toml:7:1: management.listen",
            ],
            "{error}"
        );
    }

    #[test]
    fn a_key_that_is_wrong_by_itself_makes_no_second_problem() {
        let error = composed(
            "[server]\nlisten = 5\n[management]\nlisten = \"127.0.0.1:8080\"\n",
            &[],
        )
        .unwrap_err();
        assert_eq!(error.lines().count(), 1, "{error}");
    }

    #[test]
    fn a_file_that_is_not_toml_is_told_with_its_place() {
        let error = composed("[server]\nworkers = \n", &[]).unwrap_err();
        assert!(error.starts_with("c.toml:2:"), "{error}");
        let error = composed("[server]\nworkers = 1\nworkers = 2\n", &[]).unwrap_err();
        assert!(error.starts_with("c.toml:3:1: duplicate key"), "{error}");
    }

    #[test]
    fn the_outbox_follows_a_raised_message_limit_unless_it_is_set() {
        let raised = [("TURNTABLE_SERVER__MAX_MESSAGE_BYTES", "16777216")];
        let config = composed("", &raised).unwrap();
        assert_eq!(config.session.outbox_bytes_max, 16_777_216 + ENVELOPE_BYTES);
        let error = composed("session.outbox_bytes_max = 1048576", &raised).unwrap_err();
        assert!(error.starts_with("c.toml:1:9: session.outbox_bytes_max"));
        let lowered = [("TURNTABLE_SERVER__MAX_MESSAGE_BYTES", "1024")];
        assert_eq!(
            composed("", &lowered).unwrap().session.outbox_bytes_max,
            1_048_576
        );
    }

    #[test]
    fn games_are_added_and_those_of_the_demos_overridden_key_by_key() {
        let config = composed(
            "[games.strike]\ntick_ms = 50\n[games.Chess]\nteams = [\"white\", \"black\"]\n\
             seat_ms = 9\n[games.empty]\n",
            &[
                ("TURNTABLE_GAMES__STRIKE__MEMBERS_MAX", "4"),
                ("TURNTABLE_GAMES__CHESS__MEMBERS_MAX", "2"),
                ("TURNTABLE_GAMES__GO", "{ members_max = 3 }"),
            ],
        )
        .unwrap();
        let demos = games::demos();
        let strike = &config.games["strike"];
        assert_eq!((strike.tick_ms, strike.members_max), (50, Some(4)));
        assert_eq!(strike.teams, demos["strike"].teams);
        assert_eq!(config.games["four"], demos["four"]);
        assert_eq!(config.games["Chess"].members_max, Some(2));
        assert_eq!(config.games["Chess"].seat_ms, Some(9));
        assert_eq!(config.games["Chess"].teams, ["white", "black"]);
        assert_eq!(config.games["go"].members_max, Some(3));
        assert_eq!(config.games["empty"], GameSettings::default());
        assert_eq!(config.games.len(), 5);
    }

    #[test]
    fn a_schema_is_found_beside_the_file() {
        let read = |path: &Path| {
            assert_eq!(path, Path::new("/etc/turntable/chess.json"));
            Ok("{}".to_owned())
        };
        let file = "[games.chess]\nschema = \"chess.json\"";
        let config = compose(Some(("/etc/turntable/c.toml", file)), &[], &read).unwrap();
        assert_eq!(
            config.games["chess"].schema.as_deref(),
            Some(Path::new("/etc/turntable/chess.json"))
        );
    }

    #[test]
    fn what_is_wrong_with_a_game_is_told_with_its_place() {
        for (file, expected) in [
            (
                "[games.a]\nteams = [\"x\", \"x\"]",
                "c.toml:2:1: games.a.teams = [\"x\", \"x\"]: ",
            ),
            (
                "[games.a]\nrealms = [\"1:\"]",
                "c.toml:2:1: games.a.realms = [\"1:\"]: ",
            ),
            (
                "[games.a]\nkeep_state = 1",
                "c.toml:2:1: games.a.keep_state = 1: accepted is true or false",
            ),
            (
                "[games.a]\nmembers_max = 0",
                "c.toml:2:1: games.a.members_max = 0: accepted is 1 to 10000",
            ),
            (
                "[games.a]\nmembers_max = \"8\"",
                "c.toml:2:1: games.a.members_max = \"8\": accepted is a whole number, 1 to 10000",
            ),
            (
                "[games.a]\nmembers = 8",
                "c.toml:2:1: games.a.members = 8: unknown key `members`",
            ),
            (
                "[games]\na = 8",
                "c.toml:2:1: games.a = 8: accepted is a section, [games.a]",
            ),
            (
                "[games.a]\nschema = \"a.json\"",
                "c.toml:2:1: games.a.schema = \"a.json\": a.json: ",
            ),
            ("[games.\"\"]", "c.toml:1:8: games. = "),
        ] {
            let error = composed(file, &[]).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
            assert_eq!(error.lines().count(), 1, "{error}");
        }
    }

    #[test]
    fn what_is_written_out_is_read_back() {
        let mut config = Config::default();
        config.server.allowed_origins = vec!["*".to_owned()];
        config.limits.game.burst = 17;
        let text = toml::to_string(&config).unwrap();
        assert_eq!(composed(&text, &[]), Ok(config));
    }
}
