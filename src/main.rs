//! The binary: logs, the command line, the exit code.

use std::process::ExitCode;

use clap::Parser;
use turntable::command::Cli;

fn main() -> ExitCode {
    let cli = Cli::parse();
    turntable::log_filter::begin();
    match cli.run(turntable::app::run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
