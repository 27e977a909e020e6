//! `turntable serve`: read the configuration and hand it to the server.

use std::path::PathBuf;

use clap::Args;

use crate::config::source::Sources;
use crate::service::LocalServices;

#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// The configuration file. Without one: the file that TURNTABLE_CONFIG
    /// names, or the embedded defaults. Variables TURNTABLE_SECTION__KEY
    /// override both.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl ServeArgs {
    pub(super) fn run(
        self,
        start: impl FnOnce(Sources, LocalServices) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        start(
            Sources::read(self.config.as_deref())?,
            LocalServices::default(),
        )
    }
}
