//! `turntable check`: report all errors of a configuration file.

use std::path::PathBuf;

use anyhow::ensure;
use clap::Args;

use crate::config::source::{Composed, Sources};
use crate::config::{self, diff, key};
use crate::management::configuration::Layer;
use crate::portal;

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// The configuration file.
    file: PathBuf,
}

impl CheckArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let Composed { config, origins } = Sources::read(Some(&self.file))?.compose()?;
        let mut problems = portal::problems(&config.portal)?;
        problems.extend(config::certificate_problems(&config));
        ensure!(problems.is_empty(), "{}", problems.join("\n"));
        for warning in config::warnings(&config) {
            eprintln!("warning: {warning}");
        }
        // They are above the file, so a change of it may have no effect.
        for (path, value) in diff::settings(&config) {
            if origins.layer(&path) == Layer::Api {
                eprintln!("note: {} = {value} is set by config.set", key::join(&path));
            }
        }
        super::print("OK\n")
    }
}
