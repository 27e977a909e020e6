//! The game of a room: one `[games.NAME]` entry of the configuration, and its
//! compiled form for rooms (the JSON Schema is compiled once and shared).
//!
//! A game without an entry is generic: any team, any data, the limits of
//! `[room]`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::id::is_realm;
use crate::model::rule::Rule;
use crate::model::rule::data::{ActionBytes, Require};
use crate::model::rule::rate::ActionRate;
use crate::model::rule::schema::{Schema, SchemaError};
use crate::model::rule::user_ids::{MemberIds, Targets};

/// The maximum length of a team's name, in bytes.
pub const TEAM_BYTES_MAX: usize = 64;

/// One `[games.NAME]` entry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GameSettings {
    /// Maximum members of one room; default: `room.members_max`.
    pub members_max: Option<usize>,
    /// The names of the teams. Empty: any team, or none.
    pub teams: Vec<String>,
    /// Maximum members of one team; 0: no limit.
    pub team_members_max: usize,
    /// Actions are collected for this time and sent together, sorted by their
    /// corrected timestamps, in ms; 0: each message is forwarded at once.
    pub tick_ms: u64,
    /// How long a disconnected member keeps its seat, in ms; default:
    /// `room.seat_ms`.
    pub seat_ms: Option<u64>,
    /// The realms whose users may play. Empty: all.
    pub realms: Vec<String>,
    /// A file with the JSON Schema for the `data` of each action; a relative path
    /// starts at the folder of the configuration.
    pub schema: Option<PathBuf>,
    /// Whether an action whose data contains a member `state` sets the state that
    /// later members get; `null` clears it.
    pub keep_state: bool,
    /// Whether a member `result` of an action's data that is not `null` is reported to the
    /// backend.
    pub report_result: bool,
    /// Whether every string in `data` that has the form of a user id must name a
    /// member of the room.
    pub member_ids: bool,
    /// Members of `data` that must name another member of the room, if they are
    /// present.
    pub targets: Vec<String>,
    /// Rate limit and burst of one member's actions, per second; 0: the session's
    /// limit only.
    pub actions_per_second: u32,
    /// Required members of `data`.
    pub require: Vec<String>,
    /// Maximum size of one action's `data`, in bytes of JSON; 0: the limit of the
    /// message only.
    pub action_bytes_max: usize,
}

/// An invalid value of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key} = {value}: accepted is {accepted}")]
pub struct SettingError {
    /// The key within its section.
    pub key: &'static str,
    /// The value found.
    pub value: String,
    /// What is accepted.
    pub accepted: String,
}

impl SettingError {
    fn new(key: &'static str, value: impl ToString, accepted: impl Into<String>) -> Self {
        Self {
            key,
            value: value.to_string(),
            accepted: accepted.into(),
        }
    }

    /// Checks each number against the range of its key.
    pub(crate) fn check_ranges(
        ranges: &[(&'static str, u64, u64)],
        numbers: &[(&'static str, u64)],
    ) -> Result<(), Self> {
        for &(key, least, greatest) in ranges {
            for &(_, value) in numbers.iter().filter(|(name, _)| *name == key) {
                if !(least..=greatest).contains(&value) {
                    return Err(Self::new(key, value, format!("{least} to {greatest}")));
                }
            }
        }
        Ok(())
    }
}

impl GameSettings {
    /// The range of each number in an entry.
    pub const RANGES: &[(&'static str, u64, u64)] = &[
        ("members_max", 1, 10_000),
        ("team_members_max", 0, 10_000),
        ("tick_ms", 0, 10_000),
        ("seat_ms", 0, 86_400_000),
        ("actions_per_second", 0, 1_000_000),
        ("action_bytes_max", 0, 16_777_216),
    ];

    /// Checks every value.
    ///
    /// The first key with an invalid value, and the accepted values.
    /// The first key whose value is not accepted, and what is.
    pub fn validate(&self) -> Result<(), SettingError> {
        let mut numbers = vec![
            ("team_members_max", self.team_members_max as u64),
            ("tick_ms", self.tick_ms),
            ("actions_per_second", u64::from(self.actions_per_second)),
            ("action_bytes_max", self.action_bytes_max as u64),
        ];
        numbers.extend(self.members_max.map(|max| ("members_max", max as u64)));
        numbers.extend(self.seat_ms.map(|ms| ("seat_ms", ms)));
        SettingError::check_ranges(Self::RANGES, &numbers)?;
        check_names("teams", &self.teams, "distinct names of teams", is_team)?;
        check_names(
            "realms",
            &self.realms,
            "distinct realms, each 1 to 32 of A-Z, a-z, 0-9, _ and -",
            is_realm,
        )?;
        check_names("targets", &self.targets, MEMBER_NAMES, is_data_member)?;
        check_names("require", &self.require, MEMBER_NAMES, is_data_member)
    }
}

const MEMBER_NAMES: &str = "distinct names of members of data, each 1 to 64 bytes";

fn check_names(
    key: &'static str,
    names: &[String],
    accepted: &'static str,
    is_name: fn(&str) -> bool,
) -> Result<(), SettingError> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !is_name(name) || !seen.insert(name) {
            return Err(SettingError::new(key, format!("{name:?}"), accepted));
        }
    }
    Ok(())
}

/// Whether `text` is a valid name of a team: 1 to [`TEAM_BYTES_MAX`] bytes
/// without control characters.
#[must_use]
pub fn is_team(text: &str) -> bool {
    (1..=TEAM_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control)
}

fn is_data_member(text: &str) -> bool {
    (1..=64).contains(&text.len())
}

/// A game for rooms: its settings, and its compiled schema.
#[derive(Debug)]
pub struct Game {
    name: Box<str>,
    settings: GameSettings,
    schema: Option<Schema>,
}

impl Game {
    /// A game with these settings. `schema` is the content of the file that
    /// `settings.schema` names, which the caller has read.
    ///
    /// # Errors
    /// [`SchemaError`] if `schema` is not a usable JSON Schema, or is missing
    /// although `settings.schema` names one.
    pub fn new(
        name: impl Into<Box<str>>,
        settings: GameSettings,
        schema: Option<&serde_json::Value>,
    ) -> Result<Self, SchemaError> {
        let schema = match (schema, &settings.schema) {
            (Some(schema), _) => Some(Schema::new(schema)?),
            (None, Some(path)) => {
                return Err(SchemaError(format!("{} was not read", path.display())));
            }
            (None, None) => None,
        };
        Ok(Self {
            name: name.into(),
            settings,
            schema,
        })
    }

    /// The game of rooms without a named game.
    #[must_use]
    pub fn generic() -> Self {
        Self {
            name: "".into(),
            settings: GameSettings::default(),
            schema: None,
        }
    }

    /// The name of its entry; empty for a generic game.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its settings.
    #[must_use]
    pub fn settings(&self) -> &GameSettings {
        &self.settings
    }

    /// The rules of one room, the cheapest first.
    #[must_use]
    pub fn rules(&self) -> Vec<Box<dyn Rule>> {
        let settings = &self.settings;
        let mut rules: Vec<Box<dyn Rule>> = Vec::new();
        if settings.actions_per_second > 0 {
            rules.push(Box::new(ActionRate::new(settings.actions_per_second)));
        }
        if settings.action_bytes_max > 0 {
            rules.push(Box::new(ActionBytes::new(settings.action_bytes_max)));
        }
        if !settings.require.is_empty() {
            rules.push(Box::new(Require::new(settings.require.clone())));
        }
        if !settings.targets.is_empty() {
            rules.push(Box::new(Targets::new(settings.targets.clone())));
        }
        if settings.member_ids {
            rules.push(Box::new(MemberIds));
        }
        if let Some(schema) = &self.schema {
            rules.push(Box::new(schema.clone()));
        }
        rules
    }
}

/// All configured games, by name.
#[derive(Debug, Clone)]
pub struct Games {
    named: BTreeMap<Box<str>, Arc<Game>>,
    generic: Arc<Game>,
}

impl Games {
    /// A table of these games.
    #[must_use]
    pub fn new(games: impl IntoIterator<Item = Game>) -> Self {
        Self {
            named: games
                .into_iter()
                .map(|game| (game.name.clone(), Arc::new(game)))
                .collect(),
            generic: Arc::new(Game::generic()),
        }
    }

    /// The game with that name; a generic one if there is no entry.
    #[must_use]
    pub fn find(&self, name: Option<&str>) -> &Arc<Game> {
        name.and_then(|name| self.named.get(name))
            .unwrap_or(&self.generic)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::model::room::RoomSettings;

    fn settings(toml: &str) -> GameSettings {
        toml::from_str(toml).unwrap()
    }

    #[test]
    fn entry_is_read_from_toml() {
        let read = settings(
            "members_max = 8\nteams = [\"red\", \"blue\"]\ntick_ms = 20\n\
             seat_ms = 60000\nschema = \"strike.json\"\nkeep_state = true",
        );
        assert_eq!(read.members_max, Some(8));
        assert_eq!(read.teams, ["red", "blue"]);
        assert_eq!(read.schema, Some(PathBuf::from("strike.json")));
        assert_eq!(read.validate(), Ok(()));
        let written = toml::to_string(&read).unwrap();
        assert_eq!(settings(&written), read);
        assert!(toml::from_str::<GameSettings>("team = [\"red\"]").is_err());
    }

    #[test]
    fn the_defaults_are_valid() {
        assert_eq!(GameSettings::default().validate(), Ok(()));
        assert_eq!(RoomSettings::default().validate(), Ok(()));
    }

    #[test]
    fn invalid_value_is_reported_with_its_accepted_range() {
        let error = |toml| settings(toml).validate().unwrap_err();
        assert_eq!(
            error("tick_ms = 10001").to_string(),
            "tick_ms = 10001: accepted is 0 to 10000"
        );
        assert_eq!(error("members_max = 0").key, "members_max");
        assert_eq!(error("teams = [\"a\", \"a\"]").value, "\"a\"");
        assert_eq!(error("realms = [\"a b\"]").key, "realms");
        assert_eq!(error("targets = [\"\"]").key, "targets");
        assert_eq!(error("require = [\"x\", \"x\"]").key, "require");
        let room = RoomSettings {
            max_lag_ms: 60_001,
            ..RoomSettings::default()
        };
        assert_eq!(room.validate().unwrap_err().key, "max_lag_ms");
    }

    #[test]
    fn every_number_of_an_entry_has_a_range() {
        let numbers = |toml: String| {
            let table: toml::Table = toml::from_str(&toml).unwrap();
            table
                .into_iter()
                .filter(|(_, value)| value.is_integer())
                .map(|(key, _)| key)
                .collect::<BTreeSet<_>>()
        };
        let keys = |ranges: &[(&str, u64, u64)]| {
            ranges
                .iter()
                .map(|(key, ..)| (*key).to_owned())
                .collect::<BTreeSet<_>>()
        };
        let game = GameSettings {
            members_max: Some(1),
            seat_ms: Some(1),
            ..GameSettings::default()
        };
        let game = toml::to_string(&game).unwrap();
        assert_eq!(numbers(game), keys(GameSettings::RANGES));
        let room = toml::to_string(&RoomSettings::default()).unwrap();
        assert_eq!(numbers(room), keys(RoomSettings::RANGES));
    }

    #[test]
    fn game_without_an_entry_is_generic() {
        let chess = Game::new("chess", settings("members_max = 2"), None).unwrap();
        let games = Games::new([chess]);
        assert_eq!(games.find(Some("chess")).settings().members_max, Some(2));
        assert_eq!(games.find(Some("draughts")).name(), "");
        assert!(games.find(None).rules().is_empty());
    }

    #[test]
    fn entry_creates_its_rules() {
        let all = settings(
            "member_ids = true\ntargets = [\"at\"]\nactions_per_second = 9\n\
             require = [\"x\"]\naction_bytes_max = 99",
        );
        let schema = serde_json::json!({"type": "object"});
        let game = Game::new("all", all.clone(), Some(&schema)).unwrap();
        assert_eq!(game.rules().len(), 6);
        let wrong = serde_json::json!({"type": 1});
        let error = Game::new("all", all, Some(&wrong)).unwrap_err();
        assert!(error.to_string().contains("JSON Schema"), "{error}");
        let unread = settings("schema = \"strike.json\"");
        assert!(Game::new("all", unread, None).is_err());
    }
}
