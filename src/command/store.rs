//! `turntable store`: back up, restore and check the file of a stopped server.

use std::fs;
use std::io::{BufReader, BufWriter};
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};

use crate::store::transfer;

#[derive(Debug, Args)]
pub(super) struct StoreArgs {
    #[command(subcommand)]
    command: StoreCommand,
}

#[derive(Debug, Subcommand)]
enum StoreCommand {
    /// Write all users of a store to a file of JSON lines. The server must be stopped.
    Backup {
        /// The store, as in store.path.
        store: PathBuf,
        /// The backup.
        backup: PathBuf,
    },
    /// Make a new store of a backup.
    Restore {
        /// The store, which must not exist.
        store: PathBuf,
        /// The backup.
        backup: PathBuf,
    },
    /// Look through a whole store. The server must be stopped.
    Check {
        /// The store, as in store.path.
        store: PathBuf,
    },
}

impl StoreArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let users = match self.command {
            StoreCommand::Backup { store, backup } => {
                let out = fs::File::create(&backup)
                    .with_context(|| format!("{} cannot be written", backup.display()))?;
                transfer::backup(&store, &mut BufWriter::new(out))?
            }
            StoreCommand::Restore { store, backup } => {
                let lines = fs::File::open(&backup)
                    .with_context(|| format!("{} cannot be read", backup.display()))?;
                transfer::restore(&store, &mut BufReader::new(lines))?
            }
            StoreCommand::Check { store } => transfer::check(&store)?,
        };
        super::print(&format!("OK, {users} users\n"))
    }
}
