//! `cargo xtask fuzz TARGET`: runs one target of fuzz/ with cargo-fuzz.
//!
//! A normal test replays the committed corpus; this searches for new inputs, which
//! requires cargo-fuzz and a nightly toolchain.

use std::process::Command;

use anyhow::{Result, bail};

use crate::machine::{Machine, find};
use crate::process;

/// Default duration of fuzzing, in seconds.
const SECONDS: &str = "60";

#[derive(clap::Args)]
pub(crate) struct Args {
    /// A target of fuzz/Cargo.toml; without one, all are listed
    target: Option<String>,
    /// Stop after this many seconds
    #[arg(long, default_value = SECONDS)]
    seconds: u32,
}

/// # Errors
/// If a tool is missing (the message contains how to install it), or the target finds a
/// crash.
pub(crate) fn run(args: &Args) -> Result<()> {
    let machine = Machine::look()?;
    if !machine.root.join("fuzz/Cargo.toml").is_file() {
        bail!("there is no fuzz/Cargo.toml");
    }
    if !machine.has_cargo_tool("fuzz") {
        bail!("cargo-fuzz is not installed: cargo install cargo-fuzz --locked");
    }
    if find("rustup").is_none() {
        bail!(
            "rustup is not installed, and fuzzing needs its nightly toolchain: https://rustup.rs"
        );
    }
    let toolchains = process::output(Command::new("rustup").args(["toolchain", "list"]))?;
    if !toolchains.lines().any(|name| name.starts_with("nightly")) {
        bail!("fuzzing needs a nightly toolchain: rustup toolchain install nightly");
    }
    // Through rustup, because $CARGO belongs to the stable toolchain.
    let mut command = machine.command("rustup");
    command.args(["run", "nightly", "cargo", "fuzz"]);
    // The calling cargo has set these for its own toolchain.
    for variable in ["CARGO", "RUSTC", "RUSTDOC", "RUSTUP_TOOLCHAIN"] {
        command.env_remove(variable);
    }
    match &args.target {
        None => command.arg("list"),
        Some(target) => {
            command
                .args(["run", target, "--"])
                .arg(format!("-max_total_time={}", args.seconds));
            // A dictionary of a format's tokens finds more than single bytes.
            let words = format!("fuzz/{target}.dict");
            if machine.root.join(&words).is_file() {
                command.arg(format!("-dict={words}"));
            }
            &mut command
        }
    };
    process::checked(&mut command)
}
