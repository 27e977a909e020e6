//! Where things are: the repository, the build's folder, the server's binary.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The repository.
pub fn root() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.ancestors().nth(2).unwrap()
}

/// The folder of the build profile, as `target/debug`: test binaries are in
/// `deps` below it.
fn profile_folder() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    program.ancestors().nth(2).unwrap().to_owned()
}

/// A folder among the build's files for what tests install.
pub(crate) fn scratch_folder() -> PathBuf {
    profile_folder().parent().unwrap().join("tmp")
}

/// The server's binary, to be given arguments. It gets the whole environment of
/// the test run.
pub fn turntable() -> Command {
    // Cargo and nextest set the variable; a test binary that is started by hand
    // finds the server one folder above its own.
    let built = std::env::var_os("CARGO_BIN_EXE_turntable");
    let path = built.map_or_else(|| profile_folder().join("turntable"), PathBuf::from);
    Command::new(path)
}
