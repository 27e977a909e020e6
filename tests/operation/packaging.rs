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

/// The instructions of the Dockerfile with what they are given, one line each.
fn instructions() -> Vec<(String, String)> {
    let text = std::fs::read_to_string("Dockerfile").unwrap();
    let lines = text.replace("\\\n", " ");
    let lines = lines.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let instruction = |line: &str| {
        let (name, value) = line.split_once(' ').unwrap();
        (name.to_owned(), value.trim().to_owned())
    };
    lines.map(instruction).collect()
}

/// There is no engine to build the image: what the file names exists, and the program accepts
/// what it is started with.
#[test]
fn dockerfile_builds_and_starts_what_is_there() {
    let instructions = instructions();
    let of = |name: &str| -> Vec<&str> {
        let named = instructions.iter().filter(|(is, _)| is == name);
        named.map(|(_, value)| value.as_str()).collect()
    };
    let read = |path: &str| std::fs::read_to_string(path).unwrap();
    // The compiler is the one that the repository is tested with.
    let [build, run] = of("FROM")[..] else {
        panic!("two stages")
    };
    let toolchain: toml::Table = toml::from_str(&read("rust-toolchain.toml")).unwrap();
    let channel = toolchain["toolchain"]["channel"].as_str().unwrap();
    let image = build.strip_prefix("rust:").unwrap();
    let version = image.split('-').next().unwrap();
    assert!(channel.starts_with(version), "{image}: {channel}");
    // Both stages have the same C library.
    let debian = run
        .strip_prefix("debian:")
        .unwrap()
        .trim_end_matches("-slim");
    assert!(build.contains(debian), "{build}, {run}");
    // What is built is what is copied, by a profile that there is.
    let cargo: Vec<&str> = of("RUN")[0].split_whitespace().collect();
    let profile = cargo.iter().position(|word| *word == "--profile").unwrap() + 1;
    let profile = cargo[profile];
    let manifest: toml::Table = toml::from_str(&read("Cargo.toml")).unwrap();
    assert!(manifest["profile"].get(profile).is_some(), "{profile}");
    let binary = format!("{}/target/{profile}/turntable", of("WORKDIR")[0]);
    let [source, copied] = of("COPY")[..] else {
        panic!("the source, and the program")
    };
    assert_eq!(source, ". .");
    let program = of("ENTRYPOINT")[0].trim_matches(['[', ']', '"']);
    assert_eq!(copied, format!("--from=build {binary} {program}"));
    // Nothing that the build reads is ignored.
    for ignored in read(".dockerignore").lines() {
        assert!(["target", "node_modules", ".git", "fuzz/target"].contains(&ignored));
    }
    // The program takes its settings, and listens where the image says.
    let [(name, value)] = of("ENV")[..]
        .iter()
        .map(|env| env.split_once('=').unwrap())
        .collect::<Vec<_>>()[..]
    else {
        panic!("one setting")
    };
    let port = value.rsplit(':').next().unwrap();
    assert_eq!(of("EXPOSE"), [port]);
    let folder = tempfile::tempdir().unwrap();
    let turntable = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_turntable"));
        command.current_dir(folder.path()).env(name, value);
        command.args(arguments).output().unwrap()
    };
    let config = std::fs::canonicalize("config.toml").unwrap();
    let checked = turntable(&["check", config.to_str().unwrap()]);
    assert!(checked.status.success(), "{checked:?}");
    let command = of("CMD")[0].trim_matches(['[', ']', '"']);
    let help = String::from_utf8(turntable(&["--help"]).stdout).unwrap();
    assert!(help.contains(&format!("\n  {command} ")), "{command}");
    assert_eq!(of("STOPSIGNAL"), ["SIGTERM"]);
}
