//! `turntable man`: write the manual pages of the command line.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, CommandFactory as _};

use super::Cli;

#[derive(Debug, Args)]
pub(super) struct ManArgs {
    /// A folder for the pages of all commands, one file each. Without it turntable(1) goes to
    /// standard output.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl ManArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let command = Cli::command();
        let Some(folder) = self.out else {
            let mut page = Vec::new();
            clap_mangen::Man::new(command).render(&mut page)?;
            return super::print(&String::from_utf8(page)?);
        };
        std::fs::create_dir_all(&folder)
            .and_then(|()| clap_mangen::generate_to(command, &folder))
            .with_context(|| format!("{} cannot be written", folder.display()))
    }
}
