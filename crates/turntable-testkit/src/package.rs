//! Third-party clients from npm and PyPI, installed among the build's files.
//! A test whose package is not available says SKIPPED on standard error and
//! passes.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::workspace::{root, scratch_folder};

/// How long after a failed installation the next attempt is made: tests are
/// many, and each would wait for the registry.
const RETRY_AFTER: Duration = Duration::from_secs(600);

fn runs(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

/// Whether a package is available, if need be after its installation. Only one
/// process installs at a time. A failure is remembered under this name.
fn ensure(name: &str, is_available: impl Fn() -> bool, install: impl FnOnce()) -> bool {
    if is_available() {
        return true;
    }
    let folder = scratch_folder();
    std::fs::create_dir_all(&folder).unwrap();
    let lock = File::create(folder.join("install.lock")).unwrap();
    lock.lock().unwrap();
    let failed = folder.join(format!("{name}.failed"));
    let failed_at = failed.metadata().and_then(|metadata| metadata.modified());
    let is_recent = failed_at.is_ok_and(|at| {
        let ago = at.elapsed();
        ago.is_ok_and(|ago| ago < RETRY_AFTER)
    });
    if is_available() {
        return true;
    }
    if is_recent {
        return false;
    }
    install();
    let is_available = is_available();
    if !is_available {
        File::create(&failed).unwrap();
    }
    is_available
}

/// A Python that has these packages: the machine's own, else one of a virtual
/// environment among the build's files. `None` if there is neither. `check` is a
/// script that fails without the packages.
pub fn python(packages: &[&str], check: &str) -> Option<PathBuf> {
    let has_them = |python: &Path| runs(Command::new(python).args(["-c", check]));
    let system = PathBuf::from("python3");
    if has_them(&system) {
        return Some(system);
    }
    let folder = scratch_folder().join("python");
    let own = folder.join("bin/python3");
    let install = || {
        let is_made = own.exists() || runs(Command::new(&system).args(["-m", "venv"]).arg(&folder));
        if is_made {
            let install = ["-m", "pip", "install", "--quiet"];
            runs(Command::new(&own).args(install).args(packages));
        }
    };
    let first = packages.first()?;
    let name = first.split(['[', '>']).next()?;
    let is_available = ensure(name, || has_them(&own), install);
    if !is_available {
        eprintln!("SKIPPED: neither Python nor pip has {packages:?} for this test");
    }
    is_available.then_some(own)
}

/// Whether Node runs and has an npm package, if need be after `npm install`.
pub fn has_npm_package(name: &str) -> bool {
    let is_available = || root().join("node_modules").join(name).exists();
    let is_available = ensure(name, is_available, || {
        // Other tests may use the packages that are there: nothing is removed.
        let mut install = Command::new("npm");
        install.args(["install", "--no-save", "--no-audit", "--no-fund"]);
        runs(install.current_dir(root()));
    });
    let is_available =
        is_available && runs(Command::new("node").arg("--version").stdin(Stdio::null()));
    if !is_available {
        eprintln!("SKIPPED: npm could not install `{name}`; see package.json");
    }
    is_available
}

/// Runs a script of the repository that plays a whole conversation with a
/// server, and prints `ok` if it went as it should.
pub fn run_script(program: &Path, script: &str, arguments: &[&str]) {
    let output = Command::new(program)
        .arg(root().join(script))
        .args(arguments)
        .current_dir(root())
        .output()
        .unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(
        output.status.success(),
        "{script} {arguments:?}: {out}\n{err}"
    );
    assert_eq!(out.trim_end(), "ok", "{script} {arguments:?}");
}
