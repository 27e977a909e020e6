//! `cargo xtask fuzz TARGET`: one target of fuzz/ under cargo-fuzz.
//!
//! The committed corpus is replayed by a normal test; this is the search for
//! new inputs, which needs cargo-fuzz and a nightly toolchain.

use std::process::Command;

use anyhow::{Result, bail};

use crate::machine::{Machine, find};
use crate::process;

/// Seconds of fuzzing where none are asked for.
const SECONDS: &str = "60";

#[derive(clap::Args)]
pub(crate) struct Args {
    /// A target of fuzz/Cargo.toml; without one, they are listed
    target: Option<String>,
    /// Stop after so many seconds
    #[arg(long, default_value = SECONDS)]
    seconds: u32,
}

/// # Errors
/// If a tool is missing (the message says how to get it), or the target
/// finds a crash.
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
    // Through rustup, not $CARGO: that one is of the stable toolchain.
    let mut command = machine.command("rustup");
    command.args(["run", "nightly", "cargo", "fuzz"]);
    // What ran us has set these for its own toolchain.
    for variable in ["CARGO", "RUSTC", "RUSTDOC", "RUSTUP_TOOLCHAIN"] {
        command.env_remove(variable);
    }
    match &args.target {
        None => command.arg("list"),
        Some(target) => {
            command
                .args(["run", target, "--"])
                .arg(format!("-max_total_time={}", args.seconds));
            // The words of a format take a fuzzer further than single bytes.
            let words = format!("fuzz/{target}.dict");
            if machine.root.join(&words).is_file() {
                command.arg(format!("-dict={words}"));
            }
            &mut command
        }
    };
    process::checked(&mut command)
}
