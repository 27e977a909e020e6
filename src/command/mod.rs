//! The command line: one file per subcommand, and the table of them here.
//!
//! Results go to standard output, everything for people and logs to standard
//! error. Exit codes: 0 done, 1 failed (a wrong configuration, a busy port),
//! 2 a command line that is not understood.

mod check;
mod serve;
mod shard;
mod show;

use std::io::Write;

use clap::{Parser, Subcommand};

use crate::config::Config;
use turntable_bench::BenchArgs;

const EXAMPLES: &str = "\
Examples:
  turntable                                    serve with the embedded defaults
  turntable serve --config config.toml         serve as a file says
  TURNTABLE_SERVER__LISTEN=127.0.0.1:0 turntable
                                               override one key; port 0 takes a free one
  turntable check config.toml                  say everything that is wrong with a file
  turntable config > config.toml               write the configuration in effect
  turntable shard 1:12345 --slots 7            tell the slot of an id
  RUST_LOG=debug turntable                     log more";

/// Presence, channels and game rooms for browsers, in one binary.
///
/// Without a command it serves.
#[derive(Debug, Parser)]
#[command(
    name = "turntable",
    version,
    after_help = EXAMPLES,
    args_conflicts_with_subcommands = true
)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: serve::ServeArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve browsers and the demos until a signal ends it.
    Serve(serve::ServeArgs),
    /// Check a configuration file, together with the environment.
    Check(check::CheckArgs),
    /// Print the configuration in effect, as TOML.
    Config(show::ShowArgs),
    /// Print the slot that an id belongs to.
    Shard(shard::ShardArgs),
    /// Measure what the server does, and at what cost.
    Bench(BenchArgs),
}

impl Cli {
    /// Does what the command line says; `start` serves a configuration until
    /// it is ended.
    ///
    /// # Errors
    /// What the command failed with, for standard error and exit code 1.
    pub fn run(self, start: impl FnOnce(Config) -> anyhow::Result<()>) -> anyhow::Result<()> {
        match self.command {
            None => self.serve.run(start),
            Some(Command::Serve(args)) => args.run(start),
            Some(Command::Check(args)) => args.run(),
            Some(Command::Config(args)) => args.run(),
            Some(Command::Shard(args)) => args.run(),
            Some(Command::Bench(args)) => Ok(turntable_bench::run(&args)?),
        }
    }
}

/// Writes a command's result. A reader that went away (`| head`) is no error
/// of ours.
fn print(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
