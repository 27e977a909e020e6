//! The formats of tunnels: those that are built in, and those of a
//! configuration.

use super::Config;
use super::check::Conflict;
use super::problem::{ConfigError, Problem};
use crate::gateway::settings::TunnelSettings;
use turntable_wire::tunnel_format::{Format, built_in};

/// As many formats as lines can tell apart.
const FORMATS_MAX: usize = 64;

/// All formats; an entry takes the place of what is built in under its name.
///
/// # Errors
/// Each entry that cannot be.
pub fn prepare(settings: &TunnelSettings) -> Result<Vec<Format>, Vec<Conflict>> {
    let mut formats = built_in();
    let mut conflicts = Vec::new();
    for (name, entry) in &settings.formats {
        let keys = |key: &str| {
            let format = format!("tunnel.formats.{name}");
            vec![format!("{format}.{key}"), format]
        };
        match Format::from_settings(name, entry) {
            Ok(format) => match formats.iter_mut().find(|known| known.name() == name) {
                Some(known) => *known = format,
                None => formats.push(format),
            },
            Err(error) => conflicts.push(Conflict {
                keys: keys(error.key),
                message: format!("{}: {}", error.key, error.message),
            }),
        }
    }
    if formats.len() > FORMATS_MAX {
        conflicts.push(Conflict {
            keys: vec!["tunnel.formats".to_owned()],
            message: format!("at most {FORMATS_MAX} formats, the built-in ones included"),
        });
    }
    if conflicts.is_empty() {
        Ok(formats)
    } else {
        Err(conflicts)
    }
}

impl Config {
    /// The formats of tunnels.
    ///
    /// # Errors
    /// Each format that cannot be; a configuration that was loaded has none.
    pub fn formats(&self) -> Result<Vec<Format>, ConfigError> {
        prepare(&self.tunnel).map_err(|conflicts| {
            let problem = |conflict: Conflict| Problem {
                origin: None,
                key: conflict.keys.into_iter().next().unwrap_or_default(),
                value: None,
                message: conflict.message,
            };
            ConfigError(conflicts.into_iter().map(problem).collect())
        })
    }
}
