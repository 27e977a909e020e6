//! `turntable check`: report all errors of a configuration file.

use std::path::PathBuf;

use anyhow::ensure;
use clap::Args;

use crate::config::source::{Composed, Sources};
use crate::config::{self, diff, key, saved};
use crate::management::configuration::Layer;
use crate::portal;
use crate::restart::{self, CHECK_OK};

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// The configuration file. Without one: the file that TURNTABLE_CONFIG
    /// names, or the embedded defaults, as serve does. Variables
    /// TURNTABLE_SECTION__KEY override both.
    file: Option<PathBuf>,
    /// Whether this program restores sessions that were saved in this version; a server that
    /// restarts in place calls it so.
    #[arg(long, hide = true, value_name = "VERSION")]
    state_version: Option<u32>,
}

impl CheckArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        if let Some(version) = self.state_version {
            let reads = restart::file::reads(version);
            ensure!(reads, "it does not restore sessions of version {version}");
        }
        let sources = Sources::read(self.file.as_deref())?;
        if self.file.is_none() && self.state_version.is_none() {
            eprintln!("note: {}", sources.file_line());
        }
        if let Some(file) = sources.file.as_ref().filter(|file| file.is_empty()) {
            // A server that runs has a configuration to lose, as at a reload.
            ensure!(
                self.state_version.is_none(),
                "{} is empty: a comment in it says that the defaults are meant",
                file.path.display()
            );
            eprintln!(
                "warning: {} is empty: a server starts with the defaults, and one that runs \
                 refuses it; a comment in it says that the defaults are meant",
                file.path.display()
            );
        }
        let Composed { config, origins } = sources.compose()?;
        let mut problems = portal::problems(&config.portal)?;
        problems.extend(config::certificate_problems(&config));
        ensure!(problems.is_empty(), "{}", problems.join("\n"));
        for warning in config::warnings(&config) {
            eprintln!("warning: {warning}");
        }
        let saved = saved::beside(&config.store.path);
        if let Some(saved) = saved.filter(|saved| saved::is_torn(saved)) {
            eprintln!(
                "warning: the last line of {} is not whole, as after a power failure; a server starts \
                 without it",
                saved.display()
            );
        }
        // They are above the file, so a change of it may have no effect.
        for (path, value) in diff::settings(&config) {
            if origins.layer(&path) == Layer::Api {
                eprintln!("note: {} = {value} is set by config.set", key::join(&path));
            }
        }
        if self.state_version.is_some() {
            // The server that restarts opens them before.
            let listens = [
                ("server", config.server.listen),
                ("management", config.management.listen),
            ];
            for (name, address) in listens {
                super::print(&format!("{name}.listen = {address}\n"))?;
            }
        }
        super::print(&format!("{CHECK_OK}\n"))
    }
}
