//! The binary: logs, the command line, the exit code.

use std::process::ExitCode;

use clap::Parser;
use turntable::command::Cli;

fn main() -> ExitCode {
    let cli = Cli::parse();
    turntable::log_filter::begin();
    match cli.run(turntable::app::run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => match error.downcast::<clap::Error>() {
            // Its exit code is 2.
            Ok(usage) => usage.exit(),
            Err(error) => {
                eprintln!("{error:#}");
                ExitCode::FAILURE
            }
        },
    }
}
