//! `cargo xtask`: the project's tasks, one file per subcommand.
//!
//! A subcommand is a clap `Args` struct and a `run` function in a file of its
//! own; it is listed here in [`Task`] and nowhere else.

mod api;
mod autobahn;
mod bench_peers;
mod deb;
mod docs_config;
mod failure;
mod fuzz;
mod licence;
mod machine;
mod php;
mod process;
mod rust_tests;
mod server;
mod soak;
mod step;
mod tally;
mod test;

use std::process::ExitCode;

use clap::Parser;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Turntable's tasks")]
enum Task {
    /// Run every check and test, installing what they need
    Test(test::Args),
    /// Run one fuzz target with cargo-fuzz
    Fuzz(fuzz::Args),
    /// Build a Debian package of the server
    Deb(deb::Args),
    /// Write the tables of keys in docs/configuration.md from config.toml
    DocsConfig(docs_config::Args),
    /// Let many users do everything at random, and look for what is left
    Soak(soak::Args),
    /// Compare the fan-out of this server with that of others
    BenchPeers(bench_peers::Args),
}

fn main() -> ExitCode {
    let done = match Task::parse() {
        Task::Test(args) => test::run(&args),
        Task::Fuzz(args) => fuzz::run(&args),
        Task::Deb(args) => deb::run(&args),
        Task::DocsConfig(args) => docs_config::run(&args),
        Task::Soak(args) => soak::run(&args),
        Task::BenchPeers(args) => bench_peers::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Not as `Debug`: an error such as a missing tool needs no backtrace.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
