//! `turntable config`: print the configuration in effect.

use std::path::PathBuf;

use clap::Args;

use crate::config::load;

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// The configuration file; see `turntable serve --help`.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl ShowArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let config = load::load(self.config.as_deref())?;
        super::print(&toml::to_string(&config)?)
    }
}
