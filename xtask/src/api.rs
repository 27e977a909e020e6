//! Drives the management API by its own description: the OpenAPI document of a server that
//! runs is validated, and schemathesis calls each operation with data that fits it and data
//! that does not.
//!
//! Both tools are installed from PyPI into a virtual environment below `target/api`, which
//! remains there. Without Python or a package index the step prints the reason and counts as
//! skipped. Findings of the tools are never skipped.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::machine::{Machine, find};
use crate::process;
use crate::server::Server;
use crate::step::Report;
use crate::tally::{Runner, Tally};

/// What is installed, with the versions of all that it needs.
const REQUIREMENTS: &str = "xtask/api/requirements.txt";
/// The oldest Python of schemathesis.
const PYTHON_MIN: (u32, u32) = (3, 11);

/// Which calls schemathesis makes, and what their answers are checked for.
const PLAN: &str = "xtask/api/schemathesis.toml";

/// # Errors
/// If the server does not start, or a tool ends without a result. What they find is counted,
/// and not an error.
pub(crate) fn run(machine: &Machine) -> Result<Report> {
    let folder = machine.target.join("api");
    fs::create_dir_all(&folder)?;
    let python = match ensure_tools(machine, &folder) {
        Ok(python) => python,
        Err(reason) => {
            return Ok(Report::skipped(
                "THE MANAGEMENT API WAS NOT DRIVEN BY ITS DESCRIPTION",
                &reason,
            ));
        }
    };
    let server = Server::start_with(machine, &[("RUST_LOG", "error")])?;
    let document = folder.join("openapi.json");
    let fetch = "import sys, urllib.request as r; r.urlretrieve(sys.argv[1], sys.argv[2])";
    process::checked(
        machine
            .command(&python)
            .args(["-c", fetch])
            .arg(format!("{}/openapi.json", server.management))
            .arg(&document),
    )?;
    let validation = process::checked(
        machine
            .command(&python)
            .args(["-m", "openapi_spec_validator", "--schema", "3.1"])
            .arg(&document),
    );
    let mut tally = match &validation {
        Ok(()) => Tally::ONE_PASSED,
        Err(_) => Tally::ONE_FAILED,
    };
    tally += drive(machine, &python, (&folder, &document), &server)?;
    Ok(Report {
        tally,
        note: validation.err().map(|error| format!("{error:#}")),
        ..Report::default()
    })
}

/// The Python of a virtual environment that contains the tools.
fn ensure_tools(machine: &Machine, folder: &Path) -> Result<PathBuf> {
    let environment = folder.join("environment");
    let python = environment.join("bin/python");
    let list = machine.root.join(REQUIREMENTS);
    let wanted = fs::read_to_string(&list).with_context(|| list.display().to_string())?;
    // Written last, so a failed installation does not contain it.
    let ready = environment.join("ready");
    if fs::read_to_string(&ready).is_ok_and(|have| have == wanted) && is_usable(&python, "pip") {
        println!("    the tools of {REQUIREMENTS} are installed");
        return Ok(python);
    }
    let base = ensure_python(machine)?;
    println!("    {}", base.display());
    if environment.exists() {
        fs::remove_dir_all(&environment)?;
    }
    process::checked(
        machine
            .command(&base)
            .args(["-m", "venv"])
            .arg(&environment),
    )?;
    process::checked(
        machine
            .command(&python)
            .args(["-m", "pip", "--disable-pip-version-check", "install"])
            .args(["--quiet", "-r"])
            .arg(&list),
    )
    .with_context(|| format!("the tools of {REQUIREMENTS} cannot be installed from PyPI"))?;
    fs::write(&ready, wanted)?;
    Ok(python)
}

/// A Python that makes virtual environments.
fn ensure_python(machine: &Machine) -> Result<PathBuf> {
    let look = || find("python3").filter(|python| is_usable(python, "venv, ensurepip"));
    if let Some(found) = look() {
        return Ok(found);
    }
    let (major, minor) = PYTHON_MIN;
    let advice = format!("install Python {major}.{minor} or newer with its module venv");
    machine.apt_install(&["python3-venv"], &advice)?;
    look().context(advice)
}

/// Whether a Python is new enough and has these modules.
fn is_usable(python: &Path, modules: &str) -> bool {
    let ask = format!("import sys, {modules}; sys.exit(sys.version_info[:2] < {PYTHON_MIN:?})");
    process::output(Command::new(python).args(["-c", &ask])).is_ok()
}

/// Calls the operations, and counts those with a finding.
fn drive(
    machine: &Machine,
    python: &Path,
    (folder, document): (&Path, &Path),
    server: &Server,
) -> Result<Tally> {
    let report = folder.join("report.json");
    // The report of an earlier run must not be read.
    if report.exists() {
        fs::remove_file(&report)?;
    }
    let mut command = machine.command(python.with_file_name("schemathesis"));
    command
        .current_dir(folder)
        .env("HYPOTHESIS_STORAGE_DIRECTORY", folder.join("hypothesis"))
        .arg("--config-file")
        .arg(machine.root.join(PLAN))
        .arg("run")
        .arg(document)
        .args(["--url", &server.management])
        .arg("--report-json-path")
        .arg(&report);
    let run = process::tallied(&mut command, Runner::None)?;
    let text = fs::read_to_string(&report)
        .with_context(|| format!("schemathesis ended without a report: {}", run.status))?;
    let tally = tally(&serde_json::from_str(&text)?)?;
    if !run.status.success() && tally.failed == 0 {
        bail!("schemathesis failed: {}", run.status);
    }
    Ok(tally)
}

/// Operations without and with findings, as the report of schemathesis has them.
fn tally(report: &Value) -> Result<Tally> {
    let count = |name: &str| {
        let count = report.pointer(name).and_then(Value::as_u64);
        let count = count.with_context(|| format!("no {name} in the report of schemathesis"))?;
        usize::try_from(count).map_err(anyhow::Error::from)
    };
    let list = |value: Option<&Value>| value.and_then(Value::as_array).cloned();
    let kinds = list(report.get("failures")).unwrap_or_default();
    let operations = kinds.iter().filter_map(|kind| list(kind.get("operations")));
    let operations = operations
        .flatten()
        .filter_map(|name| Some(name.as_str()?.to_owned()));
    let failed = operations.collect::<BTreeSet<String>>().len() + count("/operations/errored")?;
    Ok(Tally {
        passed: count("/operations/tested")?.saturating_sub(failed),
        failed,
        skipped: 0,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn operation_with_two_findings_fails_once() {
        let report = json!({
            "operations": {"total": 9, "tested": 5, "errored": 0},
            "failures": [{"operations": ["GET /a", "GET /b"]}, {"operations": ["GET /b"]}],
        });
        let tally = tally(&report).unwrap_or_default();
        assert_eq!((tally.passed, tally.failed), (3, 2));
    }
}
