//! The games of a configuration: the default games of the demos, and the compilation of
//! entries for rooms.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::Config;
use super::check::Conflict;
use super::problem::ConfigError;
use crate::plain_file;
use turntable_core::model::game::{Game, GameSettings, Games};

/// The maximum length of a game's name, in bytes.
pub const NAME_BYTES_MAX: usize = 64;

/// The entries of the demos' games.
#[must_use]
pub fn demos() -> BTreeMap<String, GameSettings> {
    let strike = GameSettings {
        members_max: Some(8),
        teams: vec!["red".to_owned(), "blue".to_owned()],
        tick_ms: 20,
        keep_state: true,
        targets: vec!["strike_one".to_owned()],
        actions_per_second: 100,
        ..GameSettings::default()
    };
    let four = GameSettings {
        members_max: Some(32),
        keep_state: true,
        report_result: true,
        actions_per_second: 20,
        ..GameSettings::default()
    };
    BTreeMap::from([("strike".to_owned(), strike), ("four".to_owned(), four)])
}

/// Compiles each entry. `read` reads the file of a schema.
///
/// # Errors
/// Each game with an invalid name, value or schema.
pub fn prepare(
    entries: &BTreeMap<String, GameSettings>,
    read: &dyn Fn(&Path) -> io::Result<String>,
) -> Result<Games, Vec<Conflict>> {
    let mut games = Vec::new();
    let mut conflicts = Vec::new();
    for (name, settings) in entries {
        let conflict = |key: &str, message: String| Conflict {
            keys: vec![format!("games.{name}{key}"), format!("games.{name}")],
            message,
        };
        let plain = !name.is_empty() && !name.chars().any(char::is_control);
        if !plain || name.len() > NAME_BYTES_MAX {
            conflicts.push(conflict(
                "",
                format!("a game's name is 1 to {NAME_BYTES_MAX} bytes without control characters"),
            ));
        }
        if let Err(error) = settings.validate() {
            conflicts.push(conflict(
                &format!(".{}", error.key),
                format!("{} is invalid; accepted is {}", error.value, error.accepted),
            ));
        }
        match compile(name, settings, read) {
            Ok(game) => games.push(game),
            Err(message) => conflicts.push(conflict(".schema", message)),
        }
    }
    if conflicts.is_empty() {
        Ok(Games::new(games))
    } else {
        Err(conflicts)
    }
}

fn compile(
    name: &str,
    settings: &GameSettings,
    read: &dyn Fn(&Path) -> io::Result<String>,
) -> Result<Game, String> {
    let schema = match &settings.schema {
        None => None,
        Some(path) => {
            let wrong = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
            let text = read(path).map_err(|error| wrong(&error))?;
            let schema: serde_json::Value =
                serde_json::from_str(&text).map_err(|error| wrong(&error))?;
            Some(schema)
        }
    };
    Game::new(name, settings.clone(), schema.as_ref()).map_err(|error| error.to_string())
}

impl Config {
    /// The compiled games, with their schemas read from disk.
    ///
    /// # Errors
    /// [`ConfigError`] if a schema can no longer be read or compiled; loading the
    /// configuration has checked it before.
    pub fn games(&self) -> Result<Games, ConfigError> {
        Ok(prepare(&self.games, &|path| plain_file::read_text(path))?)
    }
}
