//! `turntable check`: report all errors of a configuration file.

use std::path::PathBuf;

use anyhow::ensure;
use clap::Args;

use crate::config::{self, load};
use crate::portal;

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// The configuration file.
    file: PathBuf,
}

impl CheckArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let config = load::load(Some(&self.file))?;
        let problems = portal::problems(&config.portal)?;
        ensure!(problems.is_empty(), "{}", problems.join("\n"));
        for warning in config::warnings(&config) {
            eprintln!("warning: {warning}");
        }
        super::print("OK\n")
    }
}
