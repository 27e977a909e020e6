//! Rules without a lint: the length of source files, and no paths of one machine in
//! any file.

use std::fs;
use std::path::{Path, PathBuf};

use turntable_testkit::workspace::root;

/// A longer file contains more than one noun.
const SOURCE_LINES_MAX: usize = 500;

/// Folders of files that are generated, fetched or not text.
const NOT_OURS: &[&str] = &["target", "node_modules", "artifacts", "corpus", "vendor"];

/// Home and working folders; split so that this file passes its own test.
const MACHINE_PATHS: &[&str] = &[
    concat!("/ho", "me/"),
    concat!("/ro", "ot/"),
    concat!("/Use", "rs/"),
    concat!("C:\\", "Users"),
    concat!("/wo", "rk/"),
];

/// All files below `folder` except hidden ones and those of [`NOT_OURS`].
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("readable folder") {
            let path = entry.expect("readable entry").path();
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            if name.starts_with('.') || NOT_OURS.contains(&name.as_str()) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// Whether `text` contains `path` as a path of its own, not as the end of a longer
/// path or of a URL.
fn mentions(text: &str, path: &str) -> bool {
    text.match_indices(path).any(|(at, _)| {
        !text[..at].ends_with(|before: char| {
            before.is_alphanumeric() || matches!(before, '.' | '-' | '_' | '}' | ')' | '/' | '*')
        })
    })
}

#[test]
fn source_files_are_within_length_limit() {
    let long: Vec<String> = files(&root().join("src"))
        .iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .filter_map(|path| {
            let lines = fs::read_to_string(path)
                .expect("readable source")
                .lines()
                .count();
            let shown = path.strip_prefix(root()).expect("below the root").display();
            (lines > SOURCE_LINES_MAX).then(|| format!("{shown}: {lines} lines"))
        })
        .collect();
    assert!(
        long.is_empty(),
        "more than {SOURCE_LINES_MAX} lines:\n{}",
        long.join("\n")
    );
}

#[test]
fn files_contain_no_machine_specific_paths() {
    let checkout = format!("{}/", root().display());
    // The name of a checkout directly below / is too common to search for.
    let checkout = (root().components().count() > 2).then_some(checkout.as_str());
    let mut found = Vec::new();
    for path in files(root()) {
        // Files that are not UTF-8 are not text.
        let Ok(text) = fs::read_to_string(&path) else {
            continue;
        };
        let shown = path.strip_prefix(root()).expect("below the root").display();
        for (number, line) in text.lines().enumerate() {
            for machine_path in MACHINE_PATHS.iter().copied().chain(checkout) {
                if mentions(line, machine_path) {
                    found.push(format!("{shown}:{}: {machine_path}", number + 1));
                }
            }
        }
    }
    assert!(
        found.is_empty(),
        "paths of one machine:\n{}",
        found.join("\n")
    );
}

#[test]
fn path_match_ignores_tails_of_longer_paths() {
    let home = MACHINE_PATHS[0];
    assert!(mentions(&format!("see {home}mel/x"), home));
    assert!(mentions(&format!("\"{home}mel\""), home));
    assert!(!mentions(&format!("https://example.org{home}mel"), home));
    assert!(!mentions(&format!("${{PREFIX}}{home}mel"), home));
}
