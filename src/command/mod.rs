//! The command line: one file per subcommand, and their table.
//!
//! Results are written to standard output, messages and logs to standard error. Exit
//! codes: 0 success, 1 failure (an invalid configuration, a used port), 2 an invalid
//! command line.

mod bench;
mod call;
mod check;
mod client;
mod completions;
mod man;
mod restart;
mod serve;
mod shard;
mod show;
mod store;
mod user;

use std::io::Write;

use clap::{Parser, Subcommand};

use crate::config::source::Sources;
use crate::service::LocalServices;
use crate::visible::visible_json;
use turntable_bench::BenchArgs;
use turntable_core::payload::Payload;

const EXAMPLES: &str = "\
Examples:
  turntable                                    serve with the embedded defaults
  turntable serve --config config.toml         serve with a configuration file
  TURNTABLE_SERVER__LISTEN=127.0.0.1:0 turntable
                                               override one key; port 0 selects a free port
  turntable check config.toml                  report all errors of a file
  TURNTABLE_CONFIG=config.toml turntable check the same
  turntable config > config.toml               write the configuration in effect
  turntable shard 1:12345 --slots 7            print the slot of an id
  turntable store backup users.db users.jsonl  write the stored users as lines of JSON
  turntable user add 1:mel --config config.toml < password.txt
                                               give a user a password
  turntable call user kick 1:mel rude          call a method of the management listener
  turntable restart                            restart a server in place
  turntable client python --out clients        write a client of the management listener
  turntable completions bash > turntable.bash  write the completions of a shell
  turntable man --out man1                     write the manual pages
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
    /// Serve clients and the demos until a signal ends it.
    Serve(serve::ServeArgs),
    /// Check a configuration file, together with the environment.
    Check(check::CheckArgs),
    /// Print the configuration in effect, as TOML.
    Config(show::ShowArgs),
    /// Print the slot that an id belongs to.
    Shard(shard::ShardArgs),
    /// Back up, restore and check the file of a store.
    Store(store::StoreArgs),
    /// Add and remove users with a password.
    User(user::UserArgs),
    /// Restart a server in place, without losing anybody.
    Restart(restart::RestartArgs),
    /// Call a method of a server's management listener.
    Call(call::CallArgs),
    /// Write a client of the management listener in another language.
    Client(client::ClientArgs),
    /// Write the completions of a shell to standard output.
    Completions(completions::CompletionsArgs),
    /// Write the manual pages.
    Man(man::ManArgs),
    /// Measure the server's performance and cost.
    Bench(BenchArgs),
}

impl Cli {
    /// Runs the command; `start` serves a configuration, with services of the program, until it is
    /// ended.
    ///
    /// # Errors
    /// The command's error, for standard error and exit code 1.
    pub fn run(
        self,
        start: impl FnOnce(Sources, LocalServices) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        match self.command {
            None => self.serve.run(start),
            Some(Command::Serve(args)) => args.run(start),
            Some(Command::Check(args)) => args.run(),
            Some(Command::Config(args)) => args.run(),
            Some(Command::Shard(args)) => args.run(),
            Some(Command::Store(args)) => args.run(),
            Some(Command::User(args)) => args.run(),
            Some(Command::Restart(args)) => args.run(),
            Some(Command::Call(args)) => args.run(),
            Some(Command::Client(args)) => args.run(),
            Some(Command::Completions(args)) => args.run(),
            Some(Command::Man(args)) => args.run(),
            Some(Command::Bench(args)) => bench::run(&args, start),
        }
    }
}

/// Writes the answer of a server. A terminal would carry out what some characters mean.
fn print_json(answer: &Payload) -> anyhow::Result<()> {
    print(&format!("{}\n", visible_json(answer.as_json())))
}

/// Writes a command's result. A closed standard output (`| head`) is not an error.
fn print(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
