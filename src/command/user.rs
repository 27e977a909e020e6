//! `turntable user`: users with a password, in the file of a stopped server.

use std::io::{IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use clap::{Args, Subcommand};

use crate::config::{Config, load};
use crate::portal::password::hash::{self, PASSWORD_BYTES_MAX};
use crate::store::password::{self, Change};
use turntable_core::id::UserId;

#[derive(Debug, Args)]
pub(super) struct UserArgs {
    #[command(subcommand)]
    command: UserCommand,
    /// The configuration file, for store.path and [portal.password]; see `turntable
    /// serve --help`.
    #[arg(short, long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum UserCommand {
    /// Give a user a password, which is read from standard input.
    Add {
        /// The user, as 1:12345; without a realm it has portal.default_realm.
        user: String,
    },
    /// Change a user's password, which is read from standard input.
    Password {
        /// The user.
        user: String,
    },
    /// Remove a user's password.
    Remove {
        /// The user.
        user: String,
    },
    /// Print the users with a password, a line each.
    List,
}

impl UserArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let config = load::load(self.config.as_deref())?;
        ensure!(
            !config.store.path.is_empty(),
            "store.path is not set: users with a password are stored in its file"
        );
        let path = Path::new(&config.store.path);
        match self.command {
            UserCommand::Add { user } => {
                let user = parse(&user, &config)?;
                password::set(path, &user, read_hash(&config)?, Change::Add)?;
            }
            UserCommand::Password { user } => {
                let user = parse(&user, &config)?;
                password::set(path, &user, read_hash(&config)?, Change::Replace)?;
            }
            UserCommand::Remove { user } => password::remove(path, &parse(&user, &config)?)?,
            UserCommand::List => {
                let users = password::list(path)?;
                return super::print(
                    &users
                        .iter()
                        .map(|user| format!("{user}\n"))
                        .collect::<String>(),
                );
            }
        }
        super::print("OK\n")
    }
}

fn parse(text: &str, config: &Config) -> anyhow::Result<UserId> {
    let whole = match text.contains(':') {
        true => text.to_owned(),
        false => format!("{}:{text}", config.portal.default_realm),
    };
    UserId::parse(&whole).with_context(|| format!("{text:?} is no user id"))
}

/// The hash of the password in standard input, without the end of its line.
fn read_hash(config: &Config) -> anyhow::Result<Box<str>> {
    let stdin = std::io::stdin();
    let mut text = String::new();
    if stdin.is_terminal() {
        eprintln!("Password (it is shown):");
        stdin.read_line(&mut text)?;
    } else {
        let longest = PASSWORD_BYTES_MAX as u64 + 3;
        stdin.take(longest).read_to_string(&mut text)?;
    }
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let password = line.strip_suffix('\r').unwrap_or(line);
    let settings = &config.portal.password;
    if let Some(fault) = hash::fault(settings, password) {
        bail!("{fault}; it is read from standard input");
    }
    hash::hash(settings, password)
}
