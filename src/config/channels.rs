//! The namespaces of channels in a configuration: the default entry, and the patterns.

use std::collections::BTreeMap;

use super::Config;
use super::check::Conflict;
use turntable_core::model::namespace::{NamespaceSettings, Namespaces, Pattern};

/// The maximum number of entries: each is compared with the path of a publication.
const ENTRIES_MAX: usize = 256;

/// The entry of a server without a configuration: a short history of every channel.
#[must_use]
pub fn embedded() -> BTreeMap<String, NamespaceSettings> {
    let every = NamespaceSettings {
        history_max: 100,
        ..NamespaceSettings::default()
    };
    BTreeMap::from([("**".to_owned(), every)])
}

/// Every entry whose pattern is invalid, and entries over the maximum.
#[must_use]
pub fn conflicts(entries: &BTreeMap<String, NamespaceSettings>) -> Vec<Conflict> {
    let mut found = Vec::new();
    for text in entries.keys() {
        if let Err(accepted) = Pattern::parse(text) {
            found.push(Conflict {
                keys: vec![format!("channels.{text}")],
                message: format!("{text:?} is not a pattern; {accepted}"),
            });
        }
    }
    if entries.len() > ENTRIES_MAX {
        found.push(Conflict {
            keys: vec!["channels".to_owned()],
            message: format!("at most {ENTRIES_MAX} entries are accepted"),
        });
    }
    found
}

/// Every entry whose messages outlive the process, where there is no file for them.
#[must_use]
pub fn unstored(config: &Config) -> Vec<Conflict> {
    let has_file = !config.store.path.is_empty();
    let entries = config.channels.iter().filter(|(_, entry)| entry.retained);
    let entries = entries.filter(|_| !has_file);
    let conflict = |(text, _): (&String, _)| Conflict {
        keys: vec![format!("channels.{text}.retained"), "store.path".to_owned()],
        message: "retained channels are in the file of the store: store.path must name one"
            .to_owned(),
    };
    entries.map(conflict).collect()
}

impl Config {
    /// The namespaces of channels.
    #[must_use]
    pub fn namespaces(&self) -> Namespaces {
        let entries = self.channels.iter().filter_map(|(text, settings)| {
            // Loading the configuration has checked it.
            let pattern = Pattern::parse(text).ok()?;
            Some((pattern, settings.clone()))
        });
        Namespaces::new(entries.collect())
    }
}
