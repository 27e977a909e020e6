//! What is installed around the program (`packaging/`).

use std::path::Path;
use std::process::{Command, Output};

/// The unit, with the program that was built in place of the installed one.
fn unit(folder: &Path) -> std::path::PathBuf {
    let text = std::fs::read_to_string("packaging/systemd/turntable.service").unwrap();
    let installed = "/usr/bin/turntable";
    assert!(text.contains(installed));
    let file = folder.join("turntable.service");
    std::fs::write(
        &file,
        text.replace(installed, env!("CARGO_BIN_EXE_turntable")),
    )
    .unwrap();
    file
}

/// `None`, and a line that says SKIPPED, where systemd is not installed.
fn systemd_analyze(arguments: &[&str], file: &Path) -> Option<Output> {
    let output = Command::new("systemd-analyze")
        .args(arguments)
        .arg(file)
        .output();
    if output.is_err() {
        eprintln!("SKIPPED, THE UNIT FILE WAS NOT VERIFIED: there is no systemd-analyze");
    }
    output.ok()
}

#[test]
fn unit_file_is_valid_and_hardened() {
    let folder = tempfile::tempdir().unwrap();
    let file = unit(folder.path());
    // Beside it, as the socket names it.
    let socket = std::fs::read_to_string("packaging/systemd/turntable.socket").unwrap();
    let socket_file = folder.path().join("turntable.socket");
    std::fs::write(&socket_file, socket).unwrap();
    if let Some(verified) = systemd_analyze(&["verify"], &socket_file) {
        assert!(verified.status.success(), "{verified:?}");
        assert!(verified.stderr.is_empty(), "{verified:?}");
    }
    let Some(verified) = systemd_analyze(&["verify"], &file) else {
        return;
    };
    assert!(verified.status.success(), "{verified:?}");
    assert!(verified.stderr.is_empty(), "{verified:?}");
    // 10 is a service without any restriction, below 2 is what systemd calls OK.
    let security = ["security", "--offline=true", "--threshold=20"];
    let security = systemd_analyze(&security, &file).unwrap();
    assert!(security.status.success(), "{security:?}");
    // Programs of games are to be compiled while the server runs.
    let text = std::fs::read_to_string(file).unwrap();
    assert!(!text.contains("\nMemoryDenyWriteExecute"));
}

#[test]
fn completions_and_manual_pages_have_every_command() {
    let turntable = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_turntable"))
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let help = turntable(&["--help"]);
    let commands = help.split_once("Commands:\n").unwrap().1;
    let commands = commands.lines().take_while(|line| line.starts_with("  "));
    // What it does goes on in lines that are indented further.
    let commands = commands.filter(|line| !line.starts_with("   "));
    let commands = commands.map(|line| line.split_whitespace().next().unwrap());
    let commands: Vec<&str> = commands.filter(|name| *name != "help").collect();
    assert!(commands.len() > 8, "{commands:?}");
    for shell in ["bash", "zsh", "fish"] {
        let script = turntable(&["completions", shell]);
        for command in &commands {
            assert!(script.contains(command), "{shell}: {command}");
        }
    }
    assert!(turntable(&["man"]).contains(".TH"));
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("man1");
    turntable(&["man", "--out", out.to_str().unwrap()]);
    let pages = commands.iter().map(|name| format!("turntable-{name}.1"));
    let below = ["turntable.1", "turntable-store-backup.1"].map(str::to_owned);
    for page in pages.chain(below) {
        assert!(out.join(&page).exists(), "{page}");
    }
}
