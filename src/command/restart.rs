//! `turntable restart`: the method `node/restart` of a server that runs.

use std::path::PathBuf;

use clap::Args;

use super::call::{CallArgs, URL};

#[derive(Debug, Args)]
pub(super) struct RestartArgs {
    /// Where the management listener is; behind a proxy, with its path.
    #[arg(long, default_value = URL)]
    url: String,
    /// The file with the token. Without one: the variable TURNTABLE_TOKEN.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

impl RestartArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        CallArgs::of(("node", "restart"), self.url, self.token_file).run()
    }
}
