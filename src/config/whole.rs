//! The checks of a whole configuration. `turntable check`, a start and a configuration that a
//! running server is given run the same ones, whether it comes from a file or was made in Rust.

use std::io;
use std::path::Path;

use toml::Value;

use super::check::{self, Conflict};
use super::problem::{ConfigError, Problem};
use super::{Config, formats, games};
use crate::http::own_files;
use crate::plain_file;

/// Everything that contradicts itself in `config`, whose numbers are within their ranges.
/// `read` reads the schemas of games.
pub(super) fn conflicts(
    config: &Config,
    read: &dyn Fn(&Path) -> io::Result<String>,
) -> Vec<Conflict> {
    let mut found = check::conflicts(config);
    let folder = own_files::problem(&config.server.static_dir);
    found.extend(folder.map(|message| Conflict::new(&["server.static_dir"], message)));
    found.extend(
        games::prepare(&config.games, read)
            .err()
            .unwrap_or_default(),
    );
    found.extend(formats::prepare(&config.tunnel).err().unwrap_or_default());
    found
}

impl Config {
    /// Checks everything that is checked of a file: the range of each number, and what
    /// involves several keys. Schemas of games are read.
    ///
    /// # Errors
    /// [`ConfigError`] with every problem.
    pub fn check(&self) -> Result<(), ConfigError> {
        let mut problems = Vec::new();
        let mut numbers = self.clone();
        // They may be any JSON, also what TOML does not have.
        numbers.avatar.attributes.clear();
        match Value::try_from(numbers) {
            Ok(value) => {
                let mut wrong = Vec::new();
                check::numbers(&[], &value, &mut wrong);
                problems.extend(wrong.into_iter().map(|(path, message, value)| Problem {
                    origin: None,
                    key: path.join("."),
                    value: Some(value.to_string()),
                    message,
                }));
            }
            // A number that TOML does not have, as all above its greatest.
            Err(error) => problems.push(Problem {
                origin: None,
                key: String::new(),
                value: None,
                message: format!("a value is out of its range: {error}"),
            }),
        }
        let read = |path: &Path| plain_file::read_text(path);
        let conflicts = conflicts(self, &read);
        problems.extend(conflicts.into_iter().map(Problem::from));
        match problems.is_empty() {
            true => Ok(()),
            false => Err(ConfigError(problems)),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use turntable_core::model::service::ServiceSettings;

    fn problems(change: impl FnOnce(&mut Config)) -> String {
        let mut config = Config::default();
        change(&mut config);
        let error = config.check().err();
        error.map_or_else(String::new, |error| error.to_string())
    }

    #[test]
    fn configuration_made_in_rust_is_checked_as_a_file_is() {
        assert_eq!(problems(|_| {}), "");
        let found = problems(|config| config.server.workers = 1_000_000);
        assert!(
            found.starts_with("server.workers = 1000000: accepted is"),
            "{found}"
        );
        let found = problems(|config| config.server.memory_bytes_max = u64::MAX);
        assert!(found.contains("out of its range"), "{found}");
        let found = problems(|config| config.management.listen = ([0, 0, 0, 0], 0).into());
        assert!(found.starts_with("management.listen: "), "{found}");
        let found = problems(|config| {
            for (name, token) in [("chat", "one"), ("forum", "two")] {
                let service = ServiceSettings {
                    providers: vec!["service:x".to_owned()],
                    token: token.to_owned(),
                    ..ServiceSettings::default()
                };
                config.services.insert(name.to_owned(), service);
            }
            let four = config.games.get_mut("four").unwrap();
            four.schema = Some("/no/such/schema".into());
        });
        assert!(found.contains("services.forum.token: "), "{found}");
        assert!(
            found.contains("games.four.schema: /no/such/schema"),
            "{found}"
        );
        assert!(!found.contains("two"), "no secret is shown: {found}");
    }
}
