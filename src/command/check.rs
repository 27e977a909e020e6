//! `turntable check`: report all errors of a configuration file.

use std::path::PathBuf;

use clap::Args;

use crate::config::load;

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// The configuration file.
    file: PathBuf,
}

impl CheckArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        load::load(Some(&self.file))?;
        super::print("OK\n")
    }
}
