//! `turntable serve`: read the configuration and hand it to the server.

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;

use crate::config::source::Sources;
use crate::http::own_files;
use crate::service::LocalServices;

/// The variable of `--static`.
const STATIC_DIR: &str = "TURNTABLE_SERVER__STATIC_DIR";

#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// The configuration file. Without one: the file that TURNTABLE_CONFIG
    /// names, or the embedded defaults. Variables TURNTABLE_SECTION__KEY
    /// override both.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A folder with files of your own, as a game: served beside the client library, before the
    /// demos. Sets server.static_dir.
    #[arg(long = "static", value_name = "DIR")]
    folder: Option<String>,
}

impl ServeArgs {
    pub(super) fn run(
        self,
        start: impl FnOnce(Sources, LocalServices) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut sources = Sources::read(self.config.as_deref())?;
        if let Some(folder) = self.folder {
            if let Some(problem) = own_files::problem(&folder) {
                bail!("--static (server.static_dir) = {folder}: {problem}");
            }
            sources.set(STATIC_DIR, folder);
        }
        start(sources, LocalServices::default())
    }
}
