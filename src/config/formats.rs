//! The tunnel formats: the built-in ones and the configured ones.

use super::Config;
use super::check::Conflict;
use super::problem::ConfigError;
use crate::gateway::transport::tunnel::settings::TunnelSettings;
use turntable_wire::tunnel_format::{Format, built_in};

/// The maximum number of formats that the encodings of connections can distinguish.
const FORMATS_MAX: usize = 64;

/// All formats; a configured one replaces a built-in one with its name.
/// # Errors
/// Each invalid format.
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
    /// The tunnel formats.
    ///
    /// # Errors
    /// Each invalid format; a loaded configuration has none.
    pub fn formats(&self) -> Result<Vec<Format>, ConfigError> {
        Ok(prepare(&self.tunnel)?)
    }
}
