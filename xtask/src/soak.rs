//! `cargo xtask soak`: the soak of `tests/soak`, for as long as it takes to trust it.

use anyhow::Result;

use crate::machine::Machine;
use crate::process;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// How long users do everything at random, in seconds
    #[arg(long, default_value_t = 600)]
    seconds: u32,
}

/// # Errors
/// If the soak fails.
pub(crate) fn run(args: &Args) -> Result<()> {
    let machine = Machine::look()?;
    let mut command = machine.cargo("test");
    command
        .args(["--package", "turntable", "--test", "soak", "--"])
        .arg("--nocapture")
        .env("TURNTABLE_TEST_SOAK_SECONDS", args.seconds.to_string());
    process::checked(&mut command)
}
