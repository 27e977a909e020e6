//! The binary: logs, the command line, the exit code.

use std::process::ExitCode;

use clap::Parser;
use turntable::command::Cli;

fn main() -> ExitCode {
    let cli = Cli::parse();
    env_logger::Builder::from_env(
        env_logger::Env::default().default_filter_or("info,actix_server=warn"),
    )
    // It logs as errors what clients send; `http::takeable` logs that and counts it.
    .filter_module("actix_http", log::LevelFilter::Off)
    .init();
    match cli.run(turntable::app::run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
