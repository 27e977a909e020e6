//! Packages of other people, from their registries, among the build's files.
//! What cannot be had is said aloud and skips what needs it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// How long a registry that could not be reached is not asked again: tests are
/// many, and each would wait for it.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(600);

/// The repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn folder() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

fn runs(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

/// Whether something is there, or is after it was installed. Tests, and their
/// processes, take turns. A failure is remembered under this name.
fn ensure(name: &str, is_there: impl Fn() -> bool, install: impl FnOnce()) -> bool {
    if is_there() {
        return true;
    }
    std::fs::create_dir_all(folder()).unwrap();
    let lock = File::create(folder().join("install.lock")).unwrap();
    lock.lock().unwrap();
    let failed = folder().join(format!("{name}.failed"));
    let failed_at = failed.metadata().and_then(|metadata| metadata.modified());
    let is_recent = failed_at.is_ok_and(|at| {
        let ago = at.elapsed();
        ago.is_ok_and(|ago| ago < ASK_AGAIN_AFTER)
    });
    if is_there() {
        return true;
    }
    if is_recent {
        return false;
    }
    install();
    let is_there = is_there();
    if !is_there {
        File::create(&failed).unwrap();
    }
    is_there
}

/// A Python that has packages: the machine's own, else one of a virtual
/// environment among the build's files. `None` where there is neither; `check` is
/// a script that tells whether they are there.
pub fn python(packages: &[&str], check: &str) -> Option<PathBuf> {
    let has_them = |python: &Path| runs(Command::new(python).args(["-c", check]));
    let own = PathBuf::from("python3");
    if has_them(&own) {
        return Some(own);
    }
    let folder = folder().join("python");
    let made = folder.join("bin/python3");
    let install = || {
        let is_made = made.exists() || runs(Command::new(&own).args(["-m", "venv"]).arg(&folder));
        if is_made {
            let install = ["-m", "pip", "install", "--quiet"];
            runs(Command::new(&made).args(install).args(packages));
        }
    };
    let first = packages.first()?;
    let name = first.split(['[', '>']).next()?;
    let is_there = ensure(name, || has_them(&made), install);
    if !is_there {
        eprintln!("SKIPPED: neither Python nor pip has {packages:?} for this test");
    }
    is_there.then_some(made)
}

/// Whether npm has installed a package and Node runs, or does now.
pub fn has_npm_package(name: &str) -> bool {
    let is_there = || root().join("node_modules").join(name).exists();
    let is_there = ensure(name, is_there, || {
        let mut install = Command::new("npm");
        install.args(["ci", "--no-audit", "--no-fund"]);
        runs(install.current_dir(root()));
    });
    let is_there = is_there && runs(Command::new("node").arg("--version").stdin(Stdio::null()));
    if !is_there {
        eprintln!("SKIPPED: npm could not install `{name}`; see package.json");
    }
    is_there
}
