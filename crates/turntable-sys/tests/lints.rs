//! This is the only crate that may have unsafe code: every other one takes its
//! lints from the workspace, which forbids it.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

fn manifests(root: &Path) -> Vec<PathBuf> {
    let crates = fs::read_dir(root.join("crates")).unwrap();
    let mut folders: Vec<_> = crates.map(|entry| entry.unwrap().path()).collect();
    folders.extend([root.to_owned(), root.join("xtask")]);
    let manifests = folders.iter().map(|folder| folder.join("Cargo.toml"));
    manifests.filter(|path| path.is_file()).collect()
}

#[test]
fn all_other_crates_forbid_unsafe_code() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let workspace = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    assert!(workspace.contains("\nunsafe_code = \"forbid\"\n"));
    let manifests = manifests(&root);
    assert!(manifests.len() > 3, "{manifests:?}");
    for path in manifests {
        let manifest = fs::read_to_string(&path).unwrap();
        let is_own = manifest.contains("name = \"turntable-sys\"");
        let is_shared = manifest.contains("\n[lints]\nworkspace = true\n");
        assert!(is_own != is_shared, "{}", path.display());
    }
}
