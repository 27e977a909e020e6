//! What unit tests of several parts do with files.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::Command;

/// The names in a folder.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap();
    let name = |entry: std::fs::DirEntry| entry.file_name().into_string().unwrap();
    names.map(|entry| name(entry.unwrap())).collect()
}

/// Makes a named pipe.
pub(crate) fn make_pipe(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status();
    assert!(made.unwrap().success());
}
