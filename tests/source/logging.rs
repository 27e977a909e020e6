//! Warnings and errors in the log: each site is known, and one that may repeat is
//! limited. What a client can cause is logged at `debug`.

use std::fs;
use std::path::Path;

use turntable_testkit::workspace::root;

/// Files with lines that are written once in a process's life: at its start, at its end,
/// or in a test.
const ONCE: &[&str] = &[
    "actor/directory/saving.rs",
    "app.rs",
    "app/files.rs",
    "app/listeners.rs",
    "app/restart.rs",
    "app/serve.rs",
    "cluster/bytes.rs",
    "cluster/mod.rs",
    "config/saved_file.rs",
    "gateway/mod.rs",
    "gateway/saving.rs",
    "http/own_files.rs",
    "portal/checkers.rs",
    "restart/file.rs",
    "restart/gather.rs",
    "webhook/mod.rs",
];

/// Files with a line for each thing that an operator does.
const OF_OPERATORS: &[&str] = &[
    "app/certificate.rs",
    "app/configuration.rs",
    "app/configuration/reading.rs",
];

/// How many lines before a warning its limit may stand.
const LIMIT_LINES: usize = 3;

fn sources(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            found.push(path);
        }
    }
}

/// Whether a warning or an error at this line may be written as often as its cause comes.
fn is_unlimited(lines: &[&str], at: usize) -> bool {
    let before = &lines[at.saturating_sub(LIMIT_LINES)..at];
    // A process that ends writes no more.
    let behind = lines.get(at + 1).copied().unwrap_or_default();
    !before.iter().any(|line| line.contains(".admit(")) && !behind.contains("process::abort")
}

#[test]
fn repeated_warnings_are_limited() {
    let src = root().join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    let (mut count, mut wrong) = (0, Vec::new());
    for file in &files {
        let name = file.strip_prefix(&src).unwrap().to_str().unwrap();
        let is_known = ONCE.contains(&name) || OF_OPERATORS.contains(&name);
        let text = fs::read_to_string(file).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            if !line.contains("log::warn!(") && !line.contains("log::error!(") {
                continue;
            }
            count += 1;
            if !is_known && is_unlimited(&lines, at) {
                wrong.push(format!("{name}:{}", at + 1));
            }
        }
    }
    assert!(count > 5, "only {count} sites");
    assert!(wrong.is_empty(), "without a limit: {wrong:?}");
}
