//! Errors of a configuration, and their positions.
//!
//! A loader collects every problem and returns them together, so that all can be
//! corrected at the same time.

use std::fmt;

use super::check::Conflict;

/// The position of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// In a file. Line and column count from 1, the column in characters.
    File {
        /// The file as it was named.
        name: String,
        /// The line of the key.
        line: usize,
        /// The column of the key.
        column: usize,
    },
    /// In the environment, in the variable of this name.
    Variable(String),
    /// A call of `config.set`.
    Api,
}

impl Origin {
    /// The position at offset `offset` (bytes) in `text`, which is the file `name`.
    #[must_use]
    pub fn in_file(name: &str, text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self::File {
            name: name.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before
                .get(line_start..)
                .map_or(1, |line| line.chars().count() + 1),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { name, line, column } => write!(f, "{name}:{line}:{column}"),
            Self::Variable(name) => f.write_str(name),
            Self::Api => f.write_str("config.set"),
        }
    }
}

/// One problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The position; `None` if the value is a default.
    pub origin: Option<Origin>,
    /// The path of the key (`server.workers`); empty for a file that is not TOML or cannot
    /// be read.
    pub key: String,
    /// The value as it was written.
    pub value: Option<String>,
    /// A sentence: the fault and the accepted form.
    pub message: String,
}

impl From<Conflict> for Problem {
    /// Without a position.
    fn from(conflict: Conflict) -> Self {
        Self {
            origin: None,
            key: conflict.keys.into_iter().next().unwrap_or_default(),
            value: None,
            message: conflict.message,
        }
    }
}

/// Values in messages are truncated to this many characters.
const VALUE_CHARACTERS_MAX: usize = 60;

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(origin) = &self.origin {
            write!(f, "{origin}: ")?;
        }
        if !self.key.is_empty() {
            f.write_str(&self.key)?;
            if let Some(value) = &self.value {
                let line = value.lines().next().unwrap_or_default();
                let shown: String = line.chars().take(VALUE_CHARACTERS_MAX).collect();
                let cut = if shown.len() < value.len() { "..." } else { "" };
                write!(f, " = {shown}{cut}")?;
            }
            f.write_str(": ")?;
        }
        f.write_str(&self.message)
    }
}

/// Every problem of a configuration, one per line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError(pub Vec<Problem>);

impl From<Vec<Conflict>> for ConfigError {
    fn from(conflicts: Vec<Conflict>) -> Self {
        Self(conflicts.into_iter().map(Problem::from).collect())
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_lines_and_characters_from_one() {
        let text = "a = 1\nü = 2\r\n  c = 3";
        for (offset, place) in [(0, "f:1:1"), (6, "f:2:1"), (9, "f:2:3"), (16, "f:3:3")] {
            assert_eq!(Origin::in_file("f", text, offset).to_string(), place);
        }
        assert_eq!(Origin::in_file("f", "", 0).to_string(), "f:1:1");
        assert_eq!(Origin::in_file("f", "a", 99).to_string(), "f:1:2");
    }

    #[test]
    fn problem_shows_position_value_and_reason() {
        let mut problem = Problem {
            origin: Some(Origin::Variable("TURNTABLE_A".into())),
            key: "a".into(),
            value: Some("1".into()),
            message: "accepted is 2".into(),
        };
        assert_eq!(problem.to_string(), "TURNTABLE_A: a = 1: accepted is 2");
        problem.origin = None;
        problem.value = Some("x".repeat(100));
        assert_eq!(
            problem.to_string(),
            format!("a = {}...: accepted is 2", "x".repeat(60))
        );
        problem.value = Some("[\n1]".into());
        assert_eq!(problem.to_string(), "a = [...: accepted is 2");
    }
}
